"""The gRPC port: its services behind the guard, health, and its shutdown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grpc
from grpc_channelz.v1 import channelz  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dragoman.model.errors import DragomanError
from dragoman.server.access.addresses import find_socket_path, parse_address
from dragoman.server.access.admission import Admission
from dragoman.server.config import ServerConfig
from dragoman.server.contract.methods import Methods
from dragoman.server.grpc.credentials import make_credentials
from dragoman.server.grpc.health_service import SERVICE_NAME, ServingHealth
from dragoman.server.grpc.interceptors import Guard, make_watch_quotas
from dragoman.server.grpc.transport import Registrar, refuse_unusable_address, server_options
from dragoman.server.grpc.v1.service import TranslationService
from dragoman.server.telemetry import Monitor
from dragoman.v1 import translation_pb2_grpc

if TYPE_CHECKING:
    from dragoman.server.grpc.google.handlers import GoogleFacade

FLUSH_SECONDS = 1.0
"""Time for the last answers to be sent while a client keeps a stream open, such as Health.Watch."""

CHANNELZ_NAME = "grpc.channelz.v1.Channelz"


class GrpcPort:
    """TranslationService, health and the configured services on one port."""

    def __init__(self, config: ServerConfig, methods: Methods, admission: Admission, monitor: Monitor) -> None:
        """Raises DragomanError for an address or a certificate that cannot be used."""
        is_shared = config.server.processes > 1  # then the supervisor has tried the address and holds it
        if not is_shared:
            refuse_unusable_address(config.server.listen)
        self._config = config
        self._methods = methods
        self._service = TranslationService(methods, monitor)
        self._health = ServingHealth()
        self._google: GoogleFacade | None = None
        self._credentials = make_credentials(config.tls, monitor.certificate_loaded)
        self._server = grpc.aio.server(
            interceptors=[Guard(admission, make_watch_quotas(config.limits), monitor)],
            options=[
                ("grpc.so_reuseport", int(is_shared)),  # else a second server would silently take half of the calls
                ("grpc.enable_channelz", int(config.server.channelz)),
                *server_options(config.limits),
            ],
        )
        self.address = ""
        """HOST:PORT with the actual port, or unix:PATH, after `start`."""

    async def start(self) -> None:
        """Bind and serve. Raises DragomanError if that fails."""
        self._add_services()
        listen = self._config.server.listen
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(listen)
            else:
                port = self._server.add_secure_port(listen, self._credentials)
        except RuntimeError as error:
            raise DragomanError(f"cannot listen on {listen}") from error
        await self._server.start()
        self.address = listen if find_socket_path(listen) else f"{parse_address(listen)[0]}:{port}"

    async def report(self, works: Mapping[str, bool]) -> None:
        """Set the health of the models, see `ServingHealth.report`."""
        await self._health.report(works)

    async def shut_down(self) -> None:
        """Report NOT_SERVING from now on, and end the streams of single calls."""
        await self._health.shut_down()
        self._service.shut_down()

    async def stop(self, drain_seconds: float) -> None:
        """Refuse new calls, and end the running ones after drain_seconds; may be called again with less."""
        await self._server.stop(drain_seconds)

    def drain(self) -> None:
        """End streams and operations, which could go on for hours."""
        self._service.drain()
        if self._google is not None:
            self._google.drain()

    async def close(self) -> None:
        """Close what goes on after calls."""
        if self._google is not None:
            await self._google.close()

    def _add_services(self) -> None:
        config = self._config.server
        names = [SERVICE_NAME, health.SERVICE_NAME]
        server: Any = Registrar(self._server)  # has the methods that generated code calls
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(self._service, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        if config.google:
            from dragoman.server.grpc.google.handlers import add_to_server

            translating = self._methods.translating
            self._google = add_to_server(server, translating, config.google_files, config.google_operations)
            self._health.add_services(self._google.service_names)
            self._methods.features += self._google.service_names
            names += self._google.service_names
        if config.channelz:
            channelz.add_channelz_servicer(self._server)
            names.append(CHANNELZ_NAME)
        if config.reflection:
            reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)
