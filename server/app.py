"""The server as a process: its models, its ports, and its shutdown."""

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import DragomanError
from dragoman.server.access.admission import make_admission
from dragoman.server.access.exposure import warnings_of
from dragoman.server.background import run_on_own_thread
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.catalogue.loading import load_translator, try_worker
from dragoman.server.catalogue.on_demand import DemandLimits
from dragoman.server.catalogue.opening import describe_bundle
from dragoman.server.catalogue.served import ShelvedModel
from dragoman.server.catalogue.upkeep import Upkeep
from dragoman.server.config import ModelConfig, ServerConfig
from dragoman.server.contract.methods import Methods
from dragoman.server.grpc.port import FLUSH_SECONDS, GrpcPort
from dragoman.server.processes.signals import (
    LastResort,
    catch_reload_signal,
    catch_stop_signal,
    exit_on_stop_signals,
    ignore_reload_signal,
)
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.telemetry import Monitor
from dragoman.server.translating.approved import read_approved
from dragoman.server.translating.detection import LanguageDetector
from dragoman.server.translating.glossaries import Glossaries
from dragoman.server.translating.memory import Memory
from dragoman.server.translating.owned_glossaries import OwnedGlossaries
from dragoman.server.translating.translating import Translating
from dragoman.server.watching import BundleState

if TYPE_CHECKING:
    from dragoman.server.http.port import HttpPort
    from dragoman.server.processes.member import Member

STREAM_SHARE = 0.5
"""Share of drain_seconds that streams have to end by themselves; then the server ends them between two texts."""

LATE_SECONDS = 10.0
"""Time to close after drain_seconds, before the process is ended."""

COLLECTED_EVERY = 10_000
"""Threshold of Python's garbage collection. Calls leave hardly any cycles; with the default, repeated scans of the
objects of running calls are a tenth of a call's cost."""

logger = logging.getLogger(__name__)


class TranslationServer:
    """The models of the configuration, served over gRPC and, if configured, HTTP.

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
        describe: Callable[[ModelConfig, BundleState], ShelvedModel] = describe_bundle,
        member: "Member | None" = None,
    ) -> None:
        """path: the configuration's file, if any. reread: reads the configuration again. load, try_out, describe: see
        `Catalogue`. member: this process as one of several.

        Raises DragomanError if traces are configured and their packages are missing, or if the folder of glossaries
        cannot be read.
        """
        self._config = config
        self._member = member
        scrape_all = None if member is None else member.scrape
        self._monitor = Monitor(config.metrics, config.log, config.traces, self._statistics, scrape_all=scrape_all)
        self._catalogue = Catalogue(
            load=load,
            try_out=try_out,
            describe=describe,
            limits=config.limits.of_queue(),
            demand=DemandLimits(
                config.server.max_memory_bytes, config.server.load_wait_seconds, config.server.max_load_waiting
            ),
            observer=self._monitor,
            worker_observer=self._monitor,
            on_change=self._on_change,
            load_seconds=config.server.load_seconds,
            max_retired=config.server.max_retired_models,
        )
        self._upkeep = Upkeep(self._catalogue, config, path=path, reread=reread)
        self._translating = Translating(
            self._catalogue,
            config.limits,
            LanguageDetector(),
            Glossaries(config.server.glossaries),
            config.server.pivot,
            OwnedGlossaries(config.server.glossaries),
            Memory(config.memory.max_bytes, read_approved(config.memory.approved), self._monitor.memory_hit),
        )
        self._methods = Methods(self._translating, self._catalogue)
        self._grpc: GrpcPort | None = None
        self._http: HttpPort | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """gRPC's HOST:PORT with the actual port, or unix:PATH, after `start`."""
        return "" if self._grpc is None else self._grpc.address

    @property
    def http_address(self) -> str:
        """HOST:PORT of HTTP with the actual port, after `start`; empty without HTTP."""
        return "" if self._http is None else self._http.address

    @property
    def page_url(self) -> str:
        """Where a browser on this machine finds the page; empty without HTTP."""
        return "" if self._http is None else self._http.page_url

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
        self._monitor.start()
        if self._member is not None:
            self._member.start(self._monitor.write_metrics)
        try:
            await self._start()
        except BaseException:
            await self._catalogue.close()
            await run_on_own_thread(self._monitor.stop, "dragoman-stop")
            raise

    async def _start(self) -> None:
        config = self._config
        counts = None if self._member is None else self._member.counts
        self._admission = make_admission(config.access, config.limits, counts)
        self._grpc = GrpcPort(config, self._methods, self._admission, self._monitor)
        if config.http.listen is not None:
            from dragoman.server.http.port import HttpPort  # needs the extra

            self._http = HttpPort(config, self._methods, self._admission, self._monitor, self._catalogue.works)
        await self._upkeep.load()
        addresses = [config.server.listen] if config.http.listen is None else [config.server.listen, config.http.listen]
        for warning in dict.fromkeys(w for a in addresses for w in warnings_of(a, config.tls, config.access)):
            logger.warning(warning.removeprefix("WARNING: "))
        await self._grpc.report(self._catalogue.works())
        await self._grpc.start()
        if self._http is not None:
            await self._http.start()
        self._admission.quotas.usage.start()
        self._upkeep.start()

    async def stop(self) -> None:
        """Report NOT_SERVING, refuse new calls, let running calls finish within drain_seconds, and end."""
        if self._stopped:
            return
        self._stopped = True
        assert self._grpc is not None
        drain_seconds = self.drain_seconds
        logger.info("stopping: new calls are refused, running ones have %g s", drain_seconds)
        await self._grpc.shut_down()
        upkeep = asyncio.ensure_future(self._upkeep.stop())
        stopping = asyncio.ensure_future(self._stop_ports(drain_seconds))
        idle = asyncio.ensure_future(self._wait_until_idle())
        either = asyncio.FIRST_COMPLETED
        _, running = await asyncio.wait((stopping, idle), timeout=drain_seconds * STREAM_SHARE, return_when=either)
        if len(running) == 2:
            self._grpc.drain()
            await asyncio.wait((stopping, idle), return_when=either)
        idle.cancel()
        await self._stop_ports(min(drain_seconds, FLUSH_SECONDS))
        await stopping
        await upkeep
        await self._grpc.close()
        await self._catalogue.close()
        await self._admission.quotas.usage.stop()
        logger.info("stopped")
        await run_on_own_thread(self._monitor.stop, "dragoman-stop")

    async def _stop_ports(self, drain_seconds: float) -> None:
        ports = [port for port in (self._grpc, self._http) if port is not None]
        await asyncio.gather(*(port.stop(drain_seconds) for port in ports))

    async def _wait_until_idle(self) -> None:
        await self._admission.running.idle.wait()
        await self._catalogue.wait_until_idle()  # Google's operations go on after their calls

    def _on_change(self) -> None:
        """Handle a change of the served models, or a model that broke."""
        self._upkeep.wake()
        telling = asyncio.ensure_future(self._tell_health())
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell_health(self) -> None:
        if self._grpc is not None:
            await self._grpc.report(self._catalogue.works())

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
    if config.server.processes > 1:
        from dragoman.server.processes.serving import serve_processes

        serve_processes(config, path, reread, announce or _print_line)
        return
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
        page = f"; the page is {server.page_url}" if server.page_url else ""
        announce(f"Dragoman serves {', '.join(server.model_names())} on {server.address}{page}")
        await stop.wait()
        last_resort.arm(server.drain_seconds + LATE_SECONDS)


def _report_hanging() -> None:
    # Not to the log, whose thread may be the one that hangs.
    print("the server did not stop in time: the process ends as it is", file=sys.stderr, flush=True)


def _print_line(line: str) -> None:
    with suppress(DragomanError):  # a closed standard output does not stop the server
        print(line, flush=True)  # a program may wait for it at the other end of a pipe
