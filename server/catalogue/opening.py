"""Opening one model: its weights are loaded on a thread, and it must translate a trial text."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from dragoman.model.bundle import find_bundle, read_config
from dragoman.model.errors import DragomanError
from dragoman.server.background import BackgroundThread, Found, run_on_own_thread
from dragoman.server.catalogue.loading import read_card
from dragoman.server.catalogue.model_config import ModelConfig
from dragoman.server.catalogue.served import ServedModel, ShelvedModel, named
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.quarantine import Quarantine
from dragoman.server.scheduling.scheduler import QueueLimits
from dragoman.server.scheduling.worker import Worker, WorkerObserver
from dragoman.server.watching import BundleState

logger = logging.getLogger(__name__)


def describe_bundle(wanted: ModelConfig, state: BundleState) -> ShelvedModel:
    """A configured model without its weights; for any thread. Raises DragomanError for a damaged bundle."""
    info = read_config(find_bundle(wanted.bundle))
    return ShelvedModel(wanted, state, named(info, wanted.name), read_card(wanted.bundle))


class Opener:
    """Opens models, one after the other: several threads would each keep memory of the models that they loaded."""

    def __init__(
        self,
        load: Callable[[ModelConfig], ServedTranslator],
        try_out: Callable[[Worker], Awaitable[None]],
        limits: QueueLimits,
        observer: WorkerObserver,
        *,
        load_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See `Catalogue`."""
        self._load = load
        self._try_out = try_out
        self._limits = limits
        self._observer = observer
        self._quarantine = Quarantine(limits.quarantine_seconds)  # kept while models are loaded anew
        self._load_seconds = load_seconds
        self._clock = clock
        self._thread = BackgroundThread("dragoman-load")
        self._late_loads: dict[str, threading.Event] = {}  # by bundle; set when the load ends

    async def run(self, function: Callable[[], Found]) -> Found:
        """Run a function on the thread that loads."""
        return await self._thread.run(function)

    def end(self) -> None:
        """End the thread."""
        self._thread.end()

    async def load(self, wanted: ModelConfig) -> tuple[str, ServedTranslator]:
        """A model's card and the model. A load that exceeds its time is given up: its model is closed when it arrives,
        and until then the bundle is not loaded again. Raises DragomanError."""
        late = self._late_loads.get(wanted.bundle)
        if late is not None and not late.is_set():
            raise DragomanError(f"{wanted.bundle}: an earlier attempt to load it has not ended yet")
        ended = threading.Event()

        def load() -> tuple[str, ServedTranslator]:
            try:
                translator = self._load(wanted)
                assert translator.revision is not None  # computed here, off the event loop
                return read_card(wanted.bundle), translator
            finally:
                ended.set()

        self._late_loads[wanted.bundle] = ended
        try:
            return await self._thread.run(load, self._load_seconds, on_late=lambda found: found[1].close())
        except TimeoutError as error:
            if ended.is_set():  # its own
                raise explain(error, wanted) from error
            raise DragomanError(f"{wanted.bundle}: was not loaded in {self._load_seconds:g} s") from error
        except Exception as error:
            raise explain(error, wanted) from error

    def start(
        self,
        model: ServedModel,
        translator: ServedTranslator,
        on_broken: Callable[[ServedModel], None],
    ) -> None:
        """Give a model its worker. on_broken: called on the event loop when the engine has failed for good."""
        loop = asyncio.get_running_loop()
        model.worker = Worker(
            translator,
            limits=self._limits,
            stall_seconds=model.config.stall_seconds,
            quarantine=self._quarantine,
            on_broken=partial(_tell_loop, loop, partial(on_broken, model)),
            observer=self._observer,
        )

    async def try_out(self, model: ServedModel) -> None:
        """Translate a trial text. Raises DragomanError if that fails."""
        try:
            await self._try_out(model.worker)
        except Exception as error:
            raise explain(error, model.config) from error


async def close_model(model: ServedModel) -> None:
    """Close a model after its current translations."""
    try:
        await model.worker.drain()
        await run_on_own_thread(model.worker.translator.close, "dragoman-close")
    except Exception:  # its memory may be lost, but other models are not affected
        logger.exception("%s could not be closed", model.name)


def _tell_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(callback)


def explain(error: Exception, wanted: ModelConfig) -> DragomanError:
    """The error as one that names the model; an unforeseen one is logged."""
    if isinstance(error, DragomanError):
        return error
    logger.error("%s cannot be loaded", wanted.bundle, exc_info=error)
    return DragomanError(f"{wanted.bundle}: cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())}")
