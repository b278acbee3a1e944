"""The connection of both clients: where to, how secured, how it mends itself, and what its errors mean."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from dragoman.model.errors import DragomanError, InvalidInputError, InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from dragoman.server.client.queries import Query

DEFAULT_TIMEOUT = 120.0
"""Seconds that a call may take before the client gives it up, and the server with it."""

RETRY_BUFFER_BYTES = 4 * 1024 * 1024
"""Of a call's requests that are kept to send them again; a larger call is not retried."""

_RETRIES = {
    "maxAttempts": 5,  # gRPC allows no more
    "initialBackoff": "0.1s",
    "maxBackoff": "5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{"name": [{"service": "dragoman.v1.TranslationService"}], "retryPolicy": _RETRIES}],
    # Shared by all calls to a server: half of the tokens spent, it is left alone until calls succeed again.
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}
"""gRPC's own retries (gRFC A6): with back-off, or after as long as the server asks for with grpc-retry-pushback-ms."""

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.service_config_disable_resolution", 1),  # no look-up of TXT records
    ("grpc.enable_retries", 1),
    ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
    ("grpc.enable_http_proxy", 0),  # a proxy of the environment is meant for the outside world
    ("grpc.max_receive_message_length", -1),  # the server bounds its answers
    ("grpc.max_send_message_length", -1),  # and what it takes
    ("grpc.keepalive_time_ms", 30_000),  # finds out within 50 s that the other side is gone without a word
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.dns_min_time_between_resolutions_ms", 10_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the connection is encrypted.

    root_certificates: file of PEM certificates by which the server's is judged; None for those that gRPC comes with.
    certificate, key:  files of the client's own certificate chain and its key, PEM, where the server asks for one.
    server_name:       the name that the server's certificate must hold, if it is not the address'.
    """

    root_certificates: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidInputError("tls: certificate and key go together")

    def credentials(self) -> grpc.ChannelCredentials:
        """The files as they are now. Raises InvalidInputError that names the one that cannot be read."""
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
    """What both clients are made with.

    address: HOST:PORT, or "dns:///NAME:PORT", or any other that gRPC resolves. timeout: seconds. token: None where the
    server asks for none. tls: None for no encryption.
    """

    address: str
    timeout: float
    token: str | None = None
    tls: Tls | None = None

    def open_channel(self) -> grpc.Channel:
        """For threads."""
        if self.tls is None:
            return grpc.insecure_channel(self.address, options=self._options())
        return grpc.secure_channel(self.address, self.tls.credentials(), options=self._options())

    def open_async_channel(self) -> grpc.aio.Channel:
        """For asyncio."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.address, options=self._options())
        return grpc.aio.secure_channel(self.address, self.tls.credentials(), options=self._options())

    def _options(self) -> list[tuple[str, int | str]]:
        server_name = None if self.tls is None else self.tls.server_name
        named = [] if server_name is None else [("grpc.ssl_target_name_override", server_name)]
        return [*CHANNEL_OPTIONS, *named]

    def call(self, stub: Any, query: "Query[Any]", request_id: str) -> Any:
        """What gRPC makes of a query."""
        method = getattr(stub, query.method)
        return method(query.request, timeout=self.timeout, metadata=self.metadata(request_id))

    def metadata(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """Of a call."""
        own = (("x-request-id", request_id),)
        return own if self.token is None else (*own, ("authorization", f"Bearer {self.token}"))


def new_request_id() -> str:
    """Names a call in the server's log and in errors; all attempts of a call share it."""
    return os.urandom(8).hex()


class ServerError(DragomanError):
    """The server could not be reached, did not answer in time, refused the caller, or failed.

    code: the name of gRPC's status, such as "UNAVAILABLE". request_id: of the call in the server's log; empty if there
    was no call. reason: the server's word for it, such as "QUEUE_FULL"; empty without one.
    """

    def __init__(self, message: str, *, code: str = "UNKNOWN", request_id: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.reason = reason


class ModelChangedError(ServerError):
    """Of a stream's answers, one came from other weights than the rest: the server's model was replaced."""


def explain(error: Any, connection: Connection, request_id: str) -> DragomanError:
    """A gRPC error as one line for a person."""
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
        grpc.StatusCode.UNIMPLEMENTED: f"what listens at {address} is no Dragoman server, or another version of it",
        grpc.StatusCode.UNAUTHENTICATED: f"the server at {address} does not know the caller: {details}",
    }
    message = messages.get(code, f"the server at {address} answered {code.name}: {details}")
    return ServerError(message, code=code.name, request_id=request_id, reason=_reason_of(error))


def _reason_of(error: Any) -> str:
    """That of the status' ErrorInfo, if it has details."""
    try:
        status = rpc_status.from_call(error)
    except (AttributeError, ValueError):  # no status of a server's
        return ""
    for detail in () if status is None else status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def explain_end(error: Any, connection: Connection, request_id: str) -> DragomanError:
    """Why a stream's call has ended before all was answered; None if it says no more than that. Whatever the server
    refuses concerns all texts, because those at fault have errors of their own."""
    if error is None:
        message = f"the server at {connection.address} left texts unanswered"
        return ServerError(message, request_id=request_id)
    explained = explain(error, connection, request_id)
    return InvalidRequestError(str(explained)) if isinstance(explained, InvalidInputError) else explained


def explain_silence(connection: Connection, request_id: str) -> ServerError:
    """When the client's patience has ended."""
    return ServerError(_timeout_message(connection), code="DEADLINE_EXCEEDED", request_id=request_id)


def _timeout_message(connection: Connection) -> str:
    return f"the server at {connection.address} gave no answer within {connection.timeout:g} seconds"


class Weights:
    """Sees to it that one model, and one revision of it, gives all answers of a stream."""

    def __init__(self, revisions: Mapping[str, str] | None) -> None:
        """revisions: those that are due, by model; None takes what the first answer has."""
        self._due = revisions

    def check(self, model: str, revision: str) -> None:
        """Raises ModelChangedError if an answer is of other weights. A server that names no revision is trusted."""
        if not revision:
            return
        if self._due is not None and self._due.get(model) != revision:
            due = " or ".join(f'"{name}" of revision {known}' for name, known in self._due.items()) or "any other"
            raise ModelChangedError(
                f'the server answers with "{model}" of revision {revision} in place of {due}: it has changed'
            )
        self._due = {model: revision}
