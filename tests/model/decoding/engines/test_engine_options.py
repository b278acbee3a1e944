"""The engine with all search options, mixed freely in one batch, against the oracle."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from tests.model.decoding.engines.engines import finished_by_step
from tests.model.decoding.engines.test_engine import (
    FORBIDDEN,
    JOINED,
    NETWORK,
    VOCAB_SIZE,
    make_engine,
    run_with_arrivals,
)
from tests.pieces import EOS_ID
from tests.reference_beam import reference_search

PIECES = st.integers(6, VOCAB_SIZE - 1)
SOURCE = tuple(range(6, 16))


@st.composite
def requests_with_options(draw: st.DrawFn) -> Request:
    """Number 0; about half of the options are at their defaults."""

    def maybe(default: object, strategy: st.SearchStrategy[object]) -> object:
        return draw(strategy) if draw(st.booleans()) else default

    beam_size = draw(st.integers(1, 5))
    max_target_length = draw(st.integers(1, 20))
    options = SearchOptions(
        beam_size=beam_size,
        n_best=draw(st.integers(1, beam_size)),
        length_penalty=draw(st.sampled_from([0.0, 0.6, 1.0, 2.0])),
        length_normalization=draw(st.sampled_from(["gnmt", "average"])),
        coverage_penalty=maybe(0.0, st.sampled_from([0.2, 1.0])),  # type: ignore[arg-type]
        min_target_length=maybe(1, st.integers(1, 10)),  # type: ignore[arg-type]
        no_repeat_ngram_size=maybe(0, st.integers(1, 3)),  # type: ignore[arg-type]
        sampling_temperature=maybe(None, st.sampled_from([0.3, 1.0, 1.7])),  # type: ignore[arg-type]
        sampling_top_k=maybe(0, st.integers(1, 8)),  # type: ignore[arg-type]
        sampling_top_p=maybe(1.0, st.sampled_from([0.2, 0.7, 0.95])),  # type: ignore[arg-type]
        seed=draw(st.integers(0, 2**63 - 1)),
        return_attention=draw(st.booleans()),
    )
    allowed = draw(st.none() | st.sets(PIECES, min_size=3))
    form = st.lists(PIECES, min_size=1, max_size=3).map(tuple)
    terms = st.lists(st.lists(form, min_size=1, max_size=2).map(tuple), min_size=1, max_size=3).map(tuple)
    return Request(
        0,
        tuple(draw(st.lists(PIECES, min_size=1, max_size=20))),
        options,
        max_target_length,
        prefix_ids=tuple(draw(st.lists(PIECES, max_size=min(4, max_target_length - 1)))),
        suppressed_ids=tuple(draw(st.lists(PIECES | st.just(EOS_ID), max_size=5))),
        allowed_ids=None if allowed is None else np.array(sorted({*allowed, EOS_ID}), np.int32),
        terms=() if options.sampling_temperature is not None else maybe((), terms),  # type: ignore[arg-type]
    )


def number(requests: list[Request]) -> list[Request]:
    return [dataclasses.replace(request, id=index) for index, request in enumerate(requests)]


def expected(request: Request) -> list[TokenHypothesis]:
    return reference_search(
        NETWORK,
        request.source_ids,
        request.options,
        request.max_target_length,
        FORBIDDEN,
        prefix_ids=request.prefix_ids,
        suppressed_ids=request.suppressed_ids,
        allowed_ids=possible_ids(request),
        terms=request.terms,
        joined_ids=JOINED,
    )


def possible_ids(request: Request) -> set[int] | None:
    """The pieces of the request's shortlist, its prefix and its terms."""
    if request.allowed_ids is None:
        return None
    of_terms = {piece for forms in request.terms for form in forms for piece in form}
    return {*request.allowed_ids.tolist(), *request.prefix_ids, *of_terms}


def assert_same(found: tuple[TokenHypothesis, ...], due: list[TokenHypothesis]) -> None:
    assert [hypothesis.token_ids for hypothesis in found] == [hypothesis.token_ids for hypothesis in due]
    for one, other in zip(found, due, strict=True):
        assert one.score == pytest.approx(other.score)
        assert one.token_log_probs == pytest.approx(other.token_log_probs)
        if other.attention is None:
            assert one.attention is None
        else:
            assert one.attention is not None
            assert one.attention.dtype == np.float32
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)


@given(st.lists(requests_with_options(), min_size=1, max_size=8), st.integers(1, 5), st.integers())
@settings(deadline=None, max_examples=40)
def test_equals_the_oracle_with_any_batch_mates_and_arrivals(
    drawn: list[Request], max_slots: int, random_seed: int
) -> None:
    requests = number(drawn)
    engine = make_engine(max_slots)
    results = run_with_arrivals(engine, requests, random_seed)
    assert engine.free_slots == max_slots
    for request in requests:
        assert_same(results[request.id], expected(request))


@given(st.lists(requests_with_options(), min_size=2, max_size=5), st.integers(0, 4), st.integers(0, 10))
@settings(deadline=None, max_examples=20)
def test_cancelling_frees_the_slot_and_touches_no_other(drawn: list[Request], victim: int, steps_before: int) -> None:
    requests = number(drawn)
    victim %= len(requests)
    engine = make_engine(len(requests))
    engine.admit(requests)
    results: dict[int, tuple[TokenHypothesis, ...]] = {}
    for _ in range(steps_before):
        results |= {finished.id: finished.hypotheses for finished in finished_by_step(engine)}
    free_before = engine.free_slots
    in_flight = victim not in results
    assert engine.cancel(victim) is in_flight
    assert engine.free_slots == free_before + in_flight
    if in_flight:  # its slot at once goes to another
        engine.admit([dataclasses.replace(requests[victim], id=99)])
    while engine.num_active:
        results |= {finished.id: finished.hypotheses for finished in finished_by_step(engine)}
    assert (victim in results) is not in_flight
    for request in requests:
        if request.id in results:
            assert_same(results[request.id], expected(request))
    if in_flight:
        assert_same(results[99], expected(requests[victim]))


def decode(options: SearchOptions, max_target_length: int = 20, **fields: object) -> tuple[TokenHypothesis, ...]:
    engine = make_engine(1)
    engine.admit([Request(0, SOURCE, options, max_target_length, **fields)])  # type: ignore[arg-type]
    while True:
        for finished in finished_by_step(engine):
            return finished.hypotheses


def test_every_hypothesis_begins_with_the_prefix_and_pays_for_it() -> None:
    hypotheses = decode(SearchOptions(n_best=4), prefix_ids=(20, 31, 20))
    assert [hypothesis.token_ids[:3] for hypothesis in hypotheses] == [(20, 31, 20)] * 4
    for hypothesis in hypotheses:
        length = len(hypothesis.token_log_probs)
        assert hypothesis.score == pytest.approx(sum(hypothesis.token_log_probs) / ((5 + length) / 6))


def test_a_prefix_may_hold_what_is_forbidden_suppressed_or_repeated() -> None:
    prefix = (FORBIDDEN[0], 20, 20, 21)
    hypotheses = decode(
        SearchOptions(no_repeat_ngram_size=1),
        prefix_ids=prefix,
        suppressed_ids=(21,),
        allowed_ids=np.array([EOS_ID, 22, 23], np.int32),
    )
    assert hypotheses[0].token_ids[:4] == prefix
    assert hypotheses[0].token_log_probs[0] == 0.0
    assert set(hypotheses[0].token_ids[4:]) <= {22, 23}
    assert math.isfinite(hypotheses[0].score)


def test_no_piece_occurs_twice_where_that_is_asked_for() -> None:
    for hypothesis in decode(SearchOptions(n_best=4, no_repeat_ngram_size=1, min_target_length=12)):
        assert len(set(hypothesis.token_ids)) == len(hypothesis.token_ids) >= 12


def test_a_search_that_the_rules_leave_nothing_ends_all_the_same() -> None:
    options = SearchOptions(n_best=2, no_repeat_ngram_size=1, min_target_length=15)
    hypotheses = decode(options, allowed_ids=np.array([EOS_ID, 20, 21], np.int32))
    assert sorted(hypothesis.token_ids for hypothesis in hypotheses) == [(20, 21), (21, 20)]


def test_samples_differ_by_seed_and_number_and_come_best_first() -> None:
    def draw(seed: int, n_best: int = 6) -> list[tuple[int, ...]]:
        options = SearchOptions(n_best=n_best, sampling_temperature=1.0, length_penalty=0.0, seed=seed)
        hypotheses = decode(options)
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        return [hypothesis.token_ids for hypothesis in hypotheses]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert len(set(draw(1))) > 1
    assert set(draw(1, n_best=3)) <= set(draw(1))  # a sample does not depend on how many there are


def test_sampling_from_the_likeliest_piece_alone_is_greedy_search() -> None:
    greedy = decode(SearchOptions(beam_size=1))
    assert decode(SearchOptions(sampling_temperature=1.0, sampling_top_k=1))[0].token_ids == greedy[0].token_ids
    assert decode(SearchOptions(sampling_temperature=1.0, sampling_top_p=1e-9))[0].token_ids == greedy[0].token_ids


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prefix_ids": (6,) * 20}, "target_prefix has 20 pieces, but max_target_length is 20: it must be greater"),
        ({"prefix_ids": (6, EOS_ID, 6)}, "target_prefix goes on after the end of sentence"),
        ({"prefix_ids": (*(6,) * 20, EOS_ID)}, "target_prefix has 21 pieces, but max_target_length is 20"),
        ({"prefix_ids": (VOCAB_SIZE,)}, "prefix_ids holds 40, but the vocabulary has 40 pieces"),
        ({"suppressed_ids": (-1,)}, "suppressed_ids holds -1"),
        ({"allowed_ids": np.array([6, 7], np.int32)}, "allowed_ids must be ascending pieces"),
        ({"allowed_ids": np.array([7, 3], np.int32)}, "allowed_ids must be ascending pieces"),
        ({"allowed_ids": np.array([3, VOCAB_SIZE], np.int32)}, "allowed_ids must be ascending pieces"),
    ],
)
def test_refuses_pieces_that_make_no_sense(fields: dict[str, object], message: str) -> None:
    engine = make_engine(1)
    with pytest.raises(InvalidInputError, match=message):
        engine.admit([Request(0, SOURCE, SearchOptions(), 20, **fields)])  # type: ignore[arg-type]
    assert engine.num_active == 0
