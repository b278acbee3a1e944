"""Engine processes behind the face of one engine: real ones, of a tiny bundle, ended in every way."""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.replicas.replica import ROOT
from dragoman.model.decoding.engines.suspects import FATAL
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.request import Event, Finished, Lost, Partial, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.translation.translator import Translator
from tests.model.decoding.engines.engines import finished_by_step, run
from tests.model.decoding.engines.replicas.failing_process import FATAL_LENGTH

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

EN_DE = Direction("en", "de")
MAX_SLOTS = 3


def make_request(number: int, *, length: int = 6, beam_size: int = 2) -> Request:
    source = random.Random(number).choices(range(262, 390), k=length)
    return Request(number, tuple(source), SearchOptions(beam_size=beam_size), 12)


def load(
    bundle: Path, num_replicas: int, max_cached_positions: int | None = None, stall_seconds: float = 30.0
) -> Translator:
    return Translator.load(
        bundle,
        num_replicas=num_replicas,
        max_slots=MAX_SLOTS,
        max_cached_positions=max_cached_positions,
        stall_seconds=stall_seconds,
    )


def engine_of(translator: Translator) -> Fleet:
    assert isinstance(translator.engine, Fleet)
    return translator.engine


@pytest.fixture(scope="module")
def shared(tiny_bundle: Path) -> Iterator[Fleet]:
    """Two processes, both alive and with nothing to do before every test."""
    translator = load(tiny_bundle, 2)
    yield engine_of(translator)
    translator.close()


@pytest.fixture
def engine(shared: Fleet) -> Fleet:
    wait_for(shared, lambda: all(replica.is_alive for replica in shared._replicas))
    assert (shared.num_active, shared.free_slots, shared.max_slots) == (0, 2 * MAX_SLOTS, 2 * MAX_SLOTS)
    return shared


@pytest.fixture(scope="module")
def due(tiny_bundle: Path) -> Callable[[int], Finished]:
    """What an engine of this process finds for `make_request(number)`."""
    engine = Translator.load(tiny_bundle, max_slots=32, num_threads=1).engine
    found = run(engine, [make_request(number) for number in range(32)])
    return found.__getitem__


def wait_for(engine: Fleet, condition: Callable[[], bool]) -> None:
    with engine.changed:
        assert engine.changed.wait_for(condition, 30)


def test_finds_what_an_engine_of_this_process_finds(engine: Fleet, due: Callable[[int], Finished]) -> None:
    before = engine.statistics()
    chance = random.Random(0)
    waiting = [make_request(number) for number in range(24)]
    results: dict[int, Finished] = {}
    cancelled: set[int] = set()
    while waiting or engine.num_active:
        arriving = waiting[: min(chance.randint(0, 4), engine.count_fitting(waiting))]
        del waiting[: len(arriving)]
        engine.admit(arriving)
        if arriving and chance.random() < 0.3:
            cancelled.add(arriving[0].id)
            assert engine.cancel(arriving[0].id)
            assert not engine.cancel(arriving[0].id)
        results |= {finished.id: finished for finished in finished_by_step(engine)}
    assert cancelled
    assert set(results) == set(range(24)) - cancelled
    for number, finished in results.items():
        assert finished == due(number)
        assert finished.hypotheses[0].token_log_probs == due(number).hypotheses[0].token_log_probs
        assert finished.first_token_at > 0
    after = engine.statistics()
    assert after.num_admitted - before.num_admitted == 24
    assert after.num_cancelled - before.num_cancelled == len(cancelled)
    assert after.num_finished - before.num_finished == len(results)
    assert after.num_source_pieces - before.num_source_pieces == 24 * 6
    assert after.num_target_pieces - before.num_target_pieces == sum(
        len(finished.hypotheses[0].token_ids) for finished in results.values()
    )
    assert after.num_steps > before.num_steps
    assert after.num_slot_steps > before.num_slot_steps
    assert after.step_seconds > before.step_seconds
    assert (after.num_replicas, after.num_replicas_alive, after.num_slots) == (2, 2, 2 * MAX_SLOTS)


def test_shares_requests_evenly_and_holds_no_more_than_there_are_slots(engine: Fleet) -> None:
    requests = [make_request(number) for number in range(7)]
    assert engine.count_fitting(requests) == 6
    with paused(engine, 0), paused(engine, 1):
        engine.admit(requests[:4])
        assert [len(replica.in_flight) for replica in engine._replicas] == [2, 2]
        assert (engine.free_slots, engine.num_active, engine.statistics().num_active) == (2, 4, 4)
        assert engine.cancel(requests[0].id)
        assert engine.free_slots == 3
    assert set(run(engine, [])) == {1, 2, 3}


def paused(engine: Fleet, number: int) -> "_Paused":
    return _Paused(pid_of(engine, number))


class _Paused:
    """A process that does nothing meanwhile."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __enter__(self) -> int:
        os.kill(self.pid, signal.SIGSTOP)
        return self.pid

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGCONT)


def pid_of(engine: Fleet, number: int) -> int:
    pid = engine._replicas[number].pid
    assert pid is not None
    assert pid in engine.replica_pids
    return pid


def kill(engine: Fleet, number: int) -> None:
    """Ends a process, and waits until that is known."""
    starts = engine._replicas[number].num_starts
    os.kill(pid_of(engine, number), signal.SIGKILL)
    wait_for(engine, lambda: not engine._replicas[number].is_alive or engine._replicas[number].num_starts > starts)


def test_who_is_killed_loses_its_own_and_comes_back(
    engine: Fleet, due: Callable[[int], Finished], caplog: pytest.LogCaptureFixture
) -> None:
    before = engine.statistics()
    os.kill(pid_of(engine, 0), signal.SIGSTOP)  # so that its requests are in flight for sure
    engine.admit([make_request(number) for number in range(4)])
    its_own = {request.id for request in engine._replicas[0].in_flight.values()}
    assert len(its_own) == 2
    results: dict[int, Finished] = {}
    while len(results) < 2:
        results |= {finished.id: finished for finished in finished_by_step(engine)}
    kill(engine, 0)
    lost: list[Lost] = []
    while engine.num_active:
        lost += [event for event in engine.step() if isinstance(event, Lost)]
    assert {event.id for event in lost} == its_own
    assert {event.reason for event in lost} == {"its engine process: ended by SIGKILL"}
    assert set(results) == set(range(4)) - its_own
    assert "replica 0: ended by SIGKILL" in caplog.text
    wait_for(engine, lambda: engine._replicas[0].is_alive)
    found = run(engine, [make_request(number) for number in range(6)])  # both of them
    assert found == {number: due(number) for number in range(6)}
    after = engine.statistics()
    assert (after.num_replicas_alive, after.num_replica_restarts) == (2, before.num_replica_restarts + 1)
    assert after.num_steps >= before.num_steps  # what a dead one did was done all the same
    assert after.num_admitted == before.num_admitted + 10
    assert after.num_finished == before.num_finished + 8


def test_an_idle_one_that_is_killed_costs_nobody_anything(engine: Fleet) -> None:
    starts = engine._replicas[1].num_starts
    os.kill(pid_of(engine, 1), signal.SIGKILL)
    wait_for(engine, lambda: engine._replicas[1].num_starts > starts)
    wait_for(engine, lambda: engine._replicas[1].is_alive)
    assert engine.step() == []
    assert set(run(engine, [make_request(number) for number in range(6)])) == set(range(6))


def test_signals_to_all_processes_at_once_are_the_front_s_to_answer(engine: Fleet) -> None:
    pids = engine.replica_pids
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert set(run(engine, [make_request(number) for number in range(6)])) == set(range(6))
    assert engine.replica_pids == pids


def test_what_finds_no_process_waits_for_one(engine: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.model.decoding.engines.fleet.LIFE_SECONDS", 0.0)
    requests = [make_request(number) for number in range(3)]
    assert engine.count_fitting(requests) == 3
    set_alive(engine, False)  # all at once, between that and this
    assert (engine.free_slots, engine.count_fitting(requests), engine.replica_pids) == (0, 0, ())
    engine.admit(requests)
    assert engine.step() == []
    assert engine.cancel(1)
    assert engine.num_active == 2
    statistics = engine.statistics()
    assert (statistics.num_replicas_alive, statistics.num_slots) == (0, 0)
    set_alive(engine, True)
    assert engine.free_slots == 2 * MAX_SLOTS - 2
    assert engine.count_fitting([make_request(number) for number in range(3, 9)]) == 4
    assert set(run(engine, [])) == {0, 2}


def set_alive(engine: Fleet, is_alive: bool) -> None:
    with engine.changed:
        for replica in engine._replicas:
            replica.is_alive = is_alive


def test_the_id_of_one_that_was_given_up_may_be_used_again(engine: Fleet, due: Callable[[int], Finished]) -> None:
    with paused(engine, 0), paused(engine, 1):
        engine.admit([make_request(0), make_request(1)])
        assert engine.cancel(0)
        engine.admit([replace(make_request(5), id=0)])
    found = run(engine, [])
    assert {number: finished.hypotheses for number, finished in found.items()} == {
        0: due(5).hypotheses,
        1: due(1).hypotheses,
    }


def test_what_was_found_but_not_told_can_still_be_given_up(engine: Fleet) -> None:
    engine.admit([make_request(0)])
    wait_for(engine, lambda: 0 in engine._ends)
    assert engine.num_active == 1
    assert engine.free_slots == 2 * MAX_SLOTS
    assert engine.cancel(0)
    assert engine.step() == []


def test_what_was_found_but_not_told_holds_no_slot(engine: Fleet) -> None:
    engine.admit([make_request(number) for number in range(2 * MAX_SLOTS)])
    wait_for(engine, lambda: len(engine._ends) == 2 * MAX_SLOTS)
    assert engine.free_slots == 2 * MAX_SLOTS
    engine.admit([make_request(number) for number in range(10, 10 + engine.free_slots)])
    assert len(run(engine, [])) == 4 * MAX_SLOTS


def test_tells_the_newest_of_what_is_followed(engine: Fleet) -> None:
    engine.admit([replace(make_request(3), is_followed=True), make_request(4)])
    told: list[Partial] = []
    ends: dict[int, Finished] = {}
    while engine.num_active:
        for event in engine.step():
            if isinstance(event, Partial):
                told.append(event)
            elif isinstance(event, Finished):
                ends[event.id] = event
    assert {event.id for event in told} <= {3}
    best = ends[3].hypotheses[0].token_ids
    assert all(best[: event.num_stable] == event.token_ids[: event.num_stable] for event in told)
    assert set(ends) == {3, 4}


def test_refuses_what_an_engine_refuses_and_nothing_has_changed(engine: Fleet) -> None:
    for requests, message in (
        ([make_request(2), make_request(2)], "has the id of another in flight"),
        ([make_request(2), make_request(3, length=65)], "a source of 65 pieces; 1 to 64 are possible"),
        ([make_request(number) for number in range(7)], "7 requests, but there is room for 6"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            engine.admit(requests)
    assert (engine.num_active, engine.cancel(2)) == (0, False)


def test_cached_positions_are_bounded_in_each(tiny_bundle: Path) -> None:
    each = 6 + 2 * 12
    with closing(load(tiny_bundle, 2, max_cached_positions=each)) as translator:
        engine = engine_of(translator)
        requests = [make_request(number) for number in range(3)]
        assert engine.count_fitting(requests) == 2
        with pytest.raises(InvalidInputError, match=f"but the engine has {each}"):
            engine.check(make_request(0, length=7))
        found = run(engine, requests)  # the third waits until there is room
        assert set(found) == {0, 1, 2}


class closing:
    """As in contextlib, for a translator."""

    def __init__(self, translator: Translator) -> None:
        self.translator = translator

    def __enter__(self) -> Translator:
        return self.translator

    def __exit__(self, *_: object) -> None:
        self.translator.close()
        self.translator.close()


def test_an_engine_that_fails_loses_its_own_and_is_started_again(
    tiny_bundle: Path, due: Callable[[int], Finished], caplog: pytest.LogCaptureFixture
) -> None:
    model = open_model([tiny_bundle])
    command = (sys.executable, "-P", "-m", "tests.model.decoding.engines.replicas.failing_process")
    with closing(load(tiny_bundle, 1)) as translator:
        setup, limits = engine_of(translator)._replicas[0]._setup, translator.engine.limits
    assert setup.revision == model.weights_revision
    engine = Fleet.of_processes(setup, limits, 1, command=command)
    try:
        engine.admit([make_request(0), make_request(1, length=FATAL_LENGTH)])
        lost: list[Lost] = []
        while engine.num_active:
            lost += [event for event in engine.step() if isinstance(event, Lost)]
        assert {event.id for event in lost} == {0, 1}
        assert {event.reason for event in lost} == {"its engine process: MemoryError: no room"}
        assert "fail_where_told" in caplog.text
        wait_for(engine, lambda: engine._replicas[0].is_alive)
        assert run(engine, [make_request(0)]) == {0: due(0)}
        assert engine.statistics().num_replica_restarts == 1
        # Again: each by itself, so that it is known which of them is at fault.
        events: list[Event] = []
        engine.admit([make_request(1, length=FATAL_LENGTH)])
        engine.admit([make_request(0)])
        while engine.num_active:
            events += engine.step()
        (fatal,) = (event for event in events if isinstance(event, Lost))
        assert (fatal.id, fatal.is_at_fault) == (1, True)
        assert fatal.reason == "an engine process ended each time that it was translated"
        assert [event for event in events if isinstance(event, Finished)] == [due(0)]
        num_restarts = engine.statistics().num_replica_restarts
        engine.admit([make_request(1, length=FATAL_LENGTH)])  # and now it meets no process any more
        assert engine.step() == [Lost(1, fatal.reason, is_at_fault=True)]
        assert engine.num_active == 0
        assert engine.statistics().num_replica_restarts == num_restarts
    finally:
        engine.close()


def test_one_that_is_stuck_is_ended(tiny_bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(load(tiny_bundle, 1, stall_seconds=0.5)) as translator:
        engine = engine_of(translator)
        os.kill(pid_of(engine, 0), signal.SIGSTOP)
        engine.admit([make_request(0)])
        lost: list[Lost] = []
        while engine.num_active:
            lost += [event for event in engine.step() if isinstance(event, Lost)]
        assert [event.id for event in lost] == [0]
        assert "replica 0 has been stuck for 0.5 seconds and is ended" in caplog.text
        assert lost[0].is_at_fault  # it was alone with it
        wait_for(engine, lambda: engine._replicas[0].is_alive)
        engine.admit([make_request(0)])
        assert engine.step() == [replace(lost[0], id=0)]
        assert set(run(engine, [make_request(1)])) == {1}


def test_a_request_that_was_alone_in_a_process_that_crashed_meets_no_other(
    tiny_bundle: Path, due: Callable[[int], Finished]
) -> None:
    command = (sys.executable, "-P", "-m", "tests.model.decoding.engines.replicas.failing_process")
    with closing(load(tiny_bundle, 1)) as translator:
        setup, limits = engine_of(translator)._replicas[0]._setup, translator.engine.limits
    engine = Fleet.of_processes(setup, limits, 1, command=command)
    try:
        engine.admit([make_request(1, length=FATAL_LENGTH)])
        lost: list[Event] = []
        while engine.num_active:
            lost += engine.step()
        assert lost == [Lost(1, FATAL, is_at_fault=True)]
        wait_for(engine, lambda: engine._replicas[0].is_alive)
        engine.admit([replace(make_request(1, length=FATAL_LENGTH), id=7)])
        assert engine.step() == [Lost(7, FATAL, is_at_fault=True)]
        assert engine.statistics().num_replica_restarts == 1
        assert run(engine, [make_request(0)]) == {0: due(0)}
    finally:
        engine.close()


def test_a_request_that_was_alone_in_a_process_that_was_killed_may_come_again(tiny_bundle: Path) -> None:
    with closing(load(tiny_bundle, 1)) as translator:
        engine = engine_of(translator)
        os.kill(pid_of(engine, 0), signal.SIGSTOP)
        engine.admit([make_request(0)])
        engine.step()
        os.kill(pid_of(engine, 0), signal.SIGKILL)
        lost: list[Event] = []
        while engine.num_active:
            lost += engine.step()
        assert lost == [Lost(0, "its engine process: ended by SIGKILL")]
        wait_for(engine, lambda: engine._replicas[0].is_alive)
        assert set(run(engine, [make_request(0)])) == {0}


def test_one_that_is_stuck_is_ended_though_callers_give_up_sooner(
    tiny_bundle: Path,
) -> None:
    with closing(load(tiny_bundle, 1, stall_seconds=0.5)) as translator:
        engine = engine_of(translator)
        os.kill(pid_of(engine, 0), signal.SIGSTOP)
        for number in range(20):
            if engine._replicas[0].num_starts > 1:
                break
            if engine.free_slots:  # none while it is being started anew
                engine.admit([make_request(number)])
            for _ in range(100):  # each waits for a moment
                engine.step()
            engine.cancel(number)
        assert engine._replicas[0].num_starts > 1


def test_what_cannot_be_loaded_is_told_by_loading(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = tmp_path / "tiny"
    shutil.copytree(tiny_bundle, bundle)
    weights = bundle / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InvalidInputError, match=r"weights\.safetensors: "):
        load(bundle, 2)
    assert caplog.text == ""
    with pytest.raises(InvalidInputError, match="num_replicas is -1, but must be at least 0"):
        load(tiny_bundle, -1)


def test_a_translator_translates_as_without_and_tells_what_it_lost(
    tiny_bundle: Path, tiny_sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"beam_size": 2, "max_target_length": 8}
    alone = Translator.load(tiny_bundle, num_threads=1).translate(tiny_sentences, "de", **options)  # type: ignore[arg-type]
    with closing(load(tiny_bundle, 1)) as translator:
        assert translator.translate(tiny_sentences, "de", **options) == alone  # type: ignore[arg-type]
        engine = engine_of(translator)
        step = engine.step

        def lose_all() -> list[Event]:
            with engine.changed:
                engine.lose(engine._replicas[0], "gone")
            return step()

        monkeypatch.setattr(engine, "step", lose_all)
        with pytest.raises(DragomanError, match="a sentence was lost: gone"):
            translator.translate(tiny_sentences[:2], "de")
        assert engine.num_active == 0


def test_the_end_of_the_front_is_the_end_of_all(tiny_bundle: Path) -> None:
    """Of a front that is killed, so that it can end nobody."""
    code = (
        "import sys\n"
        "from dragoman.translation.translator import Translator\n"
        "translator = Translator.load(sys.argv[1], num_replicas=2, max_slots=1)\n"
        "assert not {'torch', 'grpc'} & set(sys.modules)\n"
        "print(*translator.engine.replica_pids, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tiny_bundle)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as front:
        assert front.stdout is not None
        pids = [int(pid) for pid in front.stdout.readline().split()]
        assert len(pids) == 2
        for pid in pids:
            libraries = Path(f"/proc/{pid}/maps").read_text()
            assert "numpy" in libraries
            assert "libtorch" not in libraries
            assert "cygrpc" not in libraries
        handles = [os.pidfd_open(pid) for pid in pids]
        front.kill()
        try:
            for handle in handles:
                assert select.select([handle], [], [], 30)[0]
        finally:
            for handle in handles:
                os.close(handle)


def test_closing_ends_the_processes_also_in_the_middle_of_work(tiny_bundle: Path) -> None:
    with closing(load(tiny_bundle, 2)) as translator:
        engine = engine_of(translator)
        engine.admit([make_request(number) for number in range(4)])
        handles = [os.pidfd_open(pid) for pid in engine.replica_pids]
    for handle in handles:
        assert select.select([handle], [], [], 0)[0]
        os.close(handle)
    assert engine.replica_pids == ()
