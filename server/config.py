"""The server's configuration: a tree of frozen tables, read from TOML; --set overrides any key."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from dragoman.model.bundle import shipped_bundles
from dragoman.model.config_files import (
    FilePath,
    StrictModel,
    apply_environment,
    apply_overrides,
    find_repeated,
    read_toml,
    validate_tree,
)
from dragoman.model.decoding.search_options import MAX_BEAM_SIZE
from dragoman.model.errors import InvalidInputError
from dragoman.server.access.addresses import DEFAULT_LISTEN, Address, ListenAddress
from dragoman.server.catalogue.memory import can_measure
from dragoman.server.catalogue.model_config import LoadingConfig as LoadingConfig
from dragoman.server.catalogue.model_config import ModelConfig as ModelConfig
from dragoman.server.scheduling.scheduler import MAX_WAITING, MAX_WAITING_BYTES, QUARANTINE_SECONDS, QueueLimits
from dragoman.server.translating.approved import MemoryConfig

DEFAULT_LOAD_SECONDS, DEFAULT_MAX_RETIRED = 600.0, 4
DEFAULT_LOAD_WAIT, DEFAULT_MAX_LOAD_WAITING = 30.0, 256
"""See `ServingConfig`."""


class ServingConfig(LoadingConfig):
    """The server as a whole, and the defaults for loading its models."""

    listen: ListenAddress = Field(DEFAULT_LISTEN, description="HOST:PORT, where port 0 takes a free one, or unix:PATH.")
    processes: int = Field(
        1, ge=1, le=64, description="Whole servers side by side on the same port, as processes with the same models."
    )
    drain_seconds: float = Field(
        30.0, ge=0, allow_inf_nan=False, description="Time for running calls to finish when the server stops."
    )
    reflection: bool = Field(True, description="Serve the contract by gRPC reflection.")
    channelz: bool = Field(False, description="Serve the state of connections by gRPC channelz.")
    glossaries: FilePath | None = Field(
        None, description="Folder of this server alone that keeps named glossaries; without it none can be stored."
    )
    pivot: str | None = Field(
        None,
        min_length=1,
        description='Language, such as "en", through which directions go that no model has, by two models.',
    )
    google: bool = Field(False, description="Serve google.cloud.translation.v3 on the same port; needs the extra.")
    google_files: FilePath | None = Field(
        None, description="Folder that BatchTranslateText reads and writes; without it the method is refused."
    )
    google_operations: FilePath | None = Field(
        None,
        description="Folder of this server alone that keeps BatchTranslateText's operations over a restart; without it "
        "a restart forgets them.",
    )
    load_seconds: float = Field(
        DEFAULT_LOAD_SECONDS, gt=0, le=86400, description="Longest time to load a model; after it the load has failed."
    )
    max_memory_bytes: int | None = Field(
        None,
        ge=64 * 1024 * 1024,
        lt=2**50,
        description="Memory of the server and its engine processes beyond which the model that was not used for the "
        "longest time is unloaded. With it a model is loaded by its first call; by default all are loaded at the start "
        "and stay.",
    )
    load_wait_seconds: float = Field(
        DEFAULT_LOAD_WAIT,
        ge=0,
        le=86400,
        description="Longest time that a call waits for its model to be loaded; 0: it is refused meanwhile.",
    )
    max_load_waiting: int = Field(
        DEFAULT_MAX_LOAD_WAITING, ge=1, lt=2**31, description="Calls that may wait for models to be loaded."
    )
    max_retired_models: int = Field(
        DEFAULT_MAX_RETIRED,
        ge=0,
        le=1000,
        description="Replaced models that may still have calls; beyond it the oldest one's calls are ended.",
    )
    reload_seconds: float = Field(
        5.0,
        ge=0,
        allow_inf_nan=False,
        description="Interval of checks for changes of the configuration and the bundles; 0: only on SIGHUP.",
    )


class LimitsConfig(StrictModel):
    """Limits of calls and clients."""

    max_message_bytes: int = Field(4 * 1024 * 1024, ge=1024, lt=2**31, description="Bytes of one request or response.")
    max_texts: int = Field(1024, ge=1, lt=2**31, description="Texts of one call.")
    max_text_length: int = Field(100_000, ge=1, lt=2**31, description="Characters of one text.")
    max_text_pieces: int = Field(
        100_000, ge=1, lt=2**31, description="Pieces of the model's vocabulary of one text, which are what it costs."
    )
    max_waiting: int = Field(MAX_WAITING, ge=1, lt=2**31, description="Sentences waiting, by model and priority.")
    max_waiting_bytes: int = Field(
        MAX_WAITING_BYTES,
        ge=1024 * 1024,
        lt=2**40,
        description="Memory of the waiting sentences, by model and priority.",
    )
    max_sentences: int = Field(
        MAX_WAITING, ge=1, lt=2**31, description="Sentences of one call; by default as many as may wait."
    )
    max_beam_size: int = Field(MAX_BEAM_SIZE, ge=4, le=MAX_BEAM_SIZE, description="Beams of one sentence.")
    max_n_best: int = Field(MAX_BEAM_SIZE, ge=1, le=MAX_BEAM_SIZE, description="Hypotheses of one sentence.")
    max_call_seconds: float | None = Field(
        None,
        gt=0,
        le=86400,
        description="Longest time that a call, or one text of a stream, waits and decodes, whatever its deadline; by "
        "default no limit.",
    )
    quarantine_seconds: float = Field(
        QUARANTINE_SECONDS,
        ge=600,
        le=30 * 86400,
        description="Time for which a sentence is refused whose decoding ended or hung an engine.",
    )
    max_concurrent_calls: int = Field(4096, ge=1, description="Concurrent calls of all clients together.")
    max_concurrent_calls_per_client: int = Field(
        1024, ge=1, description="Concurrent calls of one token, or of one connection without a token."
    )
    max_health_watches: int = Field(
        4096,
        ge=1,
        description="Concurrent Health.Watch calls, which need no token; a connection may have a quarter. Each client "
        "that balances calls over several servers holds one.",
    )
    max_connection_streams: int = Field(
        1024, ge=1, lt=2**31, description="Concurrent calls of one connection; further calls wait at the client."
    )
    min_ping_seconds: float = Field(
        10.0,
        ge=0,
        allow_inf_nan=False,
        description="Shortest interval of a client's keepalive pings; a faster client is disconnected.",
    )
    max_connection_seconds: float | None = Field(
        None,
        gt=0,
        le=2**31 / 1000 - 1,
        allow_inf_nan=False,
        description="Age, give or take a tenth, at which a connection takes no further calls, so that its client "
        "connects again and finds new servers. Running calls finish, however long a stream goes on. By default no "
        "limit.",
    )
    max_metadata_bytes: int = Field(16 * 1024, ge=1024, lt=2**31, description="Bytes of a call's metadata.")

    def of_queue(self) -> QueueLimits:
        """The limits of one model's queue."""
        return QueueLimits(
            self.max_waiting,
            self.max_waiting_bytes,
            self.max_beam_size,
            self.max_n_best,
            self.max_call_seconds,
            self.quarantine_seconds,
        )

    @model_validator(mode="before")
    @classmethod
    def _whatever_may_wait_is_allowed(cls, values: Any) -> Any:
        if isinstance(values, dict) and "max_waiting" in values:
            return {"max_sentences": values["max_waiting"]} | values
        return values

    @model_validator(mode="after")
    def _a_call_fits_the_queue(self) -> Self:
        if self.max_sentences > self.max_waiting:
            raise ValueError(f"max_sentences {self.max_sentences} is more than max_waiting {self.max_waiting}")
        return self


class TlsConfig(StrictModel):
    """TLS; off without a certificate. The server reads the files again when they change."""

    certificate: FilePath | None = Field(None, description="The server's certificate chain, PEM.")
    key: FilePath | None = Field(None, description="Its private key, PEM.")
    client_ca: FilePath | None = Field(
        None, description="Authorities, PEM; only clients with a certificate from one may connect (mutual TLS)."
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs certificate and key")
        return self


class AccessConfig(StrictModel):
    """Who may call."""

    tokens: FilePath | None = Field(None, description="File of bearer tokens; without it everybody may call.")
    usage: FilePath | None = Field(
        None,
        description="SQLite file of this server alone that keeps over a restart what each token uses by day and month; "
        "without it a restart forgets it.",
    )


class MetricsConfig(StrictModel):
    """Metrics for Prometheus."""

    listen: Address | None = Field(
        None, description='HOST:PORT of /metrics over HTTP, such as "127.0.0.1:9464"; by default no metrics.'
    )


class HttpConfig(StrictModel):
    """HTTP: LibreTranslate's and DeepL's methods, and the contract as JSON."""

    listen: Address | None = Field(None, description='HOST:PORT, such as "127.0.0.1:5000"; by default no HTTP.')
    cors_origins: tuple[str, ...] = Field(
        (), strict=False, description='Origins whose pages may call, such as "https://example.org"; "*" for all.'
    )
    max_file_bytes: int = Field(32 * 1024 * 1024, ge=1024, lt=2**31, description="Bytes of one document.")
    files: FilePath | None = Field(
        None,
        description="Folder of this server alone that keeps documents over a restart; by default a temporary "
        "one, which ends with the server.",
    )
    keep_seconds: float = Field(
        3600.0, ge=60, le=30 * 86400, description="Time after which a translated document is deleted."
    )


class LogConfig(StrictModel):
    """The log on standard error."""

    format: Literal["text", "json"] = Field("text", description="Lines for people, or one JSON object per line.")
    level: Literal["debug", "info", "warning", "error"] = "info"
    texts: bool = Field(False, description="Whether the log may hold texts and translations.")


class TracesConfig(StrictModel):
    """OpenTelemetry traces; they need the extra."""

    endpoint: str | None = Field(
        None, min_length=1, description='OTLP over gRPC, such as "http://localhost:4317"; by default no traces.'
    )
    sample_ratio: float = Field(1.0, ge=0, le=1, description="Share of calls to trace; a caller can lower it.")


class ServerConfig(StrictModel):
    """The whole configuration of a server."""

    server: ServingConfig = ServingConfig()
    models: tuple[ModelConfig, ...] = Field((), strict=False)
    limits: LimitsConfig = LimitsConfig()
    tls: TlsConfig = TlsConfig()
    access: AccessConfig = AccessConfig()
    metrics: MetricsConfig = MetricsConfig()
    http: HttpConfig = HttpConfig()
    memory: MemoryConfig = MemoryConfig()
    log: LogConfig = LogConfig()
    traces: TracesConfig = TracesConfig()

    @field_validator("models", mode="before")
    @classmethod
    def _is_a_list(cls, models: Any) -> Any:
        if isinstance(models, dict):  # a common slip, which pydantic's message would not explain
            raise ValueError("write [[models]], in double brackets, over each model")
        return models

    @model_validator(mode="after")
    def _tables_agree(self) -> Self:
        if self.server.google and not _is_installed("google.cloud.translate_v3"):
            raise ValueError("server.google: needs google-cloud-translate: pip install 'dragoman[google]'")
        if self.server.google_files is not None and not self.server.google:
            raise ValueError("server.google_files: goes with server.google = true")
        if self.server.google_operations is not None and self.server.google_files is None:
            raise ValueError("server.google_operations: goes with server.google_files")
        if self.tls.certificate is not None and not _is_installed("cryptography"):
            raise ValueError("tls.certificate: needs cryptography: pip install 'dragoman[tls]'")
        if self.server.max_memory_bytes is not None and not can_measure():
            raise ValueError("server.max_memory_bytes: this system does not say how much memory a process has")
        if self.traces.endpoint is not None and not _is_installed("opentelemetry.sdk"):
            raise ValueError("traces.endpoint: needs opentelemetry: pip install 'dragoman[telemetry]'")
        if self.metrics.listen == self.server.listen and not self.server.listen.endswith(":0"):
            raise ValueError(f"metrics.listen: {self.metrics.listen} is server.listen, too; it needs its own port")
        if self.http.listen is not None and not (_is_installed("starlette") and _is_installed("uvicorn")):
            raise ValueError("http.listen: needs starlette and uvicorn: pip install 'dragoman[http]'")
        name = find_repeated(model.name or model.bundle for model in self.models)
        if name is not None:
            raise ValueError(f'models: two are called "{name}"; every served model needs a name of its own')
        return self

    @property
    def served_models(self) -> tuple[ModelConfig, ...]:
        """The models, with the defaults of [server] for the keys that they do not set."""
        common = {name: getattr(self.server, name) for name in LoadingConfig.model_fields}
        return tuple(
            model.model_copy(update={k: v for k, v in common.items() if k not in model.model_fields_set})
            for model in self.models
        )


def load_server_config(
    path: Path | None,
    overrides: Sequence[str] = (),
    *,
    bundles: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    default_bundle: str | None = None,
) -> ServerConfig:
    """Read a server's configuration; without a file, take the defaults.

    Environment variables DRAGOMAN_TABLE__KEY override the file.

    overrides:      "table.key=value" in TOML syntax, a bare word being a string; they override file and variables.
    bundles:        the models, instead of the file's.
    options:        keys of [server] that override everything else, also a model's own keys.
    default_bundle: the bundle to serve if none is named anywhere.

    Paths in the file are relative to its folder, all others to the current one. Raises NotFoundError for a missing
    file, and InvalidInputError that names the faulty key or line.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        tree = read_toml(path)
        _anchor_paths(tree, path.parent)
    if bundles or "models" not in tree:
        tree["models"] = [{"bundle": bundle} for bundle in bundles or (default_bundle,) if bundle is not None]
    variables = apply_environment(tree, ServerConfig, os.environ)
    apply_overrides(tree, overrides, example="server.drain_seconds=60")
    _apply_options(tree, options or {})
    origins = [*([str(path)] if path is not None else []), *variables]
    if path is None or overrides or options or bundles:
        origins.append("the options")
    origin = " and ".join(origins)
    config = validate_tree(ServerConfig, tree, origin=origin)
    if not config.models:
        raise InvalidInputError(f"{origin}: models: there is none to serve")
    return config


def _apply_options(tree: dict[str, Any], options: Mapping[str, object]) -> None:
    server = tree.setdefault("server", {})
    if isinstance(server, dict):  # otherwise the validation reports it
        server.update(options)
    models = tree["models"]
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict):
            for key in options:
                model.pop(key, None)


_PATHS = (
    ("server", "glossaries"),
    ("server", "google_files"),
    ("server", "google_operations"),
    ("tls", "certificate"),
    ("tls", "key"),
    ("tls", "client_ca"),
    ("access", "tokens"),
    ("access", "usage"),
    ("http", "files"),
)


def _anchor_paths(tree: dict[str, Any], folder: Path) -> None:
    """Make the file's paths relative to its folder. Values that are no paths are left to the validation."""
    for table, key in _PATHS:
        values = tree.get(table)
        if isinstance(values, dict) and isinstance(values.get(key), str):
            values[key] = str(folder / values[key])
    shipped = {bundle.name for bundle in shipped_bundles()}
    models = tree.get("models")
    for model in models if isinstance(models, list) else ():
        bundle = model.get("bundle") if isinstance(model, dict) else None
        if isinstance(bundle, str) and bundle and bundle not in shipped:
            model["bundle"] = str(folder / bundle)
    memory = tree.get("memory")
    approved = memory.get("approved") if isinstance(memory, dict) else None
    for table in approved if isinstance(approved, list) else ():
        if isinstance(table, dict) and isinstance(table.get("file"), str):
            table["file"] = str(folder / table["file"])


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
