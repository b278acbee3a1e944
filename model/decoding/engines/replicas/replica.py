"""One engine process as the front sees it: started, listened to, and restarted when it ends.

Each replica has a thread for this. One lock guards the state that it shares with the engine's thread.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from dragoman.model.decoding.engines.lanes import NUM_LOOKS, STALL_SECONDS, Owner, Room
from dragoman.model.decoding.engines.replicas.messages import (
    VERSION,
    Failed,
    FromReplica,
    LogLine,
    Ready,
    ReplicaSetup,
    Report,
    Work,
    decode_from_replica,
    encode,
)
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.statistics import StepCounts
from dragoman.model.errors import DragomanError

COMMAND = (sys.executable, "-P", "-m", "dragoman.model.decoding.engines.replicas")
"""Command that starts a process; the descriptor of its socket follows as an argument."""

ROOT = Path(__file__).parents[5]
"""The folder that `dragoman` is imported from."""

EXIT_SECONDS = 5.0
"""Seconds that a process may take to end after the connection is closed; then it is killed."""

STEADY_SECONDS = 60.0
"""A process that lived this long is restarted at once when it ends; before younger ones the pause grows."""

MAX_PAUSE = 30.0

KILLED_FROM_OUTSIDE = (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
"""Exit statuses of processes that a person or the system ended, for instance for lack of memory."""

logger = logging.getLogger(__name__)


def pause_before_start(num_failures: int) -> float:
    """Seconds to wait before restarting a process that ended num_failures times in a row soon after its start."""
    return 0.0 if num_failures <= 1 else min(0.25 * 2 ** (num_failures - 2), MAX_PAUSE)


class Replica:
    """A process and its successors. The owner's lock guards `in_flight`, `is_alive` and the counters."""

    def __init__(
        self,
        number: int,
        setup: ReplicaSetup,
        owner: Owner,
        command: Sequence[str] = COMMAND,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """owner: also notified when the process is ready. command: starts the process. stall_seconds: see
        `STALL_SECONDS`."""
        self.number = number
        self.in_flight: dict[int, Request] = {}  # by their ids in the process
        self.room = Room()
        self.max_slots = setup.max_slots
        self.is_alive = False
        self.num_starts = 0
        self.pid: int | None = None
        self.first_start: Future[None] = Future()
        """Done when the first process is ready; its exception says why it cannot start."""
        self._setup = msgspec.structs.replace(setup, number=number)
        self._owner = owner
        self._command = tuple(command)
        self._stall_seconds = stall_seconds
        self._steps, self._earlier_steps = StepCounts(), StepCounts()
        self._failure: Failed | None = None
        self._is_stuck = False
        self._send_lock = threading.Lock()  # guards what follows: nothing is written after another thread closes
        self._connection: Connection | None = None
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name=f"dragoman-replica-{number}", daemon=True)
        self._thread.start()

    @property
    def steps(self) -> StepCounts:
        """The counts of all its processes so far."""
        now, earlier = self._steps, self._earlier_steps
        return StepCounts(
            now.num_steps + earlier.num_steps,
            now.step_seconds + earlier.step_seconds,
            now.num_slot_steps + earlier.num_slot_steps,
        )

    def send(self, cancelled: Sequence[int], admitted: Sequence[Request]) -> None:
        """Requests sent to a process that is gone are lost with it, and reported as `Lost`.

        Must not be called with the lock held: a process with much to send receives nothing before it has sent it.
        """
        content = encode(Work(tuple(cancelled), tuple(admitted)))
        with self._send_lock:
            if self._connection is not None:
                try:
                    self._connection.send_bytes(content)
                except OSError:
                    logger.debug("replica %d is gone", self.number)

    def begin_closing(self) -> None:
        """Lets the process end after its present step."""
        self._is_closing.set()
        with self._send_lock:
            if self._connection is not None:
                _shut_down(self._connection)

    def close(self) -> None:
        """`begin_closing`, and waits for the end."""
        self.begin_closing()
        self._thread.join()

    # From here on everything runs on the replica's thread.

    def _look_after(self) -> None:
        num_failures = 0
        while not self._is_closing.is_set():
            begin = time.monotonic()
            self._live()
            if not self.first_start.done():
                self.first_start.set_exception(self._start_error())
            if self.first_start.exception() is not None:
                return
            num_failures = 1 if time.monotonic() - begin >= STEADY_SECONDS else num_failures + 1
            self._is_closing.wait(pause_before_start(num_failures))

    def _live(self) -> None:
        """The life of one process, from its start to its end."""
        self._failure, self._is_stuck = None, False
        try:
            process, connection = start_process(self._command, self._setup.num_threads)
        except OSError as error:
            self._failure = Failed(f"it cannot be started: {error.strerror}", "")
            logger.error("replica %d: %s", self.number, self._failure.reason)
            return
        with self._owner.changed:
            self.num_starts += 1
            self.pid = process.pid
        with self._send_lock:
            self._connection = connection
        if self._is_closing.is_set():  # closed meanwhile, when there was no connection to shut down
            _shut_down(connection)
        try:
            connection.send_bytes(VERSION)
            connection.send_bytes(encode(self._setup))
            self._await_message(process, connection)
            if connection.recv_bytes() == VERSION:
                while True:
                    self._await_message(process, connection)
                    self._take(decode_from_replica(connection.recv_bytes()))
            self._failure = Failed("it is of another version of the program: restart the server", "")
            process.kill()
        except (EOFError, OSError):
            pass
        except Exception:  # an unreadable message
            logger.exception("replica %d cannot be understood and is ended", self.number)
        self._end(process, connection)

    def _await_message(self, process: "subprocess.Popen[bytes]", connection: Connection) -> None:
        """Returns when a message has arrived or the connection has ended."""
        num_with_work = 0
        while not connection.poll(self._stall_seconds / NUM_LOOKS):
            with self._owner.changed:
                num_with_work += bool(self.in_flight)  # perhaps with other requests each time, if callers cancel
            if num_with_work >= NUM_LOOKS:
                logger.error("replica %d has been stuck for %g seconds and is ended", self.number, self._stall_seconds)
                self._is_stuck = True
                process.kill()

    def _take(self, message: FromReplica) -> None:
        if isinstance(message, Report):
            with self._owner.changed:
                self._steps = message.steps
                self._owner.deliver(self, message.events)
        elif isinstance(message, Ready):
            with self._owner.changed:
                self.is_alive = True
                self._owner.changed.notify_all()
            if not self.first_start.done():
                self.first_start.set_result(None)
        elif isinstance(message, LogLine):
            logging.getLogger(message.logger).log(message.level, "replica %d: %s", self.number, message.text)
        else:
            self._failure = message

    def _end(self, process: "subprocess.Popen[bytes]", connection: Connection) -> None:
        with self._owner.changed:
            self.is_alive = False
            self.pid = None
            self._earlier_steps, self._steps = self.steps, StepCounts()
        with self._send_lock:
            self._connection = None
            connection.close()
        try:
            process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._failure is None:
            self._failure = Failed(describe_end(process.returncode), "")
        is_told_by_loading = not self.first_start.done() and self._failure.error is not None
        if not self._is_closing.is_set() and not is_told_by_loading:
            details = "" if self._failure.error else self._failure.details
            logger.error("replica %d: %s", self.number, "\n".join(filter(None, (self._failure.reason, details))))
        with self._owner.changed:
            is_fault = self._is_stuck or process.returncode not in KILLED_FROM_OUTSIDE
            self._owner.lose(self, f"its engine process: {self._failure.reason}", is_fault=is_fault)

    def _start_error(self) -> DragomanError:
        assert self._failure is not None, "every end has its reason"
        return self._failure.error or DragomanError(f"an engine process does not start: {self._failure.reason}")


def start_process(command: Sequence[str], num_threads: int) -> tuple["subprocess.Popen[bytes]", Connection]:
    """A process with a connection to it. It is not forked: a fork would inherit locks that other threads hold, such as
    gRPC's.

    Raises OSError if the system cannot start it.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [*command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(num_threads)},
        )
        return process, Connection(ours.detach())


def _shut_down(connection: Connection) -> None:
    """Ends the connection for both sides, also for a thread that is reading."""
    with socket.socket(fileno=os.dup(connection.fileno())) as other_handle:
        try:
            other_handle.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the other side was gone already")


def describe_end(status: int) -> str:
    """How a process ended, by its exit status as `subprocess` has it."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"
