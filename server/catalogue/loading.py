"""From a configured model to one that has proved to translate; and when one that does not is tried again."""

import asyncio
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from dragoman.model.bundle import CARD_FILE, find_bundle
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, NotFoundError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.engine_loop import prepare_trial
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import TextFailure, Worker
from dragoman.server.watching import BundleState

MAX_CARD_BYTES = 1024 * 1024
"""Of a model card; every GetModel sends it."""

_NOBODY = CallContext("", "trial")

TRIAL_SECONDS = 300.0
"""How long the first translation may take: engine processes may have to be started for it."""


FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds; each pause is twice the one before."""


def load_translator(model: ModelConfig) -> ServedTranslator:
    """Loads a bundle as it is configured, under the name that it is to have; takes a while, on any thread.

    Raises DragomanError, see `Translator.load`.
    """
    from dragoman.translation.translator import Translator

    # Without links: they may point elsewhere between two of its files, and when a process of its is started anew.
    folder = find_bundle(model.bundle).resolve()
    translator = Translator.load(
        folder,
        precision=model.precision,
        device=model.device,
        max_slots=model.max_slots,
        max_cached_positions=model.max_cached_positions,
        use_shortlist=model.shortlist,
        num_replicas=model.replicas,
        stall_seconds=model.stall_seconds,
    )
    if model.name is not None:
        translator.info = translator.info.model_copy(update={"name": model.name})
    return translator


def read_card(bundle: str) -> str:
    """The model card of a bundle, given by its folder or name, as far as it has `MAX_CARD_BYTES`; empty if there is
    none."""
    try:
        path = find_bundle(bundle) / CARD_FILE
        if not path.is_file():  # opening a pipe could wait for ever
            return ""
        with path.open("rb") as file:
            return file.read(MAX_CARD_BYTES).decode("utf-8", errors="replace")
    except (NotFoundError, OSError):
        return ""


async def try_worker(worker: Worker) -> None:
    """Has a model translate something, on the way that calls take. Raises DragomanError if it does not."""
    prepared = prepare_trial(worker.translator, SearchOptions(max_target_length=8))
    if prepared is None:
        raise DragomanError(f"{worker.translator.name}: no direction can be translated")
    translating = worker.translate([prepared], caller=_NOBODY, priority=Priority.INTERACTIVE)
    try:
        (translation,) = await asyncio.wait_for(translating, TRIAL_SECONDS)
    except TimeoutError as error:
        raise DragomanError(f"{worker.translator.name}: has not translated anything in {TRIAL_SECONDS:g} s") from error
    if isinstance(translation, TextFailure):
        raise DragomanError(f"{worker.translator.name}: cannot translate: {translation.reason}")
    if not math.isfinite(translation.score):
        raise DragomanError(f"{worker.translator.name}: its scores are no numbers: its weights are damaged")


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
        """An error after `num_attempts` in a row; returns the seconds until the next attempt, 0 before the first."""
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
