"""Setup of grpc.aio's server: its address, the limits of connections, and the lookup of methods."""

import errno
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from dragoman.model.errors import DragomanError
from dragoman.server.access.addresses import find_socket_path, parse_address
from dragoman.server.config import LimitsConfig

HANDSHAKE_SECONDS = 10
"""Time after which a connection without a finished handshake is closed."""

KEEPALIVE_SECONDS = 60
"""Time after which a silent client is pinged; without an answer its calls are cancelled."""

KEEPALIVE_TIMEOUT_SECONDS = 20


def server_options(limits: LimitsConfig) -> list[tuple[str, int]]:
    """Channel arguments for `grpc.aio.server`; see grpc's `channel_arg_names.h` and, for pings and the age of
    connections, gRFC A8 and A9."""
    age = limits.max_connection_seconds
    return [
        *([] if age is None else [("grpc.max_connection_age_ms", max(1, round(age * 1000)))]),
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", limits.max_message_bytes),
        ("grpc.max_concurrent_streams", limits.max_connection_streams),
        # Past the first a call is refused at random, past the second always: the two are one.
        ("grpc.max_metadata_size", limits.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_metadata_bytes),
        # Pings without a running call count alike: a client may keep an idle connection open.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", round(limits.min_ping_seconds * 1000)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * 1000),
    ]


def refuse_unusable_address(listen: str) -> None:
    """Raise DragomanError with the reason if a server cannot listen on an address. gRPC would give no reason, write to
    standard error, and take over the socket of a running server."""
    path = find_socket_path(listen)
    try:
        if path is not None:
            _refuse_unusable_socket(path)
            return
        host, port = parse_address(listen)
        address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(address[0], address[1]) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address[4])
    except OSError as error:
        raise DragomanError(f"cannot listen on {listen}: {error.strerror}") from error


def _refuse_unusable_socket(path: Path) -> None:
    """Raise OSError for an unusable path. The socket of a crashed server may be replaced."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    if mode is not None:
        with socket.socket(socket.AF_UNIX) as trial, suppress(ConnectionRefusedError):
            trial.connect(str(path))
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if not os.access(path.parent, os.W_OK):
        code = errno.EACCES if path.parent.is_dir() else errno.ENOENT
        raise OSError(code, os.strerror(code))


class Registrar:
    """Takes the place of a server in generated `add_..._to_server` functions and registers no methods, so that gRPC
    looks them up at each call.

    For each registered method grpc.aio has a task that waits for the next call, and at each call it checks the tasks of
    all methods: with a dozen methods, a twentieth of a call's cost.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """See `grpc.aio.Server`."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"
    ) -> None:
        """Ignore the methods, which the generic handlers have as well."""
