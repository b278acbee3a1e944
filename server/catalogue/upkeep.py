"""Keeps the served models up to date with the configuration and the bundles on disk."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from dragoman.model.errors import DragomanError
from dragoman.server.background import BackgroundThread
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.catalogue.loading import FIRST_PAUSE
from dragoman.server.config import LoadingConfig, ServerConfig
from dragoman.server.watching import BundleState, FileState, bundle_state, file_state

LOOK_SECONDS = 30.0
"""Longest time that a disk may take to say whether a file has changed."""

_AT_ONCE = frozenset({"reload_seconds", "drain_seconds", *LoadingConfig.model_fields})
"""Keys of [server] that need no restart."""

logger = logging.getLogger(__name__)


class Upkeep:
    """Checks the configuration's file and the bundles for changes at intervals, and updates the catalogue.

    A change is applied when two checks in a row find the same state, so that a bundle is not loaded while it is being
    copied. If a file cannot be read or loaded, the log says why and the old version stays.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        config: ServerConfig,
        *,
        path: Path | None = None,
        reread: Callable[[], ServerConfig] | None = None,
        state_of: Callable[[str], BundleState] = bundle_state,
    ) -> None:
        """path: the configuration's file, if any. reread: reads the configuration again; called on another thread.
        state_of: see `bundle_state`."""
        self.config = config
        self._at_start = config
        self._catalogue = catalogue
        self._path = path
        self._reread = reread
        self._state_of = state_of
        self._file: FileState | None = None  # when it was last read
        self._file_before: FileState | None = None  # at the last check
        self._states: dict[str, BundleState] = {}  # as applied by the catalogue
        self._states_before: dict[str, BundleState] = {}  # at the last check
        self._disk = BackgroundThread("dragoman-look")
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Load all models for the first time. Raises DragomanError if one of them cannot be served."""
        if self._path is not None:
            self._file = self._file_before = await self._disk.run(partial(file_state, self._path))
        self._states = self._states_before = await self._look_at_bundles()
        errors = await self._catalogue.apply(self.config.served_models, self._states)
        if errors:
            raise errors[0]

    def start(self) -> None:
        """Begin to check every `reload_seconds`, and when the catalogue has a model to try again."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Stop checking; give up a model that is being loaded."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._disk.end()

    def wake(self) -> None:
        """Note that the catalogue may have a model to try again."""
        self._wake.set()

    def ask(self) -> None:
        """Check, and load changes, at once: the operator says that the files are complete."""
        self._asked = True
        self._wake.set()

    async def look(self, *, at_once: bool = False) -> None:
        """Check once. at_once: apply a change even if the previous check has not seen it."""
        async with self._looking:
            await self._look_at_config(at_once=at_once)
            found = await self._look_at_bundles()
            for bundle, state in found.items():
                if at_once or bundle not in self._states or state == self._states_before.get(bundle):
                    self._states[bundle] = state
            self._states = {bundle: self._states[bundle] for bundle in found}
            self._states_before = found
            await self._catalogue.apply(self.config.served_models, self._states, at_once=at_once)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_wait())
            self._wake.clear()
            asked, self._asked = self._asked, False
            try:
                await self.look(at_once=asked)
            except Exception:  # the server goes on with the models that it has
                logger.exception("checking the models for changes failed")
                await asyncio.sleep(FIRST_PAUSE)

    def _seconds_to_wait(self) -> float | None:
        waits = [self.config.server.reload_seconds or None, self._catalogue.seconds_until_retry()]
        return min((seconds for seconds in waits if seconds is not None), default=None)

    async def _look_at_config(self, *, at_once: bool) -> None:
        if self._path is None or self._reread is None:
            return
        try:
            file = await self._disk.run(partial(file_state, self._path), LOOK_SECONDS)
        except TimeoutError:
            logger.error("%s: its disk has not answered in %g s; the old version stays", self._path, LOOK_SECONDS)
            return
        settled = at_once or file == self._file_before
        self._file_before = file
        if not settled or (file == self._file and not at_once):
            return
        self._file = file
        try:
            config = await self._disk.run(self._reread, LOOK_SECONDS)
        except (DragomanError, TimeoutError) as error:
            reason = str(error) or f"{self._path} was not read in {LOOK_SECONDS:g} s"
            logger.error("the old configuration stays: %s", reason)
            return
        if config != self.config:
            self._take(config)

    def _take(self, config: ServerConfig) -> None:
        changed = _keys_that_need_a_restart(self.config, config)
        waiting = _keys_that_need_a_restart(self._at_start, config)
        if keys := [key for key in changed if key in waiting]:
            logger.warning("these changes take effect after a restart: %s", ", ".join(keys))
        if keys := [key for key in changed if key not in waiting]:
            logger.info("changed back, no restart is needed: %s", ", ".join(keys))
        logger.info("the configuration has changed")
        self.config = config

    async def _look_at_bundles(self) -> dict[str, BundleState]:
        found: dict[str, BundleState] = {}
        for bundle in dict.fromkeys(model.bundle for model in self.config.served_models):
            try:
                found[bundle] = await self._disk.run(partial(self._state_of, bundle), LOOK_SECONDS)
            except TimeoutError:
                logger.error("%s: its disk has not answered in %g s; the old version stays", bundle, LOOK_SECONDS)
                found[bundle] = self._states_before.get(bundle, BundleState("", ()))
        return found


def _keys_that_need_a_restart(before: ServerConfig, after: ServerConfig) -> list[str]:
    """The dotted keys that differ and take effect only at the server's start."""

    keys = []
    for table in ServerConfig.model_fields:
        if table == "models":
            continue
        old, new = getattr(before, table), getattr(after, table)
        for key in type(old).model_fields:
            if getattr(old, key) != getattr(new, key) and not (table == "server" and key in _AT_ONCE):
                keys.append(f"{table}.{key}")
    return keys
