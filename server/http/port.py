"""The HTTP port: its methods behind the gate, and its shutdown."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from dragoman.model.errors import DragomanError
from dragoman.server.access.addresses import parse_address
from dragoman.server.access.admission import Admission
from dragoman.server.access.certificates import CertificateFiles, FollowingContext
from dragoman.server.config import ServerConfig
from dragoman.server.contract.methods import Methods
from dragoman.server.http.routes import make_app
from dragoman.server.telemetry import Monitor

BACKLOG = 2048
"""Connections that wait to be accepted."""

IDLE_SECONDS = 75
"""Time after which a connection without a call is closed: above the 60 s that proxies keep theirs."""

MAX_HEADER_BYTES = 32 * 1024

ALL_ADDRESSES = ("0.0.0.0", "[::]", "::", "")


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


def url_of(address: str, *, is_secure: bool) -> str:
    """The URL by which a browser on this machine reaches HOST:PORT; HOST may mean all of the machine's addresses."""
    host, _, port = address.rpartition(":")
    return f"{'https' if is_secure else 'http'}://{'localhost' if host in ALL_ADDRESSES else host}:{port}/"


class HttpPort:
    """All HTTP methods on one port."""

    def __init__(
        self,
        config: ServerConfig,
        methods: Methods,
        admission: Admission,
        monitor: Monitor,
        works: Callable[[], Mapping[str, bool]],
    ) -> None:
        """works: by name of model, whether it translates. Raises DragomanError for an address or a certificate that
        cannot be used."""
        assert config.http.listen is not None
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it reports every start
        host, port = parse_address(config.http.listen)
        try:
            address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.socket(address[0], address[1])
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if config.server.processes > 1:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind(address[4])  # it does not listen yet: without models nobody should connect
        except OSError as error:
            raise DragomanError(f"http.listen: cannot listen on {config.http.listen}: {error.strerror}") from error
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        """HOST:PORT with the actual port."""
        self.page_url = url_of(self.address, is_secure=config.tls.certificate is not None)
        self._app: Starlette = make_app(config, methods, admission, monitor, works)
        app: ASGIApp = self._app
        tls = config.tls
        context: FollowingContext | None = None
        if tls.certificate is not None and tls.key is not None:
            context = FollowingContext.of(CertificateFiles(tls.certificate, tls.key, tls.client_ca))
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                backlog=BACKLOG,
                loop="none",
                ws="none",
                timeout_keep_alive=IDLE_SECONDS,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                ssl_context_factory=None if context is None else lambda *_: context,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve."""
        await self._app.state.open()
        self._serving = asyncio.create_task(self._server.serve([self._socket]), name="dragoman-http")
        while not self._server.started:
            if self._serving.done():
                await self._serving
                raise DragomanError("http.listen: the server has ended")
            await asyncio.sleep(0.001)

    async def stop(self, drain_seconds: float) -> None:
        """Refuse new calls, and end the running ones after drain_seconds; may be called again with less."""
        if self._serving is None:
            self._socket.close()
            return
        self._server.should_exit = True
        done, _ = await asyncio.wait((self._serving,), timeout=drain_seconds)
        if not done:
            self._server.force_exit = True
            await asyncio.wait((self._serving,), timeout=1.0)
        await self._app.state.close()
