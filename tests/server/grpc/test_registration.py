"""Methods are found when they are called."""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from dragoman.server.grpc.registration import Registrar


class FakeServer:
    """Notes the handlers that it is given."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self.handlers += handlers

    def add_registered_method_handlers(self, service_name: str, method_handlers: Any) -> None:
        raise AssertionError(f"{service_name} is registered beforehand")


def test_a_service_is_added_by_its_generic_handler_alone() -> None:
    server: Any = FakeServer()
    registrar: Any = Registrar(server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), registrar)
    (handler,) = server.handlers
    assert handler.service_name() == "grpc.health.v1.Health"
