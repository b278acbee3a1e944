"""The engines' own counters: what was asked of them, what it cost, and that what is given up costs nothing more."""

import time

import pytest

from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.request import Finished, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics
from tests.model.decoding.engines.engines import finished_by_step, run
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, make_engine

GREEDY = SearchOptions(beam_size=1)


def make_request(number: int, length: int = 5, **fields: object) -> Request:
    """It ends at the `length`-th step and not before."""
    options = SearchOptions(beam_size=1, min_target_length=length)
    return Request(number, (6 + number, 7, 8), options, length, **fields)  # type: ignore[arg-type]


def test_counts_steps_slots_requests_and_pieces() -> None:
    engine = make_engine(3)
    assert engine.statistics() == EngineStatistics(num_slots=3)
    before = time.monotonic()
    engine.admit([make_request(0, 2), make_request(1, 4)])
    assert engine.statistics().num_active == 2
    found = run(engine, [make_request(2, 4)])
    spent = time.monotonic() - before
    statistics = engine.statistics()
    assert 0 < statistics.step_seconds <= spent
    assert statistics == EngineStatistics(
        num_steps=4,
        step_seconds=statistics.step_seconds,
        num_slot_steps=2 + 4 + 4,
        num_admitted=3,
        num_finished=3,
        num_source_pieces=9,
        num_target_pieces=sum(len(finished.hypotheses[0].token_ids) for finished in found.values()),
        num_slots=3,
    )
    assert engine.step() == []
    assert engine.statistics().num_steps == 4


def test_what_is_cancelled_takes_no_further_step() -> None:
    engine = make_engine(2)
    engine.admit([make_request(0), make_request(1)])
    engine.step()
    assert engine.cancel(0)
    assert engine.free_slots == 1
    engine.step()
    statistics = engine.statistics()
    assert (statistics.num_cancelled, statistics.num_active, statistics.num_slot_steps) == (1, 1, 2 + 1)
    engine.admit([make_request(2)])  # in its slot, at the very next step
    engine.step()
    assert engine.statistics().num_slot_steps == 2 + 1 + 2


@pytest.mark.parametrize("num_engines", [1, 2])
def test_threads_count_together(num_engines: int) -> None:
    decoders = [TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=2) for _ in range(num_engines)]
    engine = Fleet.of_threads([Engine(decoder) for decoder in decoders])
    engine.admit([make_request(0), make_request(1)])
    assert engine.cancel(1)
    found = run(engine, [])
    engine.close()
    engine.close()
    statistics = engine.statistics()
    assert set(found) == {0}
    assert (statistics.num_admitted, statistics.num_finished, statistics.num_cancelled) == (2, 1, 1)
    assert (statistics.num_slot_steps, statistics.num_slots, statistics.num_active) == (5, 2 * num_engines, 0)
    assert (statistics.num_source_pieces, statistics.num_target_pieces) == (6, len(found[0].hypotheses[0].token_ids))


def test_tells_when_the_first_token_was_there() -> None:
    engine = make_engine(2)
    engine.admit([make_request(0)])
    begin = time.monotonic()
    engine.step()
    first = time.monotonic()
    engine.admit([make_request(1, 1)])
    outcomes: dict[int, Finished] = {}
    while engine.num_active:
        outcomes |= {finished.id: finished for finished in finished_by_step(engine)}
    assert begin <= outcomes[0].first_token_at <= first <= outcomes[1].first_token_at <= time.monotonic()


def test_a_cancelled_one_leaves_no_time_to_the_next_in_its_slot() -> None:
    engine = make_engine(1)
    engine.admit([make_request(0)])
    assert engine.cancel(0)  # before its first step
    begin = time.monotonic()
    found = run(engine, [make_request(1)])
    assert begin <= found[1].first_token_at
