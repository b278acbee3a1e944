"""The connection of both clients: where to, how secured, and how it mends itself."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import grpc

from dragoman.model.errors import InvalidInputError

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

    def metadata(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """Of a call."""
        own = (("x-request-id", request_id),)
        return own if self.token is None else (*own, ("authorization", f"Bearer {self.token}"))


def new_request_id() -> str:
    """Names a call in the server's log and in errors; all attempts of a call share it."""
    return os.urandom(8).hex()
