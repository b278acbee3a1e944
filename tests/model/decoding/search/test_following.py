"""The reports on a running search: their stable pieces begin the hypothesis that it finds in the end."""

import dataclasses
import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.request import Finished, Lost, Partial, Request
from dragoman.model.decoding.search.following import num_common_pieces
from dragoman.model.decoding.search_options import SearchOptions
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, VOCAB_SIZE
from tests.model.decoding.engines.test_engine_options import requests_with_options
from tests.pieces import EOS_ID


def make_engine(max_slots: int) -> Engine:
    """Whose clock goes on by a second at every look."""
    decoder = TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=max_slots)
    return Engine(decoder, clock=itertools.count().__next__)


def follow(engine: Engine | Fleet, requests: list[Request]) -> tuple[dict[int, Finished], list[list[Partial]]]:
    """What it finds for the requests, admitted at once, and what it tells of each of them on the way."""
    engine.admit(requests)
    found: dict[int, Finished] = {}
    told: list[list[Partial]] = [[] for _ in requests]
    while engine.num_active:
        for event in engine.step():
            assert not isinstance(event, Lost)
            assert event.id not in found
            if isinstance(event, Finished):
                found[event.id] = event
            else:
                told[event.id].append(event)
    return found, told


@given(st.lists(requests_with_options(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_what_is_stable_is_there_in_the_end_and_never_shrinks(drawn: list[Request]) -> None:
    requests = [dataclasses.replace(request, id=number, is_followed=True) for number, request in enumerate(drawn)]
    found, told = follow(make_engine(len(requests)), requests)
    for request, partials in zip(requests, told, strict=True):
        best = found[request.id].hypotheses[0].token_ids
        stable: tuple[int, ...] = ()
        for partial in partials:
            assert 0 <= partial.num_stable <= len(partial.token_ids)
            assert partial.token_ids[: len(stable)] == stable
            assert partial.num_stable >= len(stable)
            stable = partial.token_ids[: partial.num_stable]
            assert best[: len(stable)] == stable


@pytest.mark.parametrize("beam_size", range(1, 9))
def test_every_step_but_the_last_tells_where_the_best_stands(beam_size: int) -> None:
    options = SearchOptions(beam_size=beam_size)
    sources = [random.Random(number).choices(range(6, VOCAB_SIZE), k=8) for number in range(6)]
    requests = [Request(number, tuple(source), options, 20, is_followed=True) for number, source in enumerate(sources)]
    found, told = follow(make_engine(6), requests)
    for number, partials in enumerate(told):
        # Alive it has a piece for each step; finished, fewer.
        assert all(len(partial.token_ids) <= step for step, partial in enumerate(partials, start=1))
        if beam_size == 1:
            best = found[number].hypotheses[0].token_ids
            assert [partial.token_ids for partial in partials] == [best[: n + 1] for n in range(len(partials))]
            assert all(partial.num_stable == len(partial.token_ids) for partial in partials)
    if beam_size in (2, 3):
        assert any(0 < partial.num_stable < len(partial.token_ids) for partials in told for partial in partials)


def test_a_prefix_is_stable_as_it_is_forced() -> None:
    request = Request(0, (6, 7, 8), SearchOptions(), 12, prefix_ids=(20, 31, 20), is_followed=True)
    _, ((first, second, *_),) = follow(make_engine(1), [request])
    assert (first.token_ids, first.num_stable) == ((20,), 1)
    assert (second.token_ids, second.num_stable) == ((20, 31), 2)


def test_a_finished_hypothesis_that_leads_is_shown() -> None:
    """An ending found early with the best score is what is shown, although others live on."""
    told_of_ends = 0
    for number in range(20):
        source = tuple(random.Random(number).choices(range(6, VOCAB_SIZE), k=6))
        request = Request(0, source, SearchOptions(beam_size=4, length_penalty=0.0), 20, is_followed=True)
        found, (partials,) = follow(make_engine(1), [request])
        best = found[0].hypotheses[0].token_ids
        told_of_ends += sum(len(partial.token_ids) < step for step, partial in enumerate(partials, start=1))
        # Without a length penalty no longer one overtakes it: the last word was told before the search was over.
        if partials and len(partials[-1].token_ids) < len(partials):
            assert partials[-1].token_ids == best
    assert told_of_ends > 0


def test_only_what_is_followed_is_told_of_and_following_changes_nothing() -> None:
    requests = [Request(number, (6 + number, 7, 8), SearchOptions(), 12) for number in range(4)]
    alone = run(make_engine(4), requests)
    followed = [dataclasses.replace(request, is_followed=request.id % 2 == 0) for request in requests]
    found, told = follow(make_engine(4), followed)
    assert found == alone
    assert [bool(partials) for partials in told] == [True, False, True, False]


def test_a_slot_is_no_longer_followed_when_another_takes_it() -> None:
    engine = make_engine(1)
    engine.admit([Request(0, (6, 7), SearchOptions(), 12, is_followed=True)])
    assert [type(event) for event in engine.step()] == [Partial]
    assert engine.cancel(0)
    _, (told,) = follow(engine, [Request(0, (6, 7), SearchOptions(), 12)])
    assert told == []


def test_several_threads_tell_of_what_they_decode() -> None:
    engine = Fleet.of_threads([make_engine(2) for _ in range(2)])
    requests = [Request(number, (6 + number, 7, 8), SearchOptions(), 12, is_followed=True) for number in range(4)]
    found, told = follow(engine, requests)
    alone = run(make_engine(4), [dataclasses.replace(request, is_followed=False) for request in requests])
    for number, finished in found.items():
        assert finished.hypotheses[0].token_ids == alone[number].hypotheses[0].token_ids
    assert all(told)
    engine.close()


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 2), max_size=9), max_size=3),
)
def test_common_pieces_are_counted_as_by_hand(live: list[list[int]], others: list[list[int]]) -> None:
    due = 0
    while due < 6 and all(len(one) > due and one[due] == live[0][due] for one in [*live, *others]):
        due += 1
    assert num_common_pieces(np.array(live, np.int32), others) == due


def test_the_end_of_sentence_is_no_piece_of_what_is_told() -> None:
    for number in range(10):
        source = tuple(random.Random(number).choices(range(6, VOCAB_SIZE), k=6))
        _, (partials,) = follow(make_engine(1), [Request(0, source, SearchOptions(), 20, is_followed=True)])
        assert all(EOS_ID not in partial.token_ids for partial in partials)


def test_reports_come_at_most_every_fifty_milliseconds() -> None:
    now = 7.0
    engine = Engine(TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=1), clock=lambda: now)
    engine.admit([Request(0, (6, 7, 8), SearchOptions(min_target_length=9), 12, is_followed=True)])
    told = []
    for seconds in (0.0, 0.01, 0.02, 0.03, 0.01, 0.04):
        now += seconds
        told.append(bool(engine.step()))
    assert told == [True, False, False, True, False, True]
