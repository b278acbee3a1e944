"""Several engines behind the face of one: with the engine on torch against the oracle, and with one that waits."""

import gc
import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.making import default_threads, make_engine
from dragoman.model.decoding.request import Event, Finished, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, StalledError
from tests.model.decoding.decoders.native.networks import make_decoder, make_network
from tests.model.decoding.engines.engines import finished_by_step, run
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, assert_same, expected
from tests.pieces import VOCABULARY

LENGTH = 12


def make_request(number: int, *, length: int = 6, max_target_length: int = LENGTH) -> Request:
    source = random.Random(number).choices(range(6, 40), k=length)
    return Request(number, tuple(source), SearchOptions(beam_size=1 + number % 4), max_target_length)


def make_torch_engines(count: int, *, max_cached_positions: int | None = None) -> list[Engine]:
    decoders = [TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=3) for _ in range(count)]
    return [Engine(decoder, max_cached_positions=max_cached_positions) for decoder in decoders]


class GatedEngine(Engine):
    """Waits for `gate` in every step, and says when it has begun one; `failure` is raised by its steps."""

    def __init__(self, max_cached_positions: int | None = None) -> None:
        decoder = TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=2)
        super().__init__(decoder, max_cached_positions=max_cached_positions)
        self.gate, self.is_stepping = threading.Semaphore(0), threading.Semaphore(0)
        self.failure: Exception | None = None

    def step(self) -> list[Event]:
        self.is_stepping.release()
        self.gate.acquire()
        if self.failure is not None:
            raise self.failure
        return super().step()


def finish(engine: Fleet, results: dict[int, Finished] | None = None) -> dict[int, Finished]:
    results = {} if results is None else results
    while engine.num_active:
        results |= {finished.id: finished for finished in finished_by_step(engine)}
    return results


@pytest.mark.parametrize("count", [1, 2, 3])
def test_agrees_with_the_oracle_whatever_comes_and_goes(count: int) -> None:
    chance = random.Random(count)
    engine = Fleet.of_threads(make_torch_engines(count))
    requests = [make_request(number) for number in range(24)]
    waiting, in_flight, cancelled, results = list(requests), set[int](), set[int](), dict[int, Finished]()
    while waiting or engine.num_active:
        arriving = waiting[: min(chance.randint(0, 3), engine.count_fitting(waiting))]
        del waiting[: len(arriving)]
        engine.admit(arriving)
        in_flight |= {request.id for request in arriving}
        for finished in finished_by_step(engine):
            results[finished.id] = finished
            in_flight.remove(finished.id)
        if in_flight and chance.random() < 0.2:
            gone = chance.choice(sorted(in_flight))
            assert engine.cancel(gone)
            assert not engine.cancel(gone)
            in_flight.remove(gone)
            cancelled.add(gone)
    assert cancelled
    assert set(results) == {request.id for request in requests} - cancelled
    for number, finished in results.items():
        assert_same(finished.hypotheses, expected(requests[number]))
    finish(engine)


def test_shares_requests_evenly_and_counts_the_room() -> None:
    engine = Fleet.of_threads(make_torch_engines(2))
    assert (engine.max_slots, engine.free_slots, engine.num_active) == (6, 6, 0)
    requests = [make_request(number) for number in range(7)]
    assert engine.count_fitting(requests) == 6
    engine.admit(requests[:4])
    assert (engine.free_slots, engine.num_active) == (2, 4)
    assert [len(lane.in_flight) for lane in engine._lanes] == [2, 2]
    engine.admit(requests[4:5])
    assert set(finish(engine)) == {0, 1, 2, 3, 4}
    assert engine.free_slots == 6


def wait_until_idle(engine: Fleet) -> None:
    """Ends the steps that go on although nobody waits for what they find."""
    engine.close()
    for lane in engine._threads:
        lane.send((), ())  # what was given up in the last step
        assert lane.engine.num_active == 0


def test_cached_positions_are_bounded_in_all() -> None:
    room = 4 * (6 + 4 * LENGTH)
    engine = Fleet.of_threads(make_torch_engines(2, max_cached_positions=room))
    requests = [Request(number, (7,) * 6, SearchOptions(beam_size=4), LENGTH) for number in range(6)]
    assert engine.count_fitting(requests) == 4
    with pytest.raises(InvalidInputError, match="5 requests, but there is room for 4"):
        engine.admit(requests[:5])
    assert engine.num_active == 0
    engine.admit(requests[:4])
    assert engine.count_fitting(requests[4:]) == 0
    assert engine.cancel(3)
    assert engine.count_fitting(requests[4:]) == 1
    engine.step()
    assert set(finish(engine)) <= {0, 1, 2}
    assert engine.count_fitting(requests[:4]) == 4


def test_refuses_what_an_engine_refuses_and_nothing_has_changed() -> None:
    engine = Fleet.of_threads(make_torch_engines(2))
    engine.admit([make_request(1)])
    for requests, message in (
        ([make_request(2), make_request(1)], "has the id of another in flight"),
        ([make_request(2), make_request(2)], "has the id of another in flight"),
        ([make_request(2), make_request(3, length=21)], "a source of 21 pieces"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            engine.admit(requests)
    assert engine.num_active == 1
    assert set(finish(engine)) == {1}


def test_goes_on_with_one_while_another_is_in_the_middle_of_a_step() -> None:
    slow, quick = GatedEngine(), GatedEngine()
    engine = Fleet.of_threads([slow, quick])
    quick.gate.release(100)
    engine.admit([make_request(0), make_request(1)])  # one each
    results: dict[int, Finished] = {}
    while not results:
        results |= {finished.id: finished for finished in finished_by_step(engine)}
    assert set(results) == {1}
    assert slow.is_stepping.acquire(timeout=10)
    assert engine.free_slots == 3
    engine.admit([make_request(2)])
    assert engine.cancel(0)  # in the middle of its step
    assert engine.num_active == 1
    while 2 not in results:
        results |= {finished.id: finished for finished in finished_by_step(engine)}
    engine.admit([make_request(0)])  # the same id again, while the cancelled one's step still runs
    slow.gate.release(100)
    finish(engine, results)
    assert set(results) == {0, 1, 2}
    wait_until_idle(engine)


def test_an_engine_that_fails_is_told_of_and_the_other_goes_on() -> None:
    broken, sound = GatedEngine(), GatedEngine()
    engine = Fleet.of_threads([broken, sound])
    broken.failure = MemoryError("no more")
    broken.gate.release(100)
    engine.admit([make_request(0), make_request(1)])
    with pytest.raises(MemoryError, match="no more"):
        finish(engine)
    assert engine.cancel(0)
    sound.gate.release(100)
    assert set(finish(engine)) == {1}
    broken.failure = None
    engine.admit([make_request(2)])
    assert set(finish(engine)) == {2}


def cancel_in_the_middle_of_a_step(engine: Fleet, idle: GatedEngine, busy: GatedEngine) -> None:
    """Leaves nothing in flight, while `busy` is in the middle of a step."""
    engine.admit([make_request(0), make_request(1)])  # one each
    assert engine.step() == []
    idle.gate.release()
    assert busy.is_stepping.acquire(timeout=10)
    assert engine.cancel(0)
    assert engine.cancel(1)
    assert engine.num_active == 0


def test_there_is_room_when_all_were_given_up_one_of_them_in_the_middle_of_a_step() -> None:
    idle, busy = GatedEngine(6 + 4 * LENGTH), GatedEngine(6 + 4 * LENGTH)
    engine = Fleet.of_threads([idle, busy])
    cancel_in_the_middle_of_a_step(engine, idle, busy)
    idle.gate.release(100)
    busy.gate.release(100)
    wide = make_request(3)
    assert engine.count_fitting([wide]) == 1  # else it would seem that it never fits
    engine.admit([wide])
    assert set(finish(engine)) == {3}


def test_a_failure_of_what_was_given_up_concerns_nobody() -> None:
    idle, busy = GatedEngine(), GatedEngine()
    engine = Fleet.of_threads([idle, busy])
    cancel_in_the_middle_of_a_step(engine, idle, busy)
    busy.failure = MemoryError("no more")
    idle.gate.release(100)
    busy.gate.release()
    engine.admit([make_request(2)])
    results = finish(engine)
    assert set(results) == {2}
    wait_until_idle(engine)


def test_a_failure_that_nobody_was_told_of_ends_with_what_it_concerned() -> None:
    broken, sound = GatedEngine(), GatedEngine()
    engine = Fleet.of_threads([broken, sound])
    broken.failure = MemoryError("no more")
    engine.admit([make_request(0), make_request(1)])
    assert engine.step() == []
    with engine.changed:
        broken.gate.release()
        assert engine.changed.wait_for(lambda: engine._failure is not None, timeout=10)
    assert engine.cancel(0)
    assert engine.cancel(1)
    broken.failure = None
    broken.gate.release(100)
    sound.gate.release(100)
    engine.admit([make_request(2)])
    assert set(finish(engine)) == {2}


def test_cancels_what_waits_to_be_admitted() -> None:
    engine = Fleet.of_threads(make_torch_engines(1))
    engine.admit([make_request(0), make_request(1)])
    assert engine.cancel(0)
    assert not engine.cancel(5)
    assert set(finish(engine)) == {1}
    assert engine.step() == []


def test_a_thread_that_is_stuck_is_told_of() -> None:
    stuck, sound = GatedEngine(), GatedEngine()
    engine = Fleet.of_threads([stuck, sound], stall_seconds=1e-6)  # so that every step looks
    engine.admit([make_request(0), make_request(1)])
    sound.gate.release(100)
    with pytest.raises(StalledError, match="a thread of the decoding engine has been stuck for 1e-06 seconds"):
        finish(engine)
    engine.close()  # does not wait for it
    stuck.gate.release(100)


def test_the_only_one_at_work_needs_no_thread() -> None:
    engine = Fleet.of_threads(make_torch_engines(2))
    engine.admit([make_request(0)])
    assert set(finish(engine)) == {0}
    assert [lane._thread for lane in engine._threads] == [None, None]
    engine.admit([make_request(1), make_request(2)])
    assert set(finish(engine)) == {1, 2}
    assert all(lane._thread is not None for lane in engine._threads)


def test_threads_end_with_the_fleet() -> None:
    engine = Fleet.of_threads(make_torch_engines(2))
    engine.admit([make_request(1), make_request(2)])
    finish(engine)
    threads = [lane._thread for lane in engine._threads]
    del engine
    gc.collect()
    for thread in threads:
        assert thread is not None
        thread.join(30)
        assert not thread.is_alive()


FORKING = """
import itertools, os, sys
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.translator import Translator
mode, bundle, *texts = sys.argv[1:]
processes = {"num_replicas": 1} if mode == "processes" else {"num_threads": 2}
translator = Translator.load(bundle, max_slots=4, **processes)
options = {"beam_size": 2, "max_target_length": 8}
due = translator.translate(texts, "de", **options)
if mode == "busy":
    prepared = translator.prepare(texts[0], translator.directions[0], SearchOptions())
    translator.engine.admit(prepared.requests(itertools.count()))
child = os.fork()
if not child:
    try:
        os._exit(0 if translator.translate(texts, "de", **options) == due else 1)
    except Exception as error:
        print(error, flush=True)
        os._exit(2)
_, status = os.waitpid(child, 0)
if mode != "busy":
    assert translator.translate(texts, "de", **options) == due
    translator.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")
@pytest.mark.parametrize(("mode", "status"), [("threads", 0), ("busy", 2), ("processes", 2)])
def test_a_forked_process_goes_on_or_says_why_not(
    mode: str, status: int, tiny_bundle: Path, tiny_sentences: list[str]
) -> None:
    command = [sys.executable, "-c", FORKING, mode, str(tiny_bundle), *tiny_sentences[:6]]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == status, ended.stderr
    assert ("this process was forked from the one that loaded the translator" in ended.stdout) == (status == 2)


class Replicable:
    """Stands for a decoder in the making of engines."""

    max_slots = 8
    max_source_length = max_target_length = 20
    vocabulary = VOCABULARY

    def __init__(self, made: list["Replicable"]) -> None:
        self.made = made
        made.append(self)

    def replicate(self) -> "Replicable":
        return Replicable(self.made)


@pytest.mark.parametrize(
    ("num_threads", "max_slots", "each"), [(1, 8, [8]), (2, 8, [4, 4]), (3, 8, [3, 3, 2]), (4, 2, [1, 1])]
)
def test_makes_an_engine_for_every_thread(num_threads: int, max_slots: int, each: Sequence[int]) -> None:
    made: list[Replicable] = []
    engine = make_engine(cast(Decoder, Replicable(made)), num_threads=num_threads, max_slots=max_slots)
    assert len(made) == len(each)
    engines = [lane.engine for lane in engine._threads] if isinstance(engine, Fleet) else [engine]
    assert [one.max_slots for one in engines] == each


def test_torch_has_threads_of_its_own() -> None:
    decoder = TorchDecoder(NETWORK, max_slots=4)
    assert isinstance(make_engine(decoder, num_threads=4, max_slots=4), Engine)


@pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")
def test_replicas_of_the_kernels_share_weights_and_no_slots() -> None:
    network = make_network()
    decoder = make_decoder(network)
    requests = [make_request(number, max_target_length=8) for number in range(6)]
    due = run(Engine(decoder), requests)
    engine = make_engine(decoder, num_threads=3, max_slots=6)
    assert isinstance(engine, Fleet)
    engine.admit(requests)
    assert finish(engine) == due


@pytest.mark.parametrize(("chosen", "due"), [("3", 3), ("1", 1)])
def test_threads_by_the_environment(chosen: str, due: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    assert default_threads() == due


@pytest.mark.parametrize("chosen", ["", "0", "many"])
def test_threads_by_the_processors(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    unset = default_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    assert default_threads() == unset >= 1


def test_threads_where_processors_are_not_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    for count, due in ((5, 5), (None, 1)):
        monkeypatch.setattr("os.cpu_count", lambda count=count: count)
        assert default_threads() == due
