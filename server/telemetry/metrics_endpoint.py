"""The HTTP port that Prometheus scrapes."""

import socket
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from dragoman.model.errors import DragomanError
from dragoman.server.config import parse_address

POLL_SECONDS = 0.1
"""How long closing the port may take."""

REQUEST_SECONDS = 10.0
"""A connection that has not asked by then is closed."""


class MetricsEndpoint:
    """Serves a registry at every path of HOST:PORT, on threads of its own."""

    def __init__(self, listen: str, registry: CollectorRegistry) -> None:
        self._listen = listen
        self._registry = registry
        self._running: tuple[WSGIServer, threading.Thread] | None = None
        self.address = ""
        """HOST:PORT with the actual port, once started."""

    def start(self) -> None:
        """Raises DragomanError if it cannot listen there."""
        host, port = parse_address(self._listen)
        try:
            kind = _Server6 if host.startswith("[") else _Server
            server = make_server(host.strip("[]"), port, make_wsgi_app(self._registry), kind, _Handler)
        except OSError as error:
            raise DragomanError(f"metrics.listen: cannot listen on {self._listen}: {error.strerror}") from error
        thread = threading.Thread(
            target=server.serve_forever, args=(POLL_SECONDS,), name="dragoman-metrics", daemon=True
        )
        thread.start()
        self._running = server, thread
        self.address = f"{host}:{server.server_port}"

    def stop(self) -> None:
        """Closes the port; may be called twice."""
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line."""
