"""`dragoman serve --processes P`: what a supervisor needs before it forks, and the server in each process."""

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.model.errors import DragomanError
from dragoman.server.access.addresses import find_socket_path, parse_address
from dragoman.server.access.admission import make_admission
from dragoman.server.catalogue.loading import load_translator
from dragoman.server.config import ModelConfig, ServerConfig
from dragoman.server.processes.member import Member
from dragoman.server.processes.shared_counts import SharedCounts
from dragoman.server.processes.supervisor import Supervisor
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.telemetry.logs import make_formatter
from dragoman.server.watching import BundleState, bundle_state

if TYPE_CHECKING:
    pass

THREADS = "OMP_NUM_THREADS"
"""Variable of the number of threads that decode in each process; by default they share the processors."""


def serve_processes(
    config: ServerConfig,
    path: Path | None,
    reread: Callable[[], ServerConfig] | None,
    announce: Callable[[str], None],
) -> None:
    """See `server.app.serve`. Raises DragomanError if an address cannot be used or a process cannot serve."""
    from dragoman.server.app import TranslationServer, run_until_stopped

    number = config.server.processes
    if not hasattr(os, "memfd_create"):
        raise DragomanError("server.processes: several processes need Linux")
    if config.server.google_files is not None:
        raise DragomanError("server.google_files: BatchTranslateText's operations need a server of one process")
    held = [_hold("server.listen", config.server.listen)]
    if config.http.listen is not None:
        held.append(_hold("http.listen", config.http.listen))
    addresses = [f"{listen}:{one.getsockname()[1]}" for listen, one in zip(_hosts(config), held, strict=True)]
    metrics = None if config.metrics.listen is None else _listen(config.metrics.listen)
    os.environ.setdefault(THREADS, str(max(1, _num_processors() // number)))
    _log_here(config)
    counts = SharedCounts()
    make_admission(config.access, config.limits, counts)  # counts what was used before, and names faults of its files
    models = load_shared(config)

    files = None
    if config.http.listen is not None and config.http.files is None:
        files = Path(tempfile.mkdtemp(prefix="dragoman-http-"))

    def of_process(found: ServerConfig) -> ServerConfig:
        return config_of_process(found, addresses, files)

    def serve(member: Member) -> None:
        logging.getLogger().handlers.clear()  # the server has its own log
        server: TranslationServer = TranslationServer(
            of_process(config),
            path=path,
            reread=None if reread is None else lambda: of_process(reread()),
            load=lambda model: take_shared(models, model),
            member=member,
        )
        run_until_stopped(server, member.announce)

    try:
        Supervisor(number, serve, counts, announce, metrics).run()
    finally:
        for one in held:
            one.close()
        if files is not None:
            shutil.rmtree(files, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class SharedModel:
    """A model that was loaded before the fork, and the files that it was loaded from."""

    state: BundleState
    translator: ServedTranslator


def load_shared(config: ServerConfig) -> dict[ModelConfig, SharedModel]:
    """The models whose memory all processes share: those of this machine's processors that are loaded at the start.
    Raises DragomanError."""
    found = {}
    for model in config.served_models:
        is_on_demand = config.server.max_memory_bytes is not None and not model.pinned
        if model.device == "cpu" and not model.replicas and not is_on_demand:
            found[model] = SharedModel(bundle_state(model.bundle), load_translator(model))
    return found


def take_shared(models: Mapping[ModelConfig, SharedModel], model: ModelConfig) -> ServedTranslator:
    """A shared model if its files are still the same, else the model as it is now."""
    shared = models.get(model)
    if shared is not None and shared.state == bundle_state(model.bundle):
        return shared.translator
    return load_translator(model)


def _hosts(config: ServerConfig) -> list[str]:
    listens = [config.server.listen, *([] if config.http.listen is None else [config.http.listen])]
    return [parse_address(listen)[0] for listen in listens]


def config_of_process(config: ServerConfig, addresses: Sequence[str], files: Path | None) -> ServerConfig:
    """The configuration of one process: its share of the memory, at the addresses that the supervisor holds, without a
    port for its metrics. files: folder for documents if none is configured."""
    number, bytes_of_all = config.server.processes, config.server.max_memory_bytes
    share = None if bytes_of_all is None else bytes_of_all // number
    server = config.server.model_copy(update={"listen": addresses[0], "max_memory_bytes": share})
    http = config.http
    if http.listen is not None:
        http = http.model_copy(update={"listen": addresses[1], "files": http.files or files})
    metrics = config.metrics.model_copy(update={"listen": None})
    memory = config.memory.model_copy(update={"max_bytes": config.memory.max_bytes // number})
    return config.model_copy(update={"server": server, "http": http, "metrics": metrics, "memory": memory})


def _hold(key: str, listen: str) -> socket.socket:
    """A socket that holds an address for the processes and never listens. Raises DragomanError if another program has
    it."""
    if find_socket_path(listen) is not None:
        raise DragomanError(f"{key}: several processes need HOST:PORT, since they cannot share {listen}")
    held = _bind(key, listen)  # fails if another program listens there, even one that would share it
    port = held.getsockname()[1]
    held.close()
    return _bind(key, f"{parse_address(listen)[0]}:{port}", is_shared=True)


def _listen(listen: str) -> socket.socket:
    metrics = _bind("metrics.listen", listen)
    metrics.listen(16)
    return metrics


def _bind(key: str, listen: str, *, is_shared: bool = False) -> socket.socket:
    host, port = parse_address(listen)
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError as error:
        raise DragomanError(f"{key}: cannot listen on {listen}: {error.strerror}") from error
    return bound


def _num_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _log_here(config: ServerConfig) -> None:
    """Write this process' log lines at once: it has no thread that could."""
    handler = logging.StreamHandler()
    handler.setFormatter(make_formatter(config.log.format))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(config.log.level.upper())
