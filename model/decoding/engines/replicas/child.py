"""The process of one engine.

It steps without waiting for the front, and takes the front's messages between two steps. It ends when the front closes
the connection or dies.
"""

import logging
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from dragoman.model.codec import joined_ids
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
from dragoman.model.decoding.engines.trimming import QUIET_SECONDS, return_memory, trim
from dragoman.model.decoding.loading import device_of_replica, open_model
from dragoman.model.errors import DragomanError, InvalidInputError


class FrontGoneError(Exception):
    """The front has closed the connection or died."""


class Line:
    """The connection to the front; several threads may send. Its methods raise FrontGoneError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: FromReplica) -> None:
        self._send(encode(message))

    def exchange_versions(self) -> None:
        """Raises DragomanError if the front has another version of the program, which learns ours first."""
        self._send(VERSION)
        if self._receive() != VERSION:
            raise DragomanError("an engine process of another version than the server that started it")

    def has_message(self) -> bool:
        """Whether a message has arrived, or the front is gone."""
        return self._connection.poll()

    def has_message_within(self, seconds: float) -> bool:
        """Wait for a message, or the end of the front, for a while."""
        return self._connection.poll(seconds)

    def receive_setup(self) -> ReplicaSetup:
        """Waits for the first message."""
        message = decode_to_replica(self._receive())
        assert isinstance(message, ReplicaSetup), "the front begins with it"
        return message

    def receive_work(self) -> Work:
        """Waits for the next message."""
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
    """Runs an engine by the front's messages until the engine fails. Raises FrontGoneError once the front is gone."""
    loop = StepLoop(engine)

    def tell(report: StepReport | None) -> None:
        if report is not None:
            line.send(Report.of(report.events, report.steps))

    while True:
        while loop.is_idle or line.has_message():
            if loop.is_idle:
                tell(loop.report())
                if not line.has_message_within(QUIET_SECONDS):
                    trim(engine)
                    return_memory()
            work = line.receive_work()
            loop.take(work.cancelled, work.admitted)
        tell(loop.step())


class LogForwarder(logging.Handler):
    """Sends warnings and errors to the front, which writes them."""

    def __init__(self, line: Line) -> None:
        super().__init__(logging.WARNING)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            self._line.send(LogLine(record.name, record.levelno, text))
        except FrontGoneError:  # this process ends soon, too
            pass
        except Exception:
            self.handleError(record)


def load_engine(setup: ReplicaSetup) -> Engine | Fleet:
    """Loads the engine. Raises InvalidInputError if the bundles' weights were replaced, and what loading raises."""
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
        joined_ids=joined_ids(model.vocabulary.target),
    )


def serve(connection: Connection, load: Callable[[ReplicaSetup], Engine | Fleet] = load_engine) -> int:
    """Loads the model that the front names and decodes until the front is gone. Returns the process's exit status.

    Errors in loading or decoding are sent to the front.
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
