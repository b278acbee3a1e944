"""The served models: finds one for each call, and replaces them while calls run.

Everything except loading runs on the event loop.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.server.background import BackgroundThread, run_on_own_thread
from dragoman.server.catalogue.loading import LONGEST_PAUSE, LoadAttempts, load_translator, read_card, try_worker
from dragoman.server.catalogue.served import Lease, ModelLease, ServedModel, find_named, find_worker
from dragoman.server.config import DEFAULT_LOAD_SECONDS, DEFAULT_MAX_RETIRED, ModelConfig
from dragoman.server.scheduling.interfaces import ModelObserver, ServedTranslator
from dragoman.server.scheduling.scheduler import DEFAULT_LIMITS, QueueLimits
from dragoman.server.scheduling.worker import NO_OBSERVER, Worker, WorkerObserver
from dragoman.server.watching import BundleState, bundle_state

logger = logging.getLogger(__name__)

__all__ = ["Catalogue", "Lease", "ModelLease"]


class _Nobody:
    """An observer that does nothing."""

    def model_loaded(self, model: str, revision: str) -> None: ...
    def model_unloaded(self, model: str) -> None: ...
    def reload_ended(self, model: str, outcome: str) -> None: ...
    def models_retired(self, number: int) -> None: ...


@dataclass(slots=True)
class _Round:
    """The result of one `apply`: the served model for each configured model that has one, and the errors."""

    chosen: dict[ModelConfig, ServedModel] = field(default_factory=dict)
    errors: list[DragomanError] = field(default_factory=list)


class Catalogue:
    """The served models in the order of the configuration; empty until `apply`."""

    def __init__(
        self,
        *,
        load: Callable[[ModelConfig], ServedTranslator] = load_translator,
        try_out: Callable[[Worker], Awaitable[None]] = try_worker,
        state_of: Callable[[str], BundleState] = bundle_state,
        limits: QueueLimits = DEFAULT_LIMITS,
        observer: ModelObserver | None = None,
        worker_observer: WorkerObserver = NO_OBSERVER,
        on_change: Callable[[], None] = lambda: None,
        load_seconds: float = DEFAULT_LOAD_SECONDS,
        max_retired: int = DEFAULT_MAX_RETIRED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """load: called on another thread, always the same one. try_out: raises DragomanError for a model that does not
        translate.

        on_change: called on the event loop when the set of served models changes and when a model breaks; also, at the
        next `apply`, when a model has lost its last process or has one again.

        load_seconds: longest time to load a model. max_retired: number of replaced models that may still have calls;
        beyond it the oldest one's calls end as when the server stops.
        """
        self._load = load
        self._try_out = try_out
        self._state_of = state_of
        self._limits = limits
        self._observer = observer or _Nobody()
        self._worker_observer = worker_observer
        self._on_change = on_change
        self._clock = clock
        self._models: list[ServedModel] = []
        self._told: dict[str, bool] = {}  # `works` at the last `on_change`
        self._attempts = LoadAttempts(clock)
        self._applying = asyncio.Lock()
        self._load_seconds = load_seconds
        self._max_retired = max_retired
        # One thread for all loads: several would each keep memory of the models that they loaded.
        self._loader = BackgroundThread("dragoman-load")
        self._late_loads: dict[str, threading.Event] = {}  # by bundle; set when the load ends
        self._retired: list[ServedModel] = []  # with calls, the oldest first
        self._closing: set[asyncio.Task[None]] = set()
        self._num_leases = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def find(self, model: str | None, source_language: str | None, target_language: str) -> Lease:
        """Lease the named model, or without a name the only one that fits, for a direction. Release the lease.

        Raises NotFoundError if no model has the name or the languages, InvalidInputError if several models fit.
        """
        worker, direction = find_worker(self.workers(), model, source_language, target_language)
        lease = Lease(self._served_by(worker), self._release, direction)
        self._count_lease()
        return lease

    def get(self, name: str) -> ModelLease:
        """Lease the named model. Release the lease. Raises NotFoundError if there is none."""
        lease = ModelLease(self._served_by(find_named(self.workers(), name)), self._release)
        self._count_lease()
        return lease

    def workers(self) -> tuple[Worker, ...]:
        """The workers of the served models."""
        return tuple(model.worker for model in self._models)

    def directions(self) -> frozenset[Direction]:
        """The directions of all models."""
        return frozenset(direction for model in self._models for direction in model.worker.translator.directions)

    def works(self) -> dict[str, bool]:
        """By name of model, whether it translates at the moment."""
        return {model.name: model.works for model in self._models}

    def seconds_until_retry(self) -> float | None:
        """Seconds until `apply` should retry a model that could not be loaded or broke; None if there is none."""
        return self._attempts.seconds_until_next()

    async def wait_until_idle(self) -> None:
        """Wait until there is no lease."""
        await self._idle.wait()

    async def apply(
        self, models: Sequence[ModelConfig], states: Mapping[str, BundleState] | None = None, *, at_once: bool = False
    ) -> list[DragomanError]:
        """Load new and changed models, replace the models of the same names, and close models that are no longer
        configured after their last call. A new model must translate a trial text before it is served.

        states: the bundles' states; None reads them. at_once: also retry models that failed a short while ago.

        Returns the errors of models that could not be loaded. If there are any, only replaced models are closed: the
        failed model may have been meant to replace another one.
        """
        async with self._applying:
            if states is None:
                states = {
                    model.bundle: await self._loader.run(partial(self._state_of, model.bundle)) for model in models
                }
            self._attempts.confine_to(models)
            this_round = _Round()
            waiting = [
                model for model in dict.fromkeys(models) if not self._keep(model, states[model.bundle], this_round)
            ]
            for model in waiting:
                await self._renew(model, states[model.bundle], this_round, at_once=at_once)
            self._settle(models, this_round)
            return this_round.errors

    async def close(self) -> None:
        """Close all models after their current translations; open leases become useless."""
        async with self._applying:
            models, self._models = self._models, []
            for model in (*models, *self._retired):
                model.is_retired = True
                self._close_soon(model)
            self._retired.clear()
        while self._closing:
            await asyncio.gather(*self._closing)
        self._loader.end()

    def _keep(self, wanted: ModelConfig, state: BundleState, this_round: _Round) -> bool:
        for model in self._models:
            if model.config == wanted and model.state == state and not model.worker.is_broken:
                this_round.chosen[wanted] = model
                self._attempts.succeed(wanted)
                return True
        return False

    async def _renew(self, wanted: ModelConfig, state: BundleState, this_round: _Round, *, at_once: bool) -> None:
        """Load a model and put it in the old one's place; if that fails, or a retry is not due, keep the old one."""
        reason_to_wait = None if at_once else self._attempts.reason_to_wait(wanted, state)
        if reason_to_wait is not None:
            this_round.errors.append(reason_to_wait)
        else:
            try:
                model = await self._open(wanted, state, this_round)
            except DragomanError as error:
                this_round.errors.append(error)
                self._note_trouble(wanted, state, error)
            else:
                self._attempts.succeed(wanted)
                self._place(model)
                this_round.chosen[wanted] = model
                return
        old = self._predecessor(wanted, this_round)
        if old is not None:
            this_round.chosen[wanted] = old

    async def _open(self, wanted: ModelConfig, state: BundleState, this_round: _Round) -> ServedModel:
        broken = next((model for model in self._models if model.config == wanted and model.worker.is_broken), None)
        if broken is not None:  # it refuses all calls, and the new one needs its memory
            await _close(broken)
        logger.debug("loading %s", wanted.bundle)
        started = self._clock()
        card, translator = await self._load_in_time(wanted)
        if any(model.name == translator.name for model in this_round.chosen.values()):
            await run_on_own_thread(translator.close, "dragoman-close")
            raise InvalidInputError(
                f'two models are called "{translator.name}"; every served model needs a name of its own'
            )
        num_attempts = self._attempts.count(wanted, state) + (broken is not None)
        model = ServedModel(wanted, state, self._clock(), card, num_attempts)
        on_broken = partial(_tell_loop, asyncio.get_running_loop(), partial(self._break, model))
        model.worker = Worker(
            translator,
            limits=self._limits,
            stall_seconds=wanted.stall_seconds,
            on_broken=on_broken,
            observer=self._worker_observer,
        )
        try:
            await self._try_out(model.worker)
        except BaseException as error:
            self._retire(model)  # without waiting for its end: it may hang as its trial did
            if not isinstance(error, Exception):
                raise
            raise _explain(error, wanted) from error
        logger.info("%s, revision %s, serves after %.1f s", model.name, translator.revision, self._clock() - started)
        return model

    async def _load_in_time(self, wanted: ModelConfig) -> tuple[str, ServedTranslator]:
        """A model's card and the model. A load that exceeds its time is given up: its model is closed when it arrives,
        and until then the bundle is not loaded again."""
        late = self._late_loads.get(wanted.bundle)
        if late is not None and not late.is_set():
            raise DragomanError(f"{wanted.bundle}: an earlier attempt to load it has not ended yet")
        ended = threading.Event()

        def load() -> tuple[str, ServedTranslator]:
            try:
                return read_card(wanted.bundle), self._load(wanted)
            finally:
                ended.set()

        self._late_loads[wanted.bundle] = ended
        try:
            return await self._loader.run(load, self._load_seconds, on_late=lambda found: found[1].close())
        except TimeoutError as error:
            if ended.is_set():  # its own
                raise _explain(error, wanted) from error
            raise DragomanError(f"{wanted.bundle}: was not loaded in {self._load_seconds:g} s") from error
        except Exception as error:
            raise _explain(error, wanted) from error

    def _note_trouble(self, wanted: ModelConfig, state: BundleState, error: DragomanError) -> None:
        pause = self._attempts.fail(wanted, state, error)
        if not self._models:  # at the start: the caller gets the error
            return
        old = self._predecessor(wanted, _Round())
        self._observer.reload_ended(old.name if old is not None else wanted.name or wanted.bundle, "failed")
        goes_on = "; the old version stays" if old is not None else ""
        logger.error("%s cannot be served%s; next attempt in %g s: %s", wanted.bundle, goes_on, pause, error)

    def _predecessor(self, wanted: ModelConfig, this_round: _Round) -> ServedModel | None:
        """The served model to keep for a model that cannot be loaded."""
        free = [model for model in self._models if model not in this_round.chosen.values()]
        for model in free:
            if model.config == wanted or (wanted.name is not None and model.name == wanted.name):
                return model
        return next((model for model in free if model.config.bundle == wanted.bundle), None)

    def _place(self, model: ServedModel) -> None:
        for place, old in enumerate(self._models):
            if old.name == model.name:
                self._models[place] = model
                self._retire(old)
                self._observer.reload_ended(model.name, "replaced")
                break
        else:
            self._models.append(model)
        self._observer.model_loaded(model.name, model.worker.translator.revision)
        self._tell()

    def _settle(self, models: Sequence[ModelConfig], this_round: _Round) -> None:
        """Put the models in the order of the configuration, and retire those that are no longer in it."""
        chosen = [this_round.chosen[model] for model in dict.fromkeys(models) if model in this_round.chosen]
        left_over = [model for model in self._models if model not in chosen]
        if this_round.errors:
            chosen += left_over
        else:
            for model in left_over:
                logger.info("%s is no longer served", model.name)
                self._observer.model_unloaded(model.name)
                self._retire(model)
        self._models = chosen
        if list(self._told.items()) != list(self.works().items()):
            self._tell()

    def _break(self, model: ServedModel) -> None:
        """Handle an engine that failed for good: its model stays, and refuses all calls, until it is loaded again."""
        if model.is_retired:
            return
        lasted = self._clock() - model.loaded_at >= LONGEST_PAUSE
        num_attempts = 0 if lasted else model.num_attempts
        error = DragomanError(f"{model.name}: its decoding engine is broken")
        self._attempts.note(model.config, model.state, error, num_attempts)
        self._tell()

    def _tell(self) -> None:
        self._told = self.works()
        self._on_change()

    def _retire(self, model: ServedModel) -> None:
        model.is_retired = True
        if not model.num_leases:
            self._close_soon(model)
            return
        self._retired.append(model)
        if len(self._retired) > self._max_retired:
            oldest = self._retired.pop(0)
            logger.warning(
                "%s: ending the calls of a replaced version: too many replaced versions have calls", oldest.name
            )
            self._close_soon(oldest)
        self._observer.models_retired(len(self._retired))

    def _close_soon(self, model: ServedModel) -> None:
        closing = asyncio.ensure_future(_close(model))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _served_by(self, worker: Worker) -> ServedModel:
        return next(model for model in self._models if model.worker is worker)

    def _count_lease(self) -> None:
        self._num_leases += 1
        self._idle.clear()

    def _release(self, model: ServedModel) -> None:
        self._num_leases -= 1
        if not self._num_leases:
            self._idle.set()
        if model in self._retired and not model.num_leases:
            self._retired.remove(model)
            self._observer.models_retired(len(self._retired))
            self._close_soon(model)


async def _close(model: ServedModel) -> None:
    try:
        await model.worker.drain()
        await run_on_own_thread(model.worker.translator.close, "dragoman-close")
    except Exception:  # its memory may be lost, but other models are not affected
        logger.exception("%s could not be closed", model.name)


def _tell_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(callback)


def _explain(error: Exception, wanted: ModelConfig) -> DragomanError:
    if isinstance(error, DragomanError):
        return error
    logger.error("%s cannot be loaded", wanted.bundle, exc_info=error)
    return DragomanError(f"{wanted.bundle}: cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())}")
