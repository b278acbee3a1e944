"""Loading models when calls need them, and which model makes room for another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from dragoman.model.errors import DragomanError
from dragoman.server.catalogue.served import ModelLease, ServedModel, ShelvedModel
from dragoman.server.config import DEFAULT_LOAD_WAIT, DEFAULT_MAX_LOAD_WAITING

RETRY_SECONDS = 1.0
"""When a caller that did not wait for its model may ask again."""


class ModelLoadingError(DragomanError):
    """The model is not loaded, and the call does not wait for it any longer. gRPC: UNAVAILABLE."""

    retry_after = RETRY_SECONDS


class ModelUnavailableError(DragomanError):
    """The model could not be loaded, or there is no memory for it; a retry may succeed. gRPC: UNAVAILABLE."""


@dataclass(slots=True)
class DemandLimits:
    """max_bytes: of the process, see `ServingConfig.max_memory_bytes`; None: all models are loaded at the start.
    wait_seconds, max_waiting: see load_wait_seconds and max_load_waiting there."""

    max_bytes: int | None = None
    wait_seconds: float = DEFAULT_LOAD_WAIT
    max_waiting: int = DEFAULT_MAX_LOAD_WAITING


@dataclass(slots=True)
class _Loading:
    """A model that is being loaded, and the calls that wait for it."""

    task: asyncio.Task[None]
    waiters: list[asyncio.Future[ModelLease | None]] = field(default_factory=list)


class Demand:
    """The calls that wait for models. For the event loop alone."""

    def __init__(
        self,
        limits: DemandLimits,
        load: Callable[[ShelvedModel], Awaitable[ServedModel | None]],
        hold: Callable[[ServedModel], ModelLease],
    ) -> None:
        """load: raises DragomanError; None if the shelved model was replaced meanwhile. hold: leases a model."""
        self._limits = limits
        self._load = load
        self._hold = hold
        self._loadings: dict[ShelvedModel, _Loading] = {}
        self._num_waiting = 0

    def start(self, shelved: ShelvedModel) -> None:
        """Begin to load a model, unless that has begun."""
        if shelved not in self._loadings:
            self._loadings[shelved] = _Loading(asyncio.ensure_future(self._run(shelved)))

    async def lease(self, shelved: ShelvedModel) -> ModelLease | None:
        """Wait for a model; None if it was replaced meanwhile, so that the caller has to look again. Cancelling it
        gives up the wait, not the load.

        Raises ModelLoadingError if the wait is too long or too many calls wait, and the error of the load.
        """
        if self._num_waiting >= self._limits.max_waiting:
            raise ModelLoadingError(
                f'model: "{shelved.name}" is not loaded, and {self._num_waiting} calls wait for models: try again later'
            )
        self.start(shelved)
        if not self._limits.wait_seconds:
            raise ModelLoadingError(f'model: "{shelved.name}" is being loaded: try again later')
        waiter: asyncio.Future[ModelLease | None] = asyncio.get_running_loop().create_future()
        self._loadings[shelved].waiters.append(waiter)
        self._num_waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                return await waiter
        except TimeoutError:
            _drop(waiter)
            raise ModelLoadingError(
                f'model: "{shelved.name}" was not loaded within {self._limits.wait_seconds:g} s: try again later'
            ) from None
        except asyncio.CancelledError:
            _drop(waiter)
            raise
        finally:
            self._num_waiting -= 1

    async def stop(self) -> None:
        """Give up all loads; their callers get an error."""
        tasks = [loading.task for loading in self._loadings.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, shelved: ShelvedModel) -> None:
        shelved.is_loading = True
        error: Exception | None = ModelUnavailableError("the server is shutting down")
        model: ServedModel | None = None
        try:
            model = await self._load(shelved)
            error = None
        except DragomanError as raised:
            error = raised
        finally:
            shelved.is_loading = False
            # Each waiting call holds the model from now on: it cannot be unloaded before the call takes its turn.
            for waiter in self._loadings.pop(shelved).waiters:
                if not waiter.done():
                    if error is not None:
                        waiter.set_exception(error)
                    else:
                        waiter.set_result(None if model is None else self._hold(model))


def _drop(waiter: "asyncio.Future[ModelLease | None]") -> None:
    """Release what a call was given in the moment in which it gave up."""
    if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
        lease = waiter.result()
        if lease is not None:
            lease.release()


def choose_victim(models: Iterable[ServedModel], keep: ServedModel | None = None) -> ServedModel | None:
    """The model to unload: the least recently used one without calls, or else the least recently used one. Never a
    pinned one, nor `keep`."""
    candidates = [model for model in models if not model.config.pinned and model is not keep]
    return min(candidates, key=lambda model: (model.num_leases > 0, model.used_at), default=None)


def unavailable(shelved: ShelvedModel) -> ModelUnavailableError:
    """The error for callers of a model that could not be loaded: the reason may name the server's files."""
    return ModelUnavailableError(f'model: "{shelved.name}" cannot be loaded at the moment; the log has the reason')
