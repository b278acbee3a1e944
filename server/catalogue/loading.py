"""Loading and trying a configured model, and the pauses between attempts."""

import asyncio
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from dragoman.model.bundle import CARD_FILE, find_bundle
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, NotFoundError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.catalogue.model_config import ModelConfig
from dragoman.server.scheduling.engine_loop import prepare_trial
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import TextFailure, Worker
from dragoman.server.watching import BundleState

MAX_CARD_BYTES = 1024 * 1024
"""Maximal size of a model card; every GetModel sends it."""

_NOBODY = CallContext("", "trial")

TRIAL_SECONDS = 300.0
"""Longest time for the first translation, which may have to wait for engine processes to start."""


FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds between attempts; each pause is twice the one before."""


def load_translator(model: ModelConfig) -> ServedTranslator:
    """Load a bundle as configured, under its configured name. Slow; for any thread.

    Raises DragomanError, see `Translator.load`.
    """
    from dragoman.translation.translator import Translator

    # Resolve links: they may change between reading two files, or before a process is restarted.
    folder = find_bundle(model.bundle).resolve()
    translator = Translator.load(
        folder,
        precision=model.precision,
        device=model.device,
        max_slots=model.max_slots,
        max_cached_positions=model.max_cached_positions,
        use_shortlist=model.shortlist,
        language_model=model.language_model,
        num_replicas=model.replicas,
        stall_seconds=model.stall_seconds,
    )
    if model.name is not None:
        translator.info = replace(translator.info, name=model.name)
    return translator


def read_card(bundle: str) -> str:
    """The first `MAX_CARD_BYTES` of a bundle's model card; empty if there is none. bundle: folder or name."""
    try:
        path = find_bundle(bundle) / CARD_FILE
        if not path.is_file():  # opening a FIFO could block for ever
            return ""
        with path.open("rb") as file:
            return file.read(MAX_CARD_BYTES).decode("utf-8", errors="replace")
    except (NotFoundError, OSError):
        return ""


async def try_worker(worker: Worker) -> None:
    """Translate a trial text with a model, in the same way as a call. Raises DragomanError if that fails."""
    prepared = prepare_trial(worker.translator, SearchOptions(max_target_length=8, max_retries=0))
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
    """Remembers the last failure of each model. A changed bundle or configuration starts the count again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._clock = clock
        self._troubles: dict[ModelConfig, Trouble] = {}

    def confine_to(self, models: Collection[ModelConfig]) -> None:
        """Forget models that are no longer configured."""
        self._troubles = {model: trouble for model, trouble in self._troubles.items() if model in models}

    def succeed(self, model: ModelConfig) -> None:
        """Note that a model works."""
        self._troubles.pop(model, None)

    def fail(self, model: ModelConfig, state: BundleState, error: DragomanError) -> float:
        """Note a failed attempt. Returns the seconds until the next one."""
        return self.note(model, state, error, self.count(model, state) + 1)

    def note(self, model: ModelConfig, state: BundleState, error: DragomanError, num_attempts: int) -> float:
        """Note an error after `num_attempts` failures in a row. Returns the seconds until the next attempt, 0 for the
        first."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(num_attempts - 1, 30)) if num_attempts else 0.0
        self._troubles[model] = Trouble(state, error, num_attempts, self._clock() + pause)
        return pause

    def count(self, model: ModelConfig, state: BundleState) -> int:
        """Number of failed attempts with these files since the last success."""
        trouble = self._troubles.get(model)
        return trouble.num_attempts if trouble is not None and trouble.state == state else 0

    def reason_to_wait(self, model: ModelConfig, state: BundleState) -> DragomanError | None:
        """The last error if another attempt is not due yet, otherwise None."""
        trouble = self._troubles.get(model)
        if trouble is None or trouble.state != state or self._clock() >= trouble.retry_at:
            return None
        return trouble.error

    def seconds_until_next(self) -> float | None:
        """Seconds until some model may be tried again; None if no model has failed."""
        if not self._troubles:
            return None
        return max(0.0, min(trouble.retry_at for trouble in self._troubles.values()) - self._clock())
