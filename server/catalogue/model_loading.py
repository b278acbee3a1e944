"""From a configured model to one that has proved to translate."""

import asyncio
import math
from contextlib import suppress

from dragoman.model.bundle import CARD_FILE, find_bundle
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, NotFoundError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import TextFailure, Worker
from dragoman.translation.preparing import PreparedText

TRIAL_TEXT = "1"
"""Pieces of every vocabulary make it, if need be byte by byte."""

MAX_CARD_BYTES = 1024 * 1024
"""Of a model card; every GetModel sends it."""

_NOBODY = CallContext("", "trial")

TRIAL_SECONDS = 300.0
"""How long the first translation may take: engine processes may have to be started for it."""


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
    prepared = _prepare_trial(worker.translator)
    translating = worker.translate([prepared], caller=_NOBODY, priority=Priority.INTERACTIVE)
    try:
        (translation,) = await asyncio.wait_for(translating, TRIAL_SECONDS)
    except TimeoutError as error:
        raise DragomanError(f"{worker.translator.name}: has not translated anything in {TRIAL_SECONDS:g} s") from error
    if isinstance(translation, TextFailure):
        raise DragomanError(f"{worker.translator.name}: cannot translate: {translation.reason}")
    if not math.isfinite(translation.score):
        raise DragomanError(f"{worker.translator.name}: its scores are no numbers: its weights are damaged")


def _prepare_trial(translator: ServedTranslator) -> PreparedText:
    """In the first direction that can be translated: a shortlist may lack some."""
    options = SearchOptions(max_target_length=8)
    for direction in translator.directions:
        with suppress(NotFoundError):
            return translator.prepare(TRIAL_TEXT, direction, options)
    raise DragomanError(f"{translator.name}: no direction can be translated")
