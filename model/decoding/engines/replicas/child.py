"""What the process of one engine does.

Its steps follow each other without a word from the front: what that sends is taken up between two of them. It ends when
the front closes the connection, or is gone.
"""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from typing import NoReturn

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.parallel import ParallelEngine, make_engine
from dragoman.model.decoding.engines.replicas.messages import (
    VERSION,
    Failed,
    FromReplica,
    LogLine,
    Ready,
    ReplicaSetup,
    Report,
    Work,
    decode_to_replica,
    encode,
)
from dragoman.model.decoding.loading import device_of_replica, open_model
from dragoman.model.decoding.request import Event, Request
from dragoman.model.decoding.statistics import StepCounts
from dragoman.model.errors import DragomanError, InvalidInputError

REPORT_SECONDS = 0.1
"""After so long the front is told of steps although nothing else came of them."""


class FrontGoneError(Exception):
    """Nobody is there any more to decode for."""


class Line:
    """The connection to the front; threads may send at once. Its methods raise FrontGoneError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: FromReplica) -> None:
        self._send(encode(message))

    def exchange_versions(self) -> None:
        """Raises DragomanError if the front is of another version of the program, and tells it so."""
        self._send(VERSION)
        if self._receive() != VERSION:
            raise DragomanError("an engine process of another version than the server that started it")

    def has_message(self) -> bool:
        """Also when the front is gone."""
        return self._connection.poll()

    def receive_setup(self) -> ReplicaSetup:
        """Waits for the first message."""
        message = decode_to_replica(self._receive())
        assert isinstance(message, ReplicaSetup), "the front begins with it"
        return message

    def receive_work(self) -> Work:
        """Waits for the next one."""
        message = decode_to_replica(self._receive())
        assert isinstance(message, Work), "the front sends nothing else"
        return message

    def _send(self, content: bytes) -> None:
        try:
            with self._lock:
                self._connection.send_bytes(content)
        except OSError as error:
            raise FrontGoneError from error

    def _receive(self) -> bytes:
        try:
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise FrontGoneError from error


class StepLoop:
    """Runs an engine by what comes from the front, and tells it what came of that."""

    def __init__(self, engine: Engine | ParallelEngine, line: Line) -> None:
        self._engine = engine
        self._line = line
        self._waiting: deque[Request] = deque()  # an engine of several threads does not take all at once
        self._reported = StepCounts()
        self._report_at = 0.0

    def run(self) -> NoReturn:
        """Until the front is gone, which raises FrontGoneError, or the engine fails."""
        while True:
            self._take_messages()
            self._admit()
            self._report(self._engine.step())

    @property
    def _is_idle(self) -> bool:
        return not self._engine.num_active and not self._waiting

    def _take_messages(self) -> None:
        """Those that have come; waits for one if there is nothing else to do."""
        while self._is_idle or self._line.has_message():
            was_idle = self._is_idle
            if was_idle:
                self._report([])
            self._take(self._line.receive_work())
            if was_idle:
                self._report_at = time.monotonic() + REPORT_SECONDS

    def _take(self, work: Work) -> None:
        for request_id in work.cancelled:
            if not self._engine.cancel(request_id):
                self._waiting = deque(request for request in self._waiting if request.id != request_id)
        self._waiting += work.admitted

    def _admit(self) -> None:
        if self._waiting:
            first = list(islice(self._waiting, self._engine.free_slots))
            first = first[: self._engine.count_fitting(first)]
            self._engine.admit(first)
            for _ in first:
                self._waiting.popleft()

    def _report(self, events: list[Event]) -> None:
        """Tells of events at once, and of steps when they were the last for now or some time has passed."""
        now = time.monotonic()
        if not events and not self._is_idle and now < self._report_at:
            return
        statistics = self._engine.statistics()
        steps = StepCounts(statistics.num_steps, statistics.step_seconds, statistics.num_slot_steps)
        if events or steps != self._reported:
            self._line.send(Report.of(events, steps))
            self._reported, self._report_at = steps, now + REPORT_SECONDS


class LogForwarder(logging.Handler):
    """Warnings and worse are the front's to write."""

    def __init__(self, line: Line) -> None:
        super().__init__(logging.WARNING)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            self._line.send(LogLine(record.name, record.levelno, text))
        except FrontGoneError:  # and soon this process is
            pass
        except Exception:
            self.handleError(record)


def load_engine(setup: ReplicaSetup) -> Engine | ParallelEngine:
    """Raises InvalidInputError if the bundles are no longer those that were meant, and what loading raises."""
    model = open_model(setup.folders)
    if model.weights_revision != setup.revision:
        raise InvalidInputError(f"{setup.folders[0]}: other weights have taken the place of those that are served")
    device = device_of_replica(setup.device, setup.number)
    decoder = model.load_decoder(precision=setup.precision, device=device, max_slots=setup.max_slots)
    return make_engine(
        decoder,
        num_threads=setup.num_threads,
        max_slots=setup.max_slots,
        max_cached_positions=setup.max_cached_positions,
    )


def serve(connection: Connection, load: Callable[[ReplicaSetup], Engine | ParallelEngine] = load_engine) -> int:
    """Loads what it is told to and decodes until the front is gone; the process's exit status.

    What goes wrong with loading or decoding is told to the front.
    """
    line = Line(connection)
    logging.getLogger().addHandler(LogForwarder(line))
    try:
        line.exchange_versions()
        engine = load(line.receive_setup())
        line.send(Ready())
        StepLoop(engine, line).run()
    except FrontGoneError:
        return 0
    except Exception as error:
        with suppress(FrontGoneError):
            line.send(Failed.of(error, traceback.format_exc()))
        return 1
