"""The connection of both clients: address, encryption, retries, and the meaning of errors."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from dragoman.model.errors import DragomanError, InvalidInputError, InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from dragoman.server.client.queries import Query

DEFAULT_TIMEOUT = 120.0
"""Deadline of a call in seconds."""

RETRY_BUFFER_BYTES = 4 * 1024 * 1024
"""Size of a call's requests that are kept for retries; a larger call is not retried."""

_RETRIES = {
    "maxAttempts": 5,  # gRPC allows no more
    "initialBackoff": "0.1s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
}

_ONCE = [
    {"service": "dragoman.v1.TranslationService", "method": method} for method in ("CreateGlossary", "DeleteGlossary")
]
"""Methods that are not safe to call twice: a connection may break after the server has done its work."""

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {"name": _ONCE},
        {"name": [{"service": "dragoman.v1.TranslationService"}], "retryPolicy": _RETRIES},
    ],
    # Shared by all calls to a server: when half of the tokens are spent, retries stop until calls succeed again. The
    # calls that a server has when it dies fail at once, and each costs a token.
    "retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.1},
}
"""gRPC's own retries (gRFC A6): with back-off, or after the server's grpc-retry-pushback-ms."""

HEALTH_CHECKS = {"healthCheckConfig": {"serviceName": "dragoman.v1.TranslationService"}}
"""Of several servers those get no calls that say that they do not serve, such as one that stops (gRFC A17)."""

SEVERAL_SERVERS = ("dns:", "ipv4:", "ipv6:", "xds:")
"""Beginnings of addresses that may stand for several servers."""

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.service_config_disable_resolution", 1),  # no look-up of TXT records
    ("grpc.enable_retries", 1),
    ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
    ("grpc.enable_http_proxy", 0),  # the environment's proxy is for the internet
    ("grpc.max_receive_message_length", -1),  # the server limits its responses
    ("grpc.max_send_message_length", -1),  # and the requests
    ("grpc.use_local_subchannel_pool", 1),  # a client's connections are its own
    ("grpc.keepalive_time_ms", 30_000),  # a dead peer is noticed within 50 s
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.dns_min_time_between_resolutions_ms", 10_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS options of a connection.

    root_certificates: file of authorities, PEM, that verify the server's certificate; None for gRPC's own.
    certificate, key:  files of the client's certificate chain and its key, PEM, if the server requires them.
    server_name:       name in the server's certificate, if it differs from the address.
    """

    root_certificates: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidInputError("tls: certificate and key go together")

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises InvalidInputError that names a file that cannot be read."""
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.root_certificates),
            private_key=_read(self.key),
            certificate_chain=_read(self.certificate),
        )


def _read(path: str | Path | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Connection:
    """Parameters of a client's connection.

    address: HOST:PORT, "dns:///NAME:PORT", or another address that gRPC resolves. If it stands for several servers,
    calls go to them in turn, and to none that says by its health that it does not serve. timeout: seconds. token: None
    if the server requires none. tls: None for no encryption.
    """

    address: str
    timeout: float
    token: str | None = None
    tls: Tls | None = None

    def open_channel(self) -> grpc.Channel:
        """Open a channel for threads."""
        if self.tls is None:
            return grpc.insecure_channel(self.address, options=self._options())
        return grpc.secure_channel(self.address, self.tls.credentials(), options=self._options())

    def open_async_channel(self) -> grpc.aio.Channel:
        """Open a channel for asyncio."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.address, options=self._options())
        return grpc.aio.secure_channel(self.address, self.tls.credentials(), options=self._options())

    def _options(self) -> list[tuple[str, int | str]]:
        server_name = None if self.tls is None else self.tls.server_name
        named: list[tuple[str, int | str]] = (
            [] if server_name is None else [("grpc.ssl_target_name_override", server_name)]
        )
        if self.address.startswith(SEVERAL_SERVERS):
            named.append(("grpc.service_config", json.dumps(SERVICE_CONFIG | HEALTH_CHECKS)))
        return list(dict([*CHANNEL_OPTIONS, *named]).items())

    def call(self, stub: Any, query: "Query[Any]", request_id: str, timeout: float | None = None) -> Any:
        """Start the gRPC call of a query. timeout: seconds; by default the connection's."""
        method = getattr(stub, query.method)
        return method(query.request, timeout=timeout or self.timeout, metadata=self.metadata(request_id))

    def metadata(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """Metadata of a call."""
        own = (("x-request-id", request_id),)
        return own if self.token is None else (*own, ("authorization", f"Bearer {self.token}"))


class StubsInTurn:
    """The stubs of several connections, of which each call takes the next."""

    def __init__(self, stubs: Sequence[Any]) -> None:
        self._stubs = cycle(stubs)

    def __getattr__(self, method: str) -> Any:
        return getattr(next(self._stubs), method)


def new_request_id() -> str:
    """A new name for a call, in the server's log and in errors; all attempts share it."""
    return os.urandom(8).hex()


class ServerError(DragomanError):
    """The server could not be reached, did not answer in time, refused the caller, or failed.

    code: name of gRPC's status code, such as "UNAVAILABLE". request_id: the call's name in the server's log; empty
    without a call. reason: the ErrorInfo's reason, such as "QUEUE_FULL"; empty without one.
    """

    def __init__(self, message: str, *, code: str = "UNKNOWN", request_id: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.reason = reason


class ModelChangedError(ServerError):
    """The server's model was replaced during a stream."""


def explain(error: Any, connection: Connection, request_id: str, reason: str | None = None) -> DragomanError:
    """The DragomanError of a gRPC error, with a message of one line. reason: of its ErrorInfo, if it is known."""
    code: grpc.StatusCode = error.code()
    details = " ".join((error.details() or "").split())
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidInputError(details)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFoundError(details)
    address = connection.address
    messages = {
        grpc.StatusCode.UNAVAILABLE: f"the server at {address} is unavailable: {details}",
        grpc.StatusCode.DEADLINE_EXCEEDED: _timeout_message(connection),
        grpc.StatusCode.UNIMPLEMENTED: f"the server at {address} is not Dragoman, or has another version",
        grpc.StatusCode.UNAUTHENTICATED: f"the server at {address} does not know the caller: {details}",
    }
    message = messages.get(code, f"the server at {address} answered {code.name}: {details}")
    return ServerError(
        message, code=code.name, request_id=request_id, reason=_reason_of(error) if reason is None else reason
    )


def _reason_of(error: Any) -> str:
    """The reason in the status' ErrorInfo; empty without one."""
    try:
        status = rpc_status.from_call(error)
    except (AttributeError, ValueError):  # the status is not a server's
        return ""
    for detail in () if status is None else status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def explain_end(error: Any, connection: Connection, request_id: str) -> DragomanError:
    """The error of a stream's call that ended too early. error: None if its status was OK. A refusal concerns all
    texts, because a faulty text would have an error of its own."""
    if error is None:
        message = f"the server at {connection.address} left texts unanswered"
        return ServerError(message, request_id=request_id)
    explained = explain(error, connection, request_id)
    return InvalidRequestError(str(explained)) if isinstance(explained, InvalidInputError) else explained


def explain_silence(connection: Connection, request_id: str) -> ServerError:
    """The error when the client's timeout is over."""
    return ServerError(_timeout_message(connection), code="DEADLINE_EXCEEDED", request_id=request_id)


def _timeout_message(connection: Connection) -> str:
    return f"the server at {connection.address} gave no answer within {connection.timeout:g} seconds"


class Weights:
    """Checks that one revision of one model gives all answers of a stream."""

    def __init__(self, revisions: Mapping[str, str] | None) -> None:
        """revisions: the required revision by name of model; None for that of the first answer."""
        self._due = revisions

    def check(self, model: str, revision: str) -> None:
        """Raise ModelChangedError if an answer has other weights. A server that names no revision is trusted."""
        if not revision:
            return
        if self._due is not None and self._due.get(model) != revision:
            due = " or ".join(f'"{name}" of revision {known}' for name, known in self._due.items()) or "any other"
            raise ModelChangedError(
                f'the server answers with "{model}" of revision {revision} instead of {due}: it has changed'
            )
        self._due = {model: revision}
