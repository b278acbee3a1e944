"""The process before several servers: it loads the models once, forks the servers, replaces those that die, passes
signals on, and adds up their metrics.

It has one thread and neither asyncio nor gRPC's threads, so that it can fork at any time. Its models are never written
to: all servers use the same memory for them.
"""

import gc
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from dragoman.model.errors import DragomanError
from dragoman.server.processes.member import ASK, FAILED, METRICS, READY, Member, Messages, send
from dragoman.server.processes.merging import Family, add_up, counted_alone, read_families, write_families
from dragoman.server.processes.scraping import ScrapePort
from dragoman.server.processes.shared_counts import SharedCounts

SNAPSHOT_SECONDS = 2.0
"""Time for a process to write its metrics; after it the last ones count."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before a process is replaced that did not last for LASTING_SECONDS; each pause is twice the one before."""

LASTING_SECONDS = 10.0

LOOK_SECONDS = 1.0
"""Longest time without a look at what is due."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Child:
    """A server's process. pid: 0 while there is none. metrics: the last ones that were read."""

    number: int
    pid: int = 0
    connection: socket.socket | None = None
    messages: Messages = field(default_factory=Messages)
    metrics: dict[str, Family] = field(default_factory=dict)
    is_ready: bool = False
    is_awaited: bool = False  # its metrics are
    forked_at: float = 0.0
    num_failures: int = 0  # in a row
    due_at: float = 0.0  # when it is to be replaced


class Supervisor:
    """See the module. Everything happens in `run`."""

    def __init__(
        self,
        number: int,
        serve: Callable[[Member], None],
        counts: SharedCounts,
        announce: Callable[[str], None],
        metrics: socket.socket | None = None,
    ) -> None:
        """serve: runs a server until it is stopped, in a forked process; it announces itself and may raise
        DragomanError. announce: called with the first server's line when all serve. metrics: listens for scrapes."""
        self._serve = serve
        self._counts = counts
        self._announce = announce
        self._children = [_Child(index) for index in range(number)]
        self._line = ""
        self._ended: dict[str, Family] = {}  # what processes counted that have ended
        self._num_restarts = 0
        self._is_announced = False
        self._is_stopping = False
        self._failure: str | None = None
        self._signals: list[int] = []
        self._asking: list[_Child] = []  # for everybody's metrics
        self._selector = selectors.DefaultSelector()
        self._port = None if metrics is None else ScrapePort(metrics, self._selector)
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; a second one ends the servers at once. Raises DragomanError if a server cannot
        start for the first time."""
        gc.collect()
        gc.freeze()  # the collector must not write to the memory that all servers share
        before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            while True:
                self._fork_due()
                self._look(LOOK_SECONDS)
                if self._is_stopping and not any(child.pid for child in self._children):
                    break
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._port is not None:
                self._port.close()
        if self._failure is not None:
            raise DragomanError(self._failure)

    def write_metrics(self) -> bytes:
        """The metrics of all processes together."""
        for child in self._children:
            if child.connection is not None and child.is_ready:
                child.is_awaited = True
                with suppress(OSError):
                    send(child.connection, METRICS)
        end = time.monotonic() + SNAPSHOT_SECONDS
        while any(child.is_awaited for child in self._children) and (left := end - time.monotonic()) > 0:
            self._receive_all(left)
        for child in self._children:
            child.is_awaited = False
        total = add_up([self._ended, *(child.metrics for child in self._children if child.pid)])
        for name, kind, text, value in (
            ("dragoman_processes", "gauge", "Server processes that serve.", self._num_ready()),
            ("dragoman_process_restarts_total", "counter", "Server processes that were replaced.", self._num_restarts),
        ):
            comments = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            total[name] = Family(comments, kind, {name: float(value)})
        return write_families(total)

    def _num_ready(self) -> int:
        return sum(child.is_ready for child in self._children)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _look(self, seconds: float) -> None:
        """Wait for something to do, and do it."""
        due = [child.due_at for child in self._children if not child.pid and not self._is_stopping]
        seconds = min([seconds, *(max(0.0, at - time.monotonic()) for at in due)])
        self._receive_all(seconds)
        self._answer_scrapes()
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGHUP:
                self._pass_on(signal.SIGHUP)
            elif number != signal.SIGCHLD:
                self._stop()
        self._reap()

    def _answer_scrapes(self) -> None:
        if self._port is not None:
            self._port.drop_late()
        if self._asking or (self._port is not None and self._port.asking):
            asking, self._asking = self._asking, []
            metrics = self.write_metrics()
            for child in asking:
                if child.connection is not None:
                    with suppress(OSError):
                        send(child.connection, ASK, metrics)
            if self._port is not None:
                self._port.answer(metrics)

    def _receive_all(self, seconds: float) -> None:
        """Handle what comes within some time."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._wake:
                with suppress(BlockingIOError):
                    self._wake.recv(4096)
            elif isinstance(key.data, _Child):
                if key.data.connection is key.fileobj:
                    self._receive(key.data)
            elif self._port is not None:
                self._port.handle(key)

    def _receive(self, child: _Child) -> None:
        assert child.connection is not None
        try:
            received = child.connection.recv(1 << 20)
        except OSError:
            received = b""
        if not received:
            self._disconnect(child)
            return
        for kind, content in child.messages.take(received):
            if kind == READY:
                child.is_ready = True
                self._line = self._line or content.decode()
                if not self._is_announced and all(other.is_ready for other in self._children):
                    self._is_announced = True
                    self._announce(self._line)
            elif kind == FAILED:
                self._fail(child, content.decode())
            elif kind == METRICS:
                child.metrics, child.is_awaited = read_families(content.decode()), False
            elif kind == ASK:
                self._asking.append(child)

    def _fail(self, child: _Child, reason: str) -> None:
        if self._is_announced or self._is_stopping:
            logger.error("server process %d cannot serve: %s", child.number, reason)
            return
        self._failure = reason
        self._stop()

    def _disconnect(self, child: _Child) -> None:
        if child.connection is not None:
            self._selector.unregister(child.connection)
            child.connection.close()
        child.connection, child.is_awaited, child.is_ready = None, False, False

    def _reap(self) -> None:
        """Note processes that have ended."""
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            if child.connection is not None:
                self._receive_last(child)
            self._disconnect(child)
            self._counts.forget_process(child.number)
            self._ended = add_up([self._ended, counted_alone(child.metrics)])
            child.pid, child.metrics = 0, {}
            if self._is_stopping:
                continue
            if not self._is_announced:
                self._failure = f"a server process ended with status {os.waitstatus_to_exitcode(status)}"
                self._stop()
                continue
            lasted = time.monotonic() - child.forked_at
            child.num_failures = 0 if lasted >= LASTING_SECONDS else child.num_failures + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (child.num_failures - 1)) if child.num_failures else 0.0
            child.due_at = time.monotonic() + pause
            self._num_restarts += 1
            code = os.waitstatus_to_exitcode(status)
            logger.error("server process %d ended with status %d and is replaced", child.number, code)

    def _receive_last(self, child: _Child) -> None:
        """Read what a process said before it ended."""
        assert child.connection is not None
        child.connection.setblocking(False)
        while child.connection is not None:
            self._receive(child)

    def _stop(self) -> None:
        """Stop all servers gracefully, and at the second time at once."""
        self._pass_on(signal.SIGTERM)
        self._is_stopping = True

    def _pass_on(self, number: int) -> None:
        for child in self._children:
            if child.pid:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    def _fork_due(self) -> None:
        for child in self._children:
            if not child.pid and not self._is_stopping and time.monotonic() >= child.due_at:
                self._fork(child)

    def _fork(self, child: _Child) -> None:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            ours.close()
            self._be_child(child, theirs)
        theirs.close()
        child.pid, child.connection, child.forked_at = pid, ours, time.monotonic()
        child.messages, child.is_ready = Messages(), False
        self._selector.register(ours, selectors.EVENT_READ, child)

    def _be_child(self, child: _Child, connection: socket.socket) -> NoReturn:
        """Go on as a server, and end."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for key in list(self._selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()
            self._selector.close()
            self._counts.be_process(child.number)
            member = Member(connection, self._counts)
            try:
                self._serve(member)
                status = 0
            except DragomanError as error:
                member.fail(str(error))
        except BaseException:
            logger.exception("server process %d failed", child.number)
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
