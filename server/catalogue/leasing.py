"""Leases of loaded models, and the end of models that are replaced or unloaded: after their last call."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from dragoman.model.decoding.engines.trimming import return_memory
from dragoman.server.background import run_on_own_thread
from dragoman.server.catalogue.opening import close_model
from dragoman.server.catalogue.served import ModelLease, ServedModel

TIDY_SECONDS = 5.0
"""After so much time with calls, freed memory is returned to the system, once no call runs."""

BUSY_LOOKS = 12
"""So often is waited for a moment without calls; then it is returned beside them."""

logger = logging.getLogger(__name__)


class Leases:
    """For the event loop alone."""

    def __init__(
        self, max_retired: int, on_retired: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """max_retired: see `Catalogue`. on_retired: gets the number of retired models that have calls."""
        self._max_retired = max_retired
        self._on_retired = on_retired
        self._clock = clock
        self._retired: list[ServedModel] = []  # with calls, the oldest first
        self._closing: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()  # set when a model is closed
        self._is_ending = False
        self._num_leases = 0
        self._tidying: asyncio.TimerHandle | None = None
        self._num_looks = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def may_retire_more(self) -> bool:
        """Whether a model with calls may retire without ending those of another one."""
        return len(self._retired) < self._max_retired

    def lend(self, model: ServedModel) -> ServedModel:
        """Note a lease, which is to be made of the result at once."""
        self._num_leases += 1
        self._idle.clear()
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, self._tidy)
        model.used_at = self._clock()
        return model

    def hold(self, model: ServedModel) -> ModelLease:
        """Lease a model."""
        return ModelLease(self.lend(model), self.release)

    def release(self, model: ServedModel) -> None:
        """Note the end of a lease."""
        self._num_leases -= 1
        model.used_at = self._clock()
        if not self._num_leases:
            self._idle.set()
        if model in self._retired and not model.num_leases:
            self._retired.remove(model)
            self._on_retired(len(self._retired))
            self._close_soon(model)

    async def wait_until_idle(self) -> None:
        """Wait until there is no lease."""
        await self._idle.wait()

    def retire(self, model: ServedModel) -> None:
        """Close a model after its last call."""
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
        self._on_retired(len(self._retired))

    async def wait_until_closed(self, model: ServedModel, seconds: float) -> bool:
        """Wait until a retired model's memory is free. Returns whether it is."""
        try:
            async with asyncio.timeout(seconds):
                while not model.is_closed:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return False
        return True

    async def close_all(self, models: Iterable[ServedModel]) -> None:
        """Close these and all retired models after their current translations."""
        self._is_ending = True
        if self._tidying is not None:
            self._tidying.cancel()
        for model in (*models, *self._retired):
            model.is_retired = True
            self._close_soon(model)
        self._retired.clear()
        while self._closing:
            await asyncio.gather(*self._closing)

    def _tidy(self) -> None:
        """Return freed memory to the system; while calls run, look again later."""
        self._tidying = None
        self._num_looks += 1
        if self._num_leases and self._num_looks < BUSY_LOOKS:
            self._tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, self._tidy)
            return
        self._num_looks = 0
        tidying = asyncio.ensure_future(run_on_own_thread(return_memory, "dragoman-trim"))
        self._closing.add(tidying)
        tidying.add_done_callback(self._closing.discard)

    def _close_soon(self, model: ServedModel) -> None:
        closing = asyncio.ensure_future(self._close(model))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self, model: ServedModel) -> None:
        await close_model(model)
        del model.worker  # and with it the weights
        if not self._is_ending:
            await run_on_own_thread(return_memory, "dragoman-trim")
        model.is_closed = True
        self._freed.set()
