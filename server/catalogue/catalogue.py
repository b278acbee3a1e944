"""The served models: finds one for each call, and replaces them while calls run.

Everything except loading runs on the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.server.background import run_on_own_thread
from dragoman.server.catalogue.leasing import Leases
from dragoman.server.catalogue.loading import LONGEST_PAUSE, LoadAttempts, load_translator, try_worker
from dragoman.server.catalogue.memory import memory_bytes
from dragoman.server.catalogue.model_config import ModelConfig
from dragoman.server.catalogue.on_demand import Demand, DemandLimits, ModelUnavailableError, choose_victim, unavailable
from dragoman.server.catalogue.opening import Opener, close_model, describe_bundle
from dragoman.server.catalogue.served import (
    AllDirections,
    Lease,
    ModelDescription,
    ModelLease,
    ServedModel,
    ShelvedModel,
    find_model,
    find_named,
)
from dragoman.server.config import DEFAULT_LOAD_SECONDS, DEFAULT_MAX_RETIRED
from dragoman.server.scheduling.interfaces import NO_MODEL_OBSERVER, ModelObserver, ServedTranslator
from dragoman.server.scheduling.scheduler import DEFAULT_LIMITS, QueueLimits
from dragoman.server.scheduling.worker import NO_OBSERVER, Worker, WorkerObserver
from dragoman.server.watching import BundleState, bundle_state

EVICT_SECONDS = 30.0
"""Longest wait for the calls of a model that makes room for another."""

logger = logging.getLogger(__name__)

__all__ = ["Catalogue", "Lease", "ModelLease"]


@dataclass(slots=True)
class _Round:
    """The result of one `apply`: the model for each configured model that has one, loaded or not, and the errors."""

    chosen: dict[ModelConfig, ServedModel | ShelvedModel] = field(default_factory=dict)
    errors: list[DragomanError] = field(default_factory=list)


class Catalogue:
    """The served models in the order of the configuration; empty until `apply`.

    With a bound of memory, models that are not pinned are loaded by `lease`, and the least recently used ones are
    unloaded. Calls of an unloaded model finish.
    """

    def __init__(
        self,
        *,
        load: Callable[[ModelConfig], ServedTranslator] = load_translator,
        try_out: Callable[[Worker], Awaitable[None]] = try_worker,
        state_of: Callable[[str], BundleState] = bundle_state,
        describe: Callable[[ModelConfig, BundleState], ShelvedModel] = describe_bundle,
        measure: Callable[[], int] = memory_bytes,
        limits: QueueLimits = DEFAULT_LIMITS,
        demand: DemandLimits | None = None,
        observer: ModelObserver | None = None,
        worker_observer: WorkerObserver = NO_OBSERVER,
        on_change: Callable[[], None] = lambda: None,
        load_seconds: float = DEFAULT_LOAD_SECONDS,
        max_retired: int = DEFAULT_MAX_RETIRED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """load: called on another thread, always the same one. try_out: raises DragomanError for a model that does not
        translate. describe: a model without its weights; measure: memory of the process in bytes; both are called on
        that thread, too. demand: by default all models are loaded by `apply`.

        on_change: called on the event loop when the set of served models changes and when a model breaks; also, at the
        next `apply`, when a model has lost its last process or has one again.

        load_seconds: longest time to load a model. max_retired: number of replaced models that may still have calls;
        beyond it the oldest one's calls end as when the server stops.
        """
        self._opener = Opener(load, try_out, limits, worker_observer, load_seconds=load_seconds)
        self._state_of = state_of
        self._describe = describe
        self._measure = measure
        self._demand_limits = demand or DemandLimits()
        self._observer = observer or NO_MODEL_OBSERVER
        self._leases = Leases(max_retired, self._observer.models_retired, clock)
        self._demand = Demand(self._demand_limits, self._load_shelved, self._leases.hold)
        self._demand_attempts = LoadAttempts(clock)
        self._on_change = on_change
        self._clock = clock
        self._models: list[ServedModel | ShelvedModel] = []
        self._directions = AllDirections()
        self._told: dict[str, bool] = {}  # `works` at the last `on_change`
        self._attempts = LoadAttempts(clock)
        self._applying = asyncio.Lock()  # held while models are loaded
        self._is_over = False  # beyond the bound of memory

    @property
    def loads_on_demand(self) -> bool:
        """Whether models are loaded by calls."""
        return self._demand_limits.max_bytes is not None

    def find(self, model: str | None, source_language: str | None, target_language: str) -> Lease | None:
        """Lease the named model, or without a name the first one that fits, for a direction. Release the lease. None
        if the model is not loaded.

        Raises NotFoundError if no model has the name or the languages, InvalidInputError if models for several
        source languages fit.
        """
        found, way = find_model(self._models, model, source_language, target_language)
        return Lease(self._leases.lend(found), self._leases.release, way) if isinstance(found, ServedModel) else None

    async def lease(self, model: str | None, source_language: str | None, target_language: str) -> Lease:
        """`find`, after loading the model if need be. Raises also ModelLoadingError and ModelUnavailableError."""
        while True:
            found, direction = find_model(self._models, model, source_language, target_language)
            if isinstance(found, ServedModel):
                return Lease(self._leases.lend(found), self._leases.release, direction)
            if self._demand_attempts.reason_to_wait(found.config, found.state) is not None:
                raise unavailable(found)
            held = await self._demand.lease(found)
            if held is not None:
                with held:
                    return Lease(self._leases.lend(held.model), self._leases.release, direction)

    def name_of(self, model: str | None, source_language: str | None, target_language: str) -> str:
        """Name of the model that `find` would find. Raises the same errors."""
        return find_model(self._models, model, source_language, target_language)[0].name

    def describe(self, name: str) -> ModelDescription:
        """A model, loaded or not. Raises NotFoundError."""
        return find_named(self._models, name).describe()

    def descriptions(self) -> list[ModelDescription]:
        """All models, loaded or not."""
        return [model.describe() for model in self._models]

    def workers(self) -> tuple[Worker, ...]:
        """The workers of the loaded models."""
        return tuple(model.worker for model in self._loaded())

    def directions(self, name: str | None = None) -> frozenset[Direction]:
        """The directions of all models, or of the named one. Raises NotFoundError."""
        named = None if name is None else find_named(self._models, name)
        return self._directions.of(self._models) if named is None else frozenset(named.directions)

    def works(self) -> dict[str, bool]:
        """By name of model, whether it translates at the moment, or would if a call loaded it."""
        return {model.name: model.works for model in self._models}

    def seconds_until_retry(self) -> float | None:
        """Seconds until `apply` should retry a model that could not be loaded or broke; None if there is none."""
        return self._attempts.seconds_until_next()

    async def wait_until_idle(self) -> None:
        """Wait until there is no lease."""
        await self._leases.wait_until_idle()

    async def apply(
        self, models: Sequence[ModelConfig], states: Mapping[str, BundleState] | None = None, *, at_once: bool = False
    ) -> list[DragomanError]:
        """Load new and changed models, replace the models of the same names, and close models that are no longer
        configured after their last call. A new model must translate a trial text before it is served. A model that
        calls load is only described, unless it is to replace a loaded one.

        states: the bundles' states; None reads them. at_once: also retry models that failed a short while ago.

        Returns the errors of models that could not be loaded. If there are any, only replaced models are closed: the
        failed model may have been meant to replace another one.
        """
        async with self._applying:
            if states is None:
                bundles = dict.fromkeys(model.bundle for model in models)
                states = {bundle: await self._opener.run(partial(self._state_of, bundle)) for bundle in bundles}
            self._attempts.confine_to(models)
            self._demand_attempts.confine_to(models)
            this_round = _Round()
            waiting = [
                model for model in dict.fromkeys(models) if not self._keep(model, states[model.bundle], this_round)
            ]
            for model in waiting:
                await self._renew(model, states[model.bundle], this_round, at_once=at_once)
            self._settle(models, this_round)
            await self._make_room(0)
            return this_round.errors

    async def close(self) -> None:
        """Close all models after their current translations; open leases become useless."""
        await self._demand.stop()
        async with self._applying:
            loaded, self._models = self._loaded(), []
        await self._leases.close_all(loaded)
        self._opener.end()

    def _loaded(self) -> list[ServedModel]:
        return [model for model in self._models if isinstance(model, ServedModel)]

    def _keep(self, wanted: ModelConfig, state: BundleState, this_round: _Round) -> bool:
        for model in self._models:
            if model.config != wanted or model.state != state:
                continue
            if isinstance(model, ServedModel) and model.worker.is_broken:
                continue
            is_due = self._demand_attempts.reason_to_wait(wanted, state) is None
            if isinstance(model, ShelvedModel) and model.has_failed and is_due:
                self._demand.start(model)
            this_round.chosen[wanted] = model
            self._attempts.succeed(wanted)
            return True
        return False

    async def _renew(self, wanted: ModelConfig, state: BundleState, this_round: _Round, *, at_once: bool) -> None:
        """Load a model and put it in the old one's place; if that fails, or a retry is not due, keep the old one."""
        reason_to_wait = None if at_once else self._attempts.reason_to_wait(wanted, state)
        old = self._predecessor(wanted, this_round)
        if reason_to_wait is not None:
            this_round.errors.append(reason_to_wait)
        else:
            taken = [model.name for model in this_round.chosen.values()]
            model: ServedModel | ShelvedModel
            try:
                if self.loads_on_demand and not wanted.pinned and not isinstance(old, ServedModel):
                    model = await self._opener.run(partial(self._describe, wanted, state))
                    _check_name(model.name, taken)
                else:
                    model = await self._open(wanted, state, taken)
            except DragomanError as error:
                this_round.errors.append(error)
                self._note_trouble(wanted, state, error)
            else:
                self._attempts.succeed(wanted)
                self._place(model)
                this_round.chosen[wanted] = model
                return
        if old is not None and old in self._models:
            this_round.chosen[wanted] = old

    async def _open(self, wanted: ModelConfig, state: BundleState, taken: Collection[str]) -> ServedModel:
        """Load a model and try it. taken: names that it must not have."""
        broken = next((one for one in self._loaded() if one.config == wanted and one.worker.is_broken), None)
        if broken is not None:  # it refuses all calls, and the new one needs its memory
            await close_model(broken)
        logger.debug("loading %s", wanted.bundle)
        started = self._clock()
        before = await self._measured()
        card, translator = await self._opener.load(wanted)
        try:
            _check_name(translator.name, taken)
        except DragomanError:
            await run_on_own_thread(translator.close, "dragoman-close")
            raise
        num_attempts = self._attempts.count(wanted, state) + (broken is not None)
        model = ServedModel(wanted, state, self._clock(), card, num_attempts, used_at=self._clock())
        self._opener.start(model, translator, self._break)
        try:
            await self._opener.try_out(model)
        except BaseException:
            self._leases.retire(model)  # without waiting for its end: it may hang as its trial did
            raise
        model.num_bytes = max(0, await self._measured() - before)
        seconds = self._clock() - started
        self._observer.load_ended(model.name, seconds)
        logger.info("%s, revision %s, serves after %.1f s", model.name, translator.revision, seconds)
        return model

    # Models that calls load.

    async def _load_shelved(self, shelved: ShelvedModel) -> ServedModel | None:
        async with self._applying:
            if shelved not in self._models:
                return None
            if not await self._make_room(shelved.expected_bytes, waits=True):
                raise ModelUnavailableError(
                    f'model: there is no memory for "{shelved.name}" beside the models in use: try again later'
                )
            try:
                others = [model.name for model in self._models if model is not shelved]
                model = await self._open(shelved.config, shelved.state, others)
            except DragomanError as error:
                pause = self._demand_attempts.fail(shelved.config, shelved.state, error)
                logger.error("%s cannot be loaded; next attempt in %g s: %s", shelved.config.bundle, pause, error)
                self._observer.reload_ended(shelved.name, "failed")
                shelved.has_failed = True
                self._tell()
                raise unavailable(shelved) from error
            self._demand_attempts.succeed(shelved.config)
            self._place(model)
            await self._make_room(0, keep=model)
            return model

    async def _make_room(self, num_bytes: int, *, keep: ServedModel | None = None, waits: bool = False) -> bool:
        """Unload models until there is room for so many bytes. waits: whether also models with calls are unloaded,
        whose memory is free when their calls have ended. Returns whether there is room."""
        most = self._demand_limits.max_bytes
        if most is None:
            return True
        while (used := await self._measured()) + num_bytes > most:
            victim = choose_victim(self._loaded(), keep)
            if victim is None or (victim.num_leases and not (waits and self._leases.may_retire_more)):
                if not self._is_over:
                    logger.warning("%d bytes of memory are used, and server.max_memory_bytes is %d", used, most)
                self._is_over = True
                return False
            logger.info("%s is unloaded: %d bytes of memory are used", victim.name, used)
            await self._evict(victim)
        self._is_over = False
        return True

    async def _evict(self, victim: ServedModel) -> None:
        """Unload a model and wait until its memory is free, `EVICT_SECONDS` at most."""
        name = victim.name
        self._models[self._models.index(victim)] = victim.shelve()
        self._observer.model_unloaded(name)
        self._observer.model_evicted(name)
        self._leases.retire(victim)
        if not await self._leases.wait_until_closed(victim, EVICT_SECONDS):
            logger.warning("%s is unloaded, but its calls go on", name)

    async def _measured(self) -> int:
        if not self.loads_on_demand:
            return 0
        num_bytes = await self._opener.run(self._measure)
        self._observer.memory_measured(num_bytes)
        return num_bytes

    # Changes.

    def _note_trouble(self, wanted: ModelConfig, state: BundleState, error: DragomanError) -> None:
        pause = self._attempts.fail(wanted, state, error)
        if not self._models:  # at the start: the caller gets the error
            return
        old = self._predecessor(wanted, _Round())
        self._observer.reload_ended(old.name if old is not None else wanted.name or wanted.bundle, "failed")
        goes_on = "; the old version stays" if old is not None else ""
        logger.error("%s cannot be served%s; next attempt in %g s: %s", wanted.bundle, goes_on, pause, error)

    def _predecessor(self, wanted: ModelConfig, this_round: _Round) -> ServedModel | ShelvedModel | None:
        """The model to keep for a model that cannot be loaded."""
        free = [model for model in self._models if model not in this_round.chosen.values()]
        for model in free:
            if model.config == wanted or (wanted.name is not None and model.name == wanted.name):
                return model
        return next((model for model in free if model.config.bundle == wanted.bundle), None)

    def _place(self, model: ServedModel | ShelvedModel) -> None:
        """Put a model in the place of the one of its name, or at the end."""
        for place, old in enumerate(self._models):
            if old.name == model.name:
                self._models[place] = model
                if isinstance(old, ServedModel):
                    self._leases.retire(old)
                    self._observer.reload_ended(model.name, "replaced")
                break
        else:
            self._models.append(model)
        if isinstance(model, ServedModel):
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
                if isinstance(model, ServedModel):
                    self._observer.model_unloaded(model.name)
                    self._leases.retire(model)
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


def _check_name(name: str, taken: Collection[str]) -> None:
    if name in taken:
        raise InvalidInputError(f'two models are called "{name}"; every served model needs a name of its own')
