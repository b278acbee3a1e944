"""When a model that could not be loaded, or that broke, is tried again: after pauses that grow."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from dragoman.model.errors import DragomanError
from dragoman.server.catalogue.bundle_watch import BundleState
from dragoman.server.config import ModelConfig

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds; each pause is twice the one before."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a model as configured, of the files in this state, is not loaded now.

    num_attempts: in vain, one after the other. retry_at: on the clock.
    """

    state: BundleState
    error: DragomanError
    num_attempts: int
    retry_at: float


class LoadAttempts:
    """Keeps the last trouble with each model; other files, or another configuration, begin anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._clock = clock
        self._troubles: dict[ModelConfig, Trouble] = {}

    def confine_to(self, models: Collection[ModelConfig]) -> None:
        """Forgets those that are not configured any more."""
        self._troubles = {model: trouble for model, trouble in self._troubles.items() if model in models}

    def succeed(self, model: ModelConfig) -> None:
        """All is well with a model."""
        self._troubles.pop(model, None)

    def fail(self, model: ModelConfig, state: BundleState, error: DragomanError) -> float:
        """An attempt failed; the seconds until the next one."""
        return self.note(model, state, error, self.count(model, state) + 1)

    def note(self, model: ModelConfig, state: BundleState, error: DragomanError, num_attempts: int) -> float:
        """There is trouble after so many attempts; the seconds until the next one, none if it is the first."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(num_attempts - 1, 30)) if num_attempts else 0.0
        self._troubles[model] = Trouble(state, error, num_attempts, self._clock() + pause)
        return pause

    def count(self, model: ModelConfig, state: BundleState) -> int:
        """Attempts that failed with these files since the last success."""
        trouble = self._troubles.get(model)
        return trouble.num_attempts if trouble is not None and trouble.state == state else 0

    def reason_to_wait(self, model: ModelConfig, state: BundleState) -> DragomanError | None:
        """Why it is too early for another attempt; None if it is not."""
        trouble = self._troubles.get(model)
        if trouble is None or trouble.state != state or self._clock() >= trouble.retry_at:
            return None
        return trouble.error

    def seconds_until_next(self) -> float | None:
        """Until some model may be tried again; None if there is no trouble."""
        if not self._troubles:
            return None
        return max(0.0, min(trouble.retry_at for trouble in self._troubles.values()) - self._clock())
