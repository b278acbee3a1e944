"""The HTTP port that Prometheus scrapes."""

import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from model.errors import DragomanError
from server.config import parse_address


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
            self._running = start_http_server(port, host.strip("[]"), self._registry)
        except OSError as error:
            raise DragomanError(f"metrics.listen: cannot listen on {self._listen}: {error.strerror}") from error
        self.address = f"{host}:{self._running[0].server_port}"

    def stop(self) -> None:
        """Closes the port; may be called twice."""
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            thread.join()
            server.server_close()
