"""Scrapes of all processes' metrics over HTTP, without a thread."""

import selectors
import socket
import time
from contextlib import suppress

REQUEST_SECONDS = 10.0
"""Time after which a connection without a whole request is closed."""

SEND_SECONDS = 5.0
"""Time for an answer to be sent."""

MAX_REQUEST_BYTES = 16 * 1024

MAX_CONNECTIONS = 64

_KIND = "text/plain; version=1.0.0; charset=utf-8"


class ScrapePort:
    """Answers every GET of /metrics on a listening socket; its owner waits for the sockets."""

    def __init__(self, listening: socket.socket, selector: selectors.BaseSelector) -> None:
        self._listening = listening
        self._selector = selector
        self.asking: list[tuple[socket.socket, bytes]] = []
        """Connections that wait for their answer, and their requests."""
        self._begun: dict[socket.socket, tuple[float, bytes]] = {}  # when they came, and what they have sent
        listening.setblocking(False)
        selector.register(listening, selectors.EVENT_READ)

    def handle(self, key: selectors.SelectorKey) -> None:
        """Go on with a socket that has something to read."""
        connection = key.fileobj
        assert isinstance(connection, socket.socket)
        if connection is self._listening:
            self._accept()
            return
        begun_at, request = self._begun[connection]
        try:
            received = connection.recv(4096)
        except OSError:
            received = b""
        request += received
        if b"\r\n\r\n" in request:
            self._selector.unregister(connection)
            del self._begun[connection]
            self.asking.append((connection, request))
        elif not received or len(request) > MAX_REQUEST_BYTES:
            self._drop(connection)
        else:
            self._begun[connection] = begun_at, request

    def answer(self, metrics: bytes) -> None:
        """Answer all that wait."""
        while self.asking:
            connection, request = self.asking.pop()
            method, _, rest = request.partition(b" ")
            path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
            is_known = method == b"GET" and path in (b"/metrics", b"/")
            status, content = ("200 OK", metrics) if is_known else ("404 Not Found", b"GET /metrics\n")
            fields = f"Content-Type: {_KIND}\r\nContent-Length: {len(content)}\r\nConnection: close"
            with connection, suppress(OSError):  # the scraper may be gone
                connection.sendall(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + content)

    def drop_late(self) -> None:
        """Close connections whose request takes too long."""
        now = time.monotonic()
        for connection, (begun_at, _) in list(self._begun.items()):
            if now - begun_at > REQUEST_SECONDS:
                self._drop(connection)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._begun):
            self._drop(connection)
        self._selector.unregister(self._listening)
        self._listening.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        if len(self._begun) >= MAX_CONNECTIONS:
            connection.close()
            return
        connection.settimeout(SEND_SECONDS)
        self._begun[connection] = time.monotonic(), b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._begun[connection]
        connection.close()
