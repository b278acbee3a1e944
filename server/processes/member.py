"""A server's process, as one of several: what it says to the supervisor, and what it does for it."""

import os
import queue
import signal
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from dragoman.server.processes.shared_counts import SharedCounts

READY, FAILED, METRICS, ASK = b"R", b"F", b"M", b"A"
"""Kinds of messages: a process serves; it cannot, and why; metrics, or the request for one's own; the request for those
of all."""

ASK_SECONDS = 5.0
"""Longest wait for the metrics of all processes."""

_HEAD = struct.Struct("!cI")


def send(connection: socket.socket, kind: bytes, content: bytes = b"") -> None:
    """Send a message. Raises OSError."""
    connection.sendall(_HEAD.pack(kind, len(content)) + content)


class Messages:
    """Puts messages together from what a connection brings."""

    def __init__(self) -> None:
        self._received = b""

    def take(self, received: bytes) -> list[tuple[bytes, bytes]]:
        """Kinds and contents of the messages that are complete now."""
        self._received += received
        found = []
        while len(self._received) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._received)
            if len(self._received) < _HEAD.size + length:
                break
            found.append((kind, self._received[_HEAD.size : _HEAD.size + length]))
            self._received = self._received[_HEAD.size + length :]
        return found


class Member:
    """One of several processes behind one port, in that process.

    counts: the numbers of all processes' quotas.
    """

    def __init__(self, connection: socket.socket, counts: SharedCounts) -> None:
        self.counts = counts
        self._connection = connection
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def start(self, write_metrics: Callable[[], bytes]) -> None:
        """Answer the supervisor from now on, on a thread. write_metrics: of this process; for any thread. If the
        supervisor ends, this process stops as after SIGTERM."""
        threading.Thread(target=self._serve, args=(write_metrics,), name="dragoman-member", daemon=True).start()

    def announce(self, line: str) -> None:
        """Say that this process serves."""
        self._send(READY, line.encode())

    def fail(self, reason: str) -> None:
        """Say why this process cannot serve."""
        self._send(FAILED, reason.encode())

    def scrape(self) -> bytes:
        """The metrics of all processes; for any thread. Raises TimeoutError."""
        with self._asking:
            while not self._answers.empty():  # of one that gave up
                self._answers.get_nowait()
            self._send(ASK)
            try:
                return self._answers.get(timeout=ASK_SECONDS)
            except queue.Empty:
                raise TimeoutError("the supervisor did not answer") from None

    def _send(self, kind: bytes, content: bytes = b"") -> None:
        with self._sending, suppress(OSError):  # without a supervisor this process is about to stop
            send(self._connection, kind, content)

    def _serve(self, write_metrics: Callable[[], bytes]) -> None:
        messages = Messages()
        while received := self._receive():
            for kind, content in messages.take(received):
                if kind == METRICS:
                    self._send(METRICS, write_metrics())
                elif kind == ASK:
                    self._answers.put(content)
        os.kill(os.getpid(), signal.SIGTERM)

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(1 << 16)
        except OSError:
            return b""
