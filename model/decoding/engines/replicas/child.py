"""What the process of one engine does.

Its steps follow each other without a word from the front: what that sends is taken up between two of them. It ends when
the front closes the connection, or is gone.
"""

import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.engines.making import make_engine
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
from dragoman.model.decoding.engines.step_loop import StepLoop, SteppingEngine, StepReport
from dragoman.model.decoding.loading import device_of_replica, open_model
from dragoman.model.errors import DragomanError, InvalidInputError


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


def run(engine: SteppingEngine, line: Line) -> NoReturn:
    """Runs an engine by what comes from the front, until that is gone, which raises FrontGoneError, or the engine
    fails."""
    loop = StepLoop(engine)

    def tell(report: StepReport | None) -> None:
        if report is not None:
            line.send(Report.of(report.events, report.steps))

    while True:
        while loop.is_idle or line.has_message():
            if loop.is_idle:
                tell(loop.report())
            work = line.receive_work()
            loop.take(work.cancelled, work.admitted)
        tell(loop.step())


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


def load_engine(setup: ReplicaSetup) -> Engine | Fleet:
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


def serve(connection: Connection, load: Callable[[ReplicaSetup], Engine | Fleet] = load_engine) -> int:
    """Loads what it is told to and decodes until the front is gone; the process's exit status.

    What goes wrong with loading or decoding is told to the front.
    """
    line = Line(connection)
    logging.getLogger().addHandler(LogForwarder(line))
    try:
        line.exchange_versions()
        engine = load(line.receive_setup())
        line.send(Ready())
        run(engine, line)
    except FrontGoneError:
        return 0
    except Exception as error:
        with suppress(FrontGoneError):
            line.send(Failed.of(error, traceback.format_exc()))
        return 1
