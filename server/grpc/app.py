"""The gRPC server as a process: its services, its port, and its shutdown."""

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc
from grpc_channelz.v1 import channelz  # type: ignore[import-untyped]
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import DragomanError
from dragoman.server.access.exposure import warnings_of
from dragoman.server.background import run_on_own_thread
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.catalogue.loading import load_translator, try_worker
from dragoman.server.catalogue.upkeep import Upkeep
from dragoman.server.config import ModelConfig, ServerConfig, find_socket_path, parse_address
from dragoman.server.contract.methods import Methods
from dragoman.server.grpc.credentials import make_credentials
from dragoman.server.grpc.health_service import SERVICE_NAME, ServingHealth
from dragoman.server.grpc.interceptors import make_guard
from dragoman.server.grpc.transport import Registrar, refuse_unusable_address, server_options
from dragoman.server.grpc.v1.service import TranslationService
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.signals import (
    LastResort,
    catch_reload_signal,
    catch_stop_signal,
    exit_on_stop_signals,
    ignore_reload_signal,
)
from dragoman.server.telemetry import Monitor
from dragoman.server.translating.detection import LanguageDetector
from dragoman.server.translating.glossaries import Glossaries
from dragoman.server.translating.translating import Translating
from dragoman.v1 import translation_pb2_grpc

if TYPE_CHECKING:
    from dragoman.server.grpc.google.handlers import GoogleFacade

FLUSH_SECONDS = 1.0
"""Time for the last answers to be sent while a client keeps a stream open, such as Health.Watch."""

STREAM_SHARE = 0.5
"""Share of drain_seconds that streams have to end by themselves; then the server ends them between two texts."""

LATE_SECONDS = 10.0
"""Time to close after drain_seconds, before the process is ended."""

COLLECTED_EVERY = 10_000
"""Threshold of Python's garbage collection. Calls leave hardly any cycles; with the default, repeated scans of the
objects of running calls are a tenth of a call's cost."""

CHANNELZ_NAME = "grpc.channelz.v1.Channelz"

logger = logging.getLogger(__name__)


class TranslationServer:
    """TranslationService, health and the configured services on one port, with the models of the configuration.

    An asynchronous context manager; leaving it stops the server gracefully.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        path: Path | None = None,
        reread: Callable[[], ServerConfig] | None = None,
        load: Callable[[ModelConfig], ServedTranslator] = load_translator,
        try_out: Callable[[Worker], Awaitable[None]] = try_worker,
    ) -> None:
        """path: the configuration's file, if any. reread: reads the configuration again. load, try_out: see
        `Catalogue`.

        Raises DragomanError if traces are configured and their packages are missing, or if the folder of glossaries
        cannot be read.
        """
        self._config = config
        self._monitor = Monitor(config.metrics, config.log, config.traces, self._statistics)
        self._catalogue = Catalogue(
            load=load,
            try_out=try_out,
            limits=config.limits.of_queue(),
            observer=self._monitor,
            worker_observer=self._monitor,
            on_change=self._on_change,
            load_seconds=config.server.load_seconds,
            max_retired=config.server.max_retired_models,
        )
        self._upkeep = Upkeep(self._catalogue, config, path=path, reread=reread)
        glossaries = Glossaries(config.server.glossaries)
        self._translating = Translating(
            self._catalogue, config.limits, LanguageDetector(), glossaries, config.server.pivot
        )
        self._methods = Methods(self._translating, self._catalogue)
        self._service = TranslationService(self._methods)
        self._health = ServingHealth()
        self._google: GoogleFacade | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.address = ""
        """HOST:PORT with the actual port, or unix:PATH, after `start`."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def metrics_address(self) -> str:
        """HOST:PORT of the metrics, after `start`; empty without metrics."""
        return self._monitor.metrics_address

    def model_names(self) -> list[str]:
        """Names of the served models."""
        return list(self._catalogue.works())

    @property
    def drain_seconds(self) -> float:
        """Time for running calls to finish, by the current configuration."""
        return self._upkeep.config.server.drain_seconds

    def reload(self) -> None:
        """Check the configuration and the bundles for changes at once."""
        self._upkeep.ask()

    async def start(self) -> None:
        """Load the models, bind the port and serve. Raises DragomanError if any of these fails."""
        refuse_unusable_address(self._config.server.listen)
        self._monitor.start()
        try:
            await self._start()
        except BaseException:
            await self._catalogue.close()
            await run_on_own_thread(self._monitor.stop, "dragoman-stop")
            raise

    async def _start(self) -> None:
        config = self._config
        credentials = make_credentials(config.tls, self._monitor.certificate_loaded)
        self._guard = make_guard(config.access, config.limits, self._monitor)
        self._server = grpc.aio.server(
            interceptors=[self._guard],
            options=[
                ("grpc.so_reuseport", 0),  # otherwise a second server would silently take half of the calls
                ("grpc.enable_channelz", int(config.server.channelz)),
                *server_options(config.limits),
            ],
        )
        await self._upkeep.load()
        self._add_services()
        try:
            if credentials is None:
                port = self._server.add_insecure_port(config.server.listen)
            else:
                port = self._server.add_secure_port(config.server.listen, credentials)
        except RuntimeError as error:
            raise DragomanError(f"cannot listen on {config.server.listen}") from error
        for warning in warnings_of(config.server.listen, config.tls, config.access):
            logger.warning(warning.removeprefix("WARNING: "))
        await self._health.report(self._catalogue.works())
        await self._server.start()
        self._upkeep.start()
        listen = config.server.listen
        self.address = listen if find_socket_path(listen) else f"{parse_address(listen)[0]}:{port}"

    def _add_services(self) -> None:
        config = self._config.server
        names = [SERVICE_NAME, health.SERVICE_NAME]
        server: Any = Registrar(self._server)  # has the methods that generated code calls
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(self._service, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        if config.google:
            from dragoman.server.grpc.google.handlers import add_to_server

            self._google = add_to_server(server, self._translating, config.google_files, config.google_operations)
            self._health.add_services(self._google.service_names)
            self._methods.features += self._google.service_names
            names += self._google.service_names
        if config.channelz:
            channelz.add_channelz_servicer(self._server)
            names.append(CHANNELZ_NAME)
        if config.reflection:
            reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)

    async def stop(self) -> None:
        """Report NOT_SERVING, refuse new calls, let running calls finish within drain_seconds, and end."""
        if self._stopped:
            return
        self._stopped = True
        drain_seconds = self.drain_seconds
        logger.info("stopping: new calls are refused, running ones have %g s", drain_seconds)
        await self._health.shut_down()
        upkeep = asyncio.ensure_future(self._upkeep.stop())
        stopping = asyncio.ensure_future(self._server.stop(drain_seconds))
        idle = asyncio.ensure_future(self._wait_until_idle())
        either = asyncio.FIRST_COMPLETED
        _, running = await asyncio.wait((stopping, idle), timeout=drain_seconds * STREAM_SHARE, return_when=either)
        if len(running) == 2:
            self._service.drain()
            if self._google is not None:
                self._google.drain()
            await asyncio.wait((stopping, idle), return_when=either)
        idle.cancel()
        await self._server.stop(min(drain_seconds, FLUSH_SECONDS))
        await stopping
        await upkeep
        if self._google is not None:
            await self._google.close()
        await self._catalogue.close()
        logger.info("stopped")
        await run_on_own_thread(self._monitor.stop, "dragoman-stop")

    async def _wait_until_idle(self) -> None:
        await self._guard.wait_until_idle()
        await self._catalogue.wait_until_idle()  # Google's operations go on after their calls

    def _on_change(self) -> None:
        """Handle a change of the served models, or a model that broke."""
        self._upkeep.wake()
        telling = asyncio.ensure_future(self._tell_health())
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell_health(self) -> None:
        await self._health.report(self._catalogue.works())

    def _statistics(self) -> Iterator[tuple[str, EngineStatistics, int]]:
        """Statistics for a scrape, on its thread."""
        for worker in self._catalogue.workers():
            yield worker.translator.name, worker.statistics(), worker.num_waiting


def serve(
    config: ServerConfig,
    *,
    path: Path | None = None,
    reread: Callable[[], ServerConfig] | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully; a second signal ends the process at once. SIGHUP checks for
    changes at once.

    path, reread: see `TranslationServer`. announce: gets one line with the actual address when the server is ready; by
    default prints it. Call it on the main thread. Raises DragomanError if it cannot serve.
    """
    exit_on_stop_signals()
    ignore_reload_signal()
    gc.set_threshold(COLLECTED_EVERY, *gc.get_threshold()[1:])
    run_until_stopped(TranslationServer(config, path=path, reread=reread), announce or _print_line)


def run_until_stopped(server: TranslationServer, announce: Callable[[str], None]) -> None:
    """See `serve`."""
    last_resort = LastResort(_report_hanging)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run_until_stopped(server, announce, last_resort))
    finally:
        last_resort.disarm()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's factory if it is installed: calls cost less with it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run_until_stopped(
    server: TranslationServer, announce: Callable[[str], None], last_resort: LastResort
) -> None:
    async with server:
        stop = catch_stop_signal()
        catch_reload_signal(server.reload)
        announce(f"Dragoman serves {', '.join(server.model_names())} on {server.address}")
        await stop.wait()
        last_resort.arm(server.drain_seconds + LATE_SECONDS)


def _report_hanging() -> None:
    # Not to the log, whose thread may be the one that hangs.
    print("the server did not stop in time: the process ends as it is", file=sys.stderr, flush=True)


def _print_line(line: str) -> None:
    with suppress(DragomanError):  # a closed standard output does not stop the server
        print(line, flush=True)  # a program may wait for it at the other end of a pipe
