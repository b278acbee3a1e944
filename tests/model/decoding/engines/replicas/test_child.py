"""What an engine's process does between two steps, here on a thread."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines import step_loop
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.replicas.child import load_engine, serve
from dragoman.model.decoding.engines.replicas.messages import (
    VERSION,
    Failed,
    LogLine,
    Ready,
    ReplicaSetup,
    Report,
    Work,
    decode_from_replica,
    encode,
)
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.request import Event, Finished, Partial, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK, make_engine

SETUP = ReplicaSetup((Path("nowhere"),), "")


def make_request(number: int, length: int = 4, *, is_followed: bool = False) -> Request:
    """It ends at the `length`-th step and not before."""
    options = SearchOptions(beam_size=1, min_target_length=length)
    return Request(number, (6 + number, 7, 8), options, length, is_followed=is_followed)


class GatedEngine(Engine):
    """Takes a step for each permit."""

    def __init__(self, max_slots: int = 2) -> None:
        super().__init__(TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=max_slots))
        self.permits, self.is_stepping = threading.Semaphore(0), threading.Semaphore(0)

    def step(self) -> list[Event]:
        self.is_stepping.release()
        assert self.permits.acquire(timeout=30)
        return super().step()


@contextmanager
def serving(load: Callable[[ReplicaSetup], Engine | Fleet]) -> Iterator[tuple[Connection, list[int]]]:
    """A connection to what serves on a thread, and its exit statuses, of which there is one in the end."""
    front, behind = Pipe()
    statuses: list[int] = []
    handlers = logging.getLogger().handlers[:]
    thread = threading.Thread(target=lambda: statuses.append(serve(behind, load)))
    thread.start()
    try:
        with front:
            front.send_bytes(VERSION)
            front.send_bytes(encode(SETUP))
            assert front.recv_bytes() == VERSION
            yield front, statuses
    finally:
        thread.join(30)
        behind.close()
        logging.getLogger().handlers[:] = handlers


def send(connection: Connection, work: Work) -> None:
    connection.send_bytes(encode(work))


def receive(connection: Connection) -> object:
    assert connection.poll(30)
    return decode_from_replica(connection.recv_bytes())


def finished_ids(connection: Connection, count: int) -> list[int]:
    """The ids of the next requests to finish."""
    found: list[int] = []
    while len(found) < count:
        report = receive(connection)
        assert isinstance(report, Report)
        found += [event.id for event in report.events if isinstance(event, Finished)]
    return found


def test_decodes_what_comes_and_ends_with_the_front() -> None:
    with serving(lambda _: make_engine(4)) as (front, statuses):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0, 2), make_request(1, 5))))
        assert finished_ids(front, 2) == [0, 1]
        send(front, Work(admitted=(make_request(0, 3),)))
        report = receive(front)
        assert isinstance(report, Report)
        (finished,) = report.events
        assert isinstance(finished, Finished)
        (due,) = run(make_engine(1), [make_request(0, 3)]).values()
        assert finished.hypotheses[0].token_ids == due.hypotheses[0].token_ids
        assert (report.steps.num_steps, report.steps.num_slot_steps) == (5 + 3, 2 + 5 + 3)
    assert statuses == [0]


def test_takes_up_work_between_two_steps_and_never_waits_for_the_front() -> None:
    engine = GatedEngine()
    with serving(lambda _: engine) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0, 3),)))
        assert engine.is_stepping.acquire(timeout=30)
        send(front, Work(admitted=(make_request(1, 2),)))  # in the middle of a step
        engine.permits.release(10)
        report = receive(front)
        assert isinstance(report, Report)
        # The second came into the second step, so that both ended at the third.
        assert sorted(event.id for event in report.events) == [0, 1]
        assert report.steps.num_slot_steps == 1 + 2 + 2


def test_what_is_given_up_takes_no_further_step_and_its_slot_goes_to_another() -> None:
    engine = GatedEngine(max_slots=1)
    with serving(lambda _: engine) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0, 9),)))
        assert engine.is_stepping.acquire(timeout=30)
        send(front, Work(cancelled=(0,), admitted=(make_request(1, 2),)))
        engine.permits.release(10)
        report = receive(front)
        assert isinstance(report, Report)
        assert [event.id for event in report.events] == [1]
        assert report.steps.num_steps == 1 + 2


def test_steps_of_what_was_given_up_are_told_before_it_rests() -> None:
    engine = GatedEngine()
    with serving(lambda _: engine) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0, 9),)))
        assert engine.is_stepping.acquire(timeout=30)
        send(front, Work(cancelled=(0,)))
        engine.permits.release(1)
        report = receive(front)
        assert isinstance(report, Report)
        assert (report.events, report.steps.num_steps) == ((), 1)


def test_what_does_not_fit_waits_and_may_be_given_up_meanwhile() -> None:
    engine = GatedEngine(max_slots=1)
    with serving(lambda _: engine) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=tuple(make_request(number, 2) for number in range(3))))
        assert engine.is_stepping.acquire(timeout=30)
        send(front, Work(cancelled=(1, 99)))
        engine.permits.release(10)
        assert finished_ids(front, 2) == [0, 2]


def test_tells_of_steps_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_loop, "REPORT_SECONDS", 0.0)
    with serving(lambda _: make_engine(1)) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0, 4),)))
        reports = [receive(front) for _ in range(4)]
        assert [report.steps.num_steps for report in reports if isinstance(report, Report)] == [1, 2, 3, 4]


def test_tells_how_far_what_is_followed_has_come() -> None:
    clock = itertools.count(step=1.0)
    decoder = TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=1)
    with serving(lambda _: Engine(decoder, clock=lambda: next(clock))) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0, 4, is_followed=True),)))
        reports = [receive(front) for _ in range(4)]
        told = [event for report in reports if isinstance(report, Report) for event in report.events]
        assert [type(event) for event in told] == [Partial, Partial, Partial, Finished]


def test_several_threads_take_turns() -> None:
    engines = [Engine(TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=2)) for _ in range(2)]
    engine = Fleet.of_threads(engines)
    with serving(lambda _: engine) as (front, _):
        assert receive(front) == Ready()
        send(front, Work(admitted=tuple(make_request(number, 2 + number % 3) for number in range(8))))
        assert sorted(finished_ids(front, 8)) == list(range(8))
    engine.close()


def test_a_failing_engine_is_told_of_and_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(1)

    def fail() -> list[Event]:
        raise MemoryError("no room\nfor more")

    monkeypatch.setattr(engine, "step", fail)
    with serving(lambda _: engine) as (front, statuses):
        assert receive(front) == Ready()
        send(front, Work(admitted=(make_request(0),)))
        failed = receive(front)
        assert isinstance(failed, Failed)
        assert failed.reason == "MemoryError: no room"
        assert "in fail" in failed.details
        assert failed.error is None
    assert statuses == [1]


def test_what_cannot_be_loaded_is_told_as_the_error_that_it_is() -> None:
    def fail(_: ReplicaSetup) -> Engine:
        raise InvalidInputError("weights.safetensors: damaged")

    with serving(fail) as (front, statuses):
        failed = receive(front)
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, InvalidInputError)
        assert str(failed.error) == "weights.safetensors: damaged"
    assert statuses == [1]


def test_a_front_that_is_gone_before_it_has_loaded() -> None:
    may_load = threading.Event()

    def load(_: ReplicaSetup) -> Engine:
        assert may_load.wait(30)
        return make_engine(1)

    with serving(load) as (front, statuses):
        front.close()
        may_load.set()
    assert statuses == [0]


def test_warnings_are_the_front_s_to_write() -> None:
    logger = logging.getLogger("dragoman.model.decoding.engines.engine")

    def load(_: ReplicaSetup) -> Engine:
        logger.warning("beware of %s", "that")
        logger.info("nobody needs to know")
        return make_engine(1)

    with serving(load) as (front, _):
        assert receive(front) == LogLine("dragoman.model.decoding.engines.engine", logging.WARNING, "beware of that")
        assert receive(front) == Ready()


def test_other_weights_than_those_meant_are_not_loaded(tiny_bundle: Path) -> None:
    revision = open_model([tiny_bundle]).weights_revision
    engine = load_engine(ReplicaSetup((tiny_bundle,), revision, max_slots=3, max_cached_positions=500))
    assert isinstance(engine, Engine)
    assert (engine.max_slots, engine.limits.max_cached_positions) == (3, 500)
    with pytest.raises(InvalidInputError, match="tiny: other weights have taken the place of those that are served"):
        load_engine(ReplicaSetup((tiny_bundle,), "0123456789abcdef"))


def test_a_front_of_another_version_is_told_so() -> None:
    front, behind = Pipe()
    with front, behind:
        front.send_bytes(b"of another version")
        assert serve(behind, lambda _: make_engine(1)) == 1
        assert front.recv_bytes() == VERSION
        failed = receive(front)
        assert isinstance(failed, Failed)
        assert "of another version" in failed.reason
