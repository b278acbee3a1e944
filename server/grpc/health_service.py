"""The health of the server as a whole, of its services, and of each model."""

import asyncio
from collections.abc import Iterable, Mapping

from grpc_health.v1 import health, health_pb2

from dragoman.v1 import translation_pb2

SERVICE_NAME = translation_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name

_Status = health_pb2.HealthCheckResponse


class ServingHealth:
    """The standard health service. Names: "" for the server, each service, and SERVICE/MODEL for each model.

    The server and its services are SERVING while any model works: otherwise a supervisor would restart the server and
    interrupt the working models.
    """

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
        self._services: tuple[str, ...] = ("", SERVICE_NAME)
        self._models: set[str] = set()
        self._telling = asyncio.Lock()

    def add_services(self, names: Iterable[str]) -> None:
        """Add services that use the models."""
        self._services += tuple(names)

    async def report(self, works: Mapping[str, bool]) -> None:
        """Set the statuses. works: by name of model, whether it translates. Removed models become SERVICE_UNKNOWN."""
        async with self._telling:
            overall = _Status.SERVING if any(works.values()) else _Status.NOT_SERVING
            for name in self._services:
                await self.servicer.set(name, overall)
            for model in self._models - works.keys():
                await self.servicer.set(f"{SERVICE_NAME}/{model}", _Status.SERVICE_UNKNOWN)
            for model, is_working in works.items():
                await self.servicer.set(
                    f"{SERVICE_NAME}/{model}", _Status.SERVING if is_working else _Status.NOT_SERVING
                )
            self._models = set(works)

    async def shut_down(self) -> None:
        """Set NOT_SERVING for good, whatever `report` gets afterwards."""
        async with self._telling:
            await self.servicer.enter_graceful_shutdown()
