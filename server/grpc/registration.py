"""How methods are added to a server of grpc.aio."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc


class Registrar:
    """Stands for a server towards what generated code calls `add_..._to_server`, and has methods found when they are
    called, not registered with gRPC beforehand.

    For each method that is registered, grpc.aio has a task that waits for the next call, and whenever there is one it
    looks at the tasks of all methods: with a dozen of them that is a twentieth of what a call takes.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """See `grpc.aio.Server`."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """The same methods as those of the generic handlers."""
