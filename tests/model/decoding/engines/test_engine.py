"""The engine against the oracle: whatever the batch-mates and the order of arrival."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.limits import num_cached_positions
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.engines.engines import finished_by_step
from tests.reference_beam import reference_beam_search

VOCAB_SIZE = 40
FORBIDDEN = (0, 1, 2, 4, 5)
JOINED = tuple(range(30, 36))
"""Pieces that continue a word."""


def tiny_network(seed: int = 0, **changes: object) -> Transformer:
    """Random weights in float64, sharp enough for hypotheses to differ and to end."""
    torch.manual_seed(seed)
    shape = {
        "d_model": 16,
        "d_ff": 24,
        "num_heads": 2,
        "d_key": 6,
        "d_value": 10,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "max_source_length": 20,
        "max_target_length": 24,
    } | changes
    vocabulary = VocabularyShape(source_size=VOCAB_SIZE, target_size=VOCAB_SIZE, joint=True)
    network = Transformer(validate_tree(ArchitectureConfig, shape), vocabulary).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


NETWORK = tiny_network()

requests_without_id = st.builds(
    lambda source, beam, n_best, alpha, length: (
        tuple(source),
        SearchOptions(beam_size=beam, n_best=min(beam, n_best), length_penalty=alpha),
        length,
    ),
    st.lists(st.integers(6, VOCAB_SIZE - 1), min_size=1, max_size=20),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    st.integers(1, 24),
)


def make_engine(max_slots: int, network: Transformer = NETWORK) -> Engine:
    return Engine(TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=max_slots), joined_ids=JOINED)


def make_requests(drawn: list[tuple[tuple[int, ...], SearchOptions, int]]) -> list[Request]:
    return [Request(number, *request) for number, request in enumerate(drawn)]


def expected(request: Request, network: Transformer = NETWORK) -> list[TokenHypothesis]:
    return reference_beam_search(network, request.source_ids, request.options, request.max_target_length, FORBIDDEN)


def assert_same(found: tuple[TokenHypothesis, ...], due: list[TokenHypothesis]) -> None:
    assert [hypothesis.token_ids for hypothesis in found] == [hypothesis.token_ids for hypothesis in due]
    assert [hypothesis.score for hypothesis in found] == pytest.approx([hypothesis.score for hypothesis in due])


def run_with_arrivals(
    engine: Engine, requests: list[Request], random_seed: int
) -> dict[int, tuple[TokenHypothesis, ...]]:
    """Admits the requests a few at a time, between steps, as chance has it."""
    chance = random.Random(random_seed)
    waiting = list(requests)
    results: dict[int, tuple[TokenHypothesis, ...]] = {}
    while waiting or engine.num_active:
        num_admitted = min(chance.randint(0, 3), engine.free_slots, len(waiting))
        engine.admit([waiting.pop(0) for _ in range(num_admitted)])
        for finished in finished_by_step(engine):
            assert finished.id not in results
            results[finished.id] = finished.hypotheses
    return results


@given(st.lists(requests_without_id, min_size=1, max_size=8), st.integers(1, 5), st.integers())
@settings(deadline=None, max_examples=20)
def test_equals_the_oracle_with_any_batch_mates_and_arrivals(
    drawn: list[tuple[tuple[int, ...], SearchOptions, int]], max_slots: int, random_seed: int
) -> None:
    requests = make_requests(drawn)
    engine = make_engine(max_slots)
    results = run_with_arrivals(engine, requests, random_seed)
    assert engine.free_slots == max_slots
    for request in requests:
        assert_same(results[request.id], expected(request))


@pytest.mark.parametrize("normalization", ["pre", "post"])
@pytest.mark.parametrize("tied_embeddings", ["all", "target", "none"])
def test_equals_the_oracle_for_every_kind_of_network(normalization: str, tied_embeddings: str) -> None:
    network = tiny_network(seed=3, normalization=normalization, tied_embeddings=tied_embeddings, num_decoder_layers=1)
    options = SearchOptions(beam_size=3, n_best=3)
    requests = [Request(number, tuple(range(6, 9 + 3 * number)), options, 15) for number in range(4)]
    results = run_with_arrivals(make_engine(3, network), requests, 1)
    for request in requests:
        assert_same(results[request.id], expected(request, network))


@given(st.lists(requests_without_id, min_size=2, max_size=6), st.integers(0, 5), st.integers(0, 10))
@settings(deadline=None, max_examples=12)
def test_cancelling_frees_the_slot_and_touches_no_other(
    drawn: list[tuple[tuple[int, ...], SearchOptions, int]], victim: int, steps_before: int
) -> None:
    requests = make_requests(drawn)
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
    while engine.num_active:
        results |= {finished.id: finished.hypotheses for finished in finished_by_step(engine)}
    assert (victim in results) is not in_flight
    for request in requests:
        if request.id in results:
            assert_same(results[request.id], expected(request))


def test_refuses_what_it_cannot_hold_and_stays_as_it_was() -> None:
    engine = make_engine(2)
    good = Request(1, (6, 7), SearchOptions(), 10)
    engine.admit([good])
    cases = [
        ([Request(2, (6,), SearchOptions(), 10), Request(3, (6,), SearchOptions(), 10)], "2 requests for 1 free slots"),
        ([good], "id of another"),
        ([Request(2, (), SearchOptions(), 10)], "a source of 0 pieces"),
        ([Request(2, (6,) * 21, SearchOptions(), 10)], "a source of 21 pieces"),
        ([Request(2, (6,), SearchOptions(), 25)], "max_target_length is 25"),
        ([Request(2, (6,), SearchOptions(beam_size=21), 10)], "cannot fill a beam of 21"),
    ]
    for requests, message in cases:
        with pytest.raises(InvalidInputError, match=message):
            engine.admit(requests)
        assert engine.num_active == 1
    assert not engine.cancel(99)


def test_without_requests_a_step_does_nothing() -> None:
    assert make_engine(1).step() == []


@given(st.lists(requests_without_id, min_size=1, max_size=8), st.integers(40, 200), st.integers())
@settings(deadline=None, max_examples=12)
def test_no_more_positions_are_cached_than_allowed(
    drawn: list[tuple[tuple[int, ...], SearchOptions, int]], max_cached_positions: int, random_seed: int
) -> None:
    decoder = TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=4)
    engine = Engine(decoder, max_cached_positions=max_cached_positions)
    waiting = [request for request in make_requests(drawn) if num_cached_positions(request) <= max_cached_positions]
    chance = random.Random(random_seed)
    results: dict[int, tuple[TokenHypothesis, ...]] = {}
    in_flight: dict[int, Request] = {}
    requests = list(waiting)
    while waiting or engine.num_active:
        count = engine.count_fitting(waiting)
        reserved = sum(num_cached_positions(request) for request in in_flight.values())
        fitting = 0
        while fitting < min(len(waiting), 4 - len(in_flight)):
            reserved += num_cached_positions(waiting[fitting])
            if reserved > max_cached_positions:
                break
            fitting += 1
        assert count == fitting
        if count < len(waiting):
            with pytest.raises(InvalidInputError):
                engine.admit(waiting[: count + 1])
        admitted = [waiting.pop(0) for _ in range(chance.randint(0, count))]
        engine.admit(admitted)
        in_flight |= {request.id: request for request in admitted}
        for finished in finished_by_step(engine):
            results[finished.id] = finished.hypotheses
            del in_flight[finished.id]
        assert decoder.num_cached_positions <= max_cached_positions
    assert decoder.num_cached_positions == 0
    for request in requests:
        assert_same(results[request.id], expected(request))


def test_refuses_what_never_fits() -> None:
    engine = Engine(TorchDecoder(NETWORK, max_slots=2), max_cached_positions=50)
    request = Request(0, (6,) * 11, SearchOptions(beam_size=4), 10)
    with pytest.raises(
        InvalidInputError, match="needs 51 cached positions, but the engine has 50: ask for fewer beams"
    ):
        engine.check(request)
    with pytest.raises(InvalidInputError, match="needs 51 cached positions"):
        engine.admit([request])
    engine.admit([Request(0, (6,) * 10, SearchOptions(beam_size=4), 10)])
    with pytest.raises(InvalidInputError, match="1 requests need more cached positions than are free, of 50"):
        engine.admit([Request(1, (6,), SearchOptions(beam_size=1), 1)])


def test_a_failing_decoder_leaves_the_engine_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(2)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(engine.decoder, "admit", fail)
        with pytest.raises(MemoryError):
            engine.admit([Request(0, (6, 7), SearchOptions(), 10)])
    assert (engine.num_active, engine.free_slots) == (0, 2)
    request = Request(0, (6, 7), SearchOptions(), 10)
    engine.admit([request])
    engine.step()
    with monkeypatch.context() as patch:
        patch.setattr(engine.decoder, "extend", fail)
        with pytest.raises(MemoryError):
            engine.step()
    found = run_with_arrivals(engine, [], 0)
    assert_same(found[0], expected(request))
