"""Preparation of texts for a worker: within limits, off the event loop, with a failure for each faulty text."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.server.catalogue.catalogue import Lease
from dragoman.server.config import LimitsConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.orders import Translated, Wanted
from dragoman.translation.drafts import PreparedText
from dragoman.translation.markup.document import Document
from dragoman.translation.results import Hypothesis, Translation

MAX_PREPARED_INLINE = 1000
"""Number of characters that are tokenized on the event loop: handing so few to another thread would take longer."""

CHUNK_LENGTH = 20_000
"""Approximate number of characters tokenized on another thread between checks for cancellation."""

MAX_ATTENTION_BYTES = 256 * 1024 * 1024
"""Size of a call's attention. It is kept until all its texts are translated, even if only alignments are returned."""

BYTES_PER_PIECE = 3
"""A low estimate of a translation's bytes per piece."""

DOCUMENT_BYTES = 64
"""Memory that a document takes for each character, where most of them are tags."""

Item = TypeVar("Item")
Ready = TypeVar("Ready")


@dataclass(slots=True)  # frozen ones take thrice as long to make
class ReadyText:
    """A text that is ready for a worker. lease: of its model; None for a text in the target language. document: of
    HTML, whose texts are the parts. known: its translation, if it needs no worker; it then has no parts."""

    text: str
    source_language: str
    lease: Lease | None
    parts: Sequence[PreparedText]
    document: Document | None = None
    known: Translated | None = None

    @property
    def num_bytes(self) -> int:
        """Memory that it takes, about."""
        per_character = 1 if self.document is None else DOCUMENT_BYTES
        return per_character * len(self.text) + sum([part.num_bytes for part in self.parts])

    @property
    def num_pieces(self) -> int:
        """Source pieces of all parts, language tags and ends of sentences included."""
        return sum([len(segment.source_ids) for part in self.parts for segment in part.segments])

    @property
    def num_sentences(self) -> int:
        """Number of sentences of all parts."""
        return sum([len(part.segments) for part in self.parts])


def prepare_item(
    item: Item, texts: Sequence[str], prepare: Callable[[Item], Ready], max_length: int
) -> Ready | TextFailure:
    """Prepare an item, which consists of `texts`, or return its failure.

    Raises InvalidRequestError for a fault that every item has.
    """
    for text in texts:
        if len(text) > max_length:
            return too_long(text, max_length)
    try:
        return prepare(item)
    except InvalidRequestError:
        raise
    except InvalidInputError as error:
        return TextFailure(str(error))


def bound_pieces(ready: ReadyText | TextFailure, limits: LimitsConfig) -> ReadyText | TextFailure:
    """The text, or its failure if it has too many pieces, which are what its translation costs: a character that the
    vocabulary lacks takes up to four."""
    most = limits.max_text_pieces
    if isinstance(ready, TextFailure) or len(ready.text) < most // 8 or ready.num_pieces <= most:
        return ready
    return TextFailure(f"has {ready.num_pieces} pieces of its model's vocabulary, but at most {most} are allowed")


def check_number(field: str, number: int, limits: LimitsConfig) -> None:
    """Raise InvalidInputError for more texts than a call may have."""
    if number > limits.max_texts:
        raise InvalidInputError(f"{field}: {number} texts in one call, but at most {limits.max_texts} are allowed")


def too_long(text: str, max_length: int) -> TextFailure:
    """The failure of a text with more than `max_length` characters."""
    return TextFailure(f"has {len(text)} characters, but at most {max_length} are allowed")


def unchanged(text: str) -> Translation:
    """The translation of a text that stays as it is."""
    return Translation(text, (Hypothesis(text, 0.0),))


async def run_all(tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await all at once; if one fails, cancel the others."""
    if len(tasks) == 1:
        await tasks[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def prepare_all(
    items: Sequence[Item],
    prepare: Callable[[Item], Ready | TextFailure],
    work: Callable[[Item], int],
    count_sentences: Callable[[Ready], int],
    max_sentences: int,
    *,
    field: str = "texts",
    is_slow: bool = False,
) -> list[Ready | TextFailure]:
    """Prepare the items of one call; if it is much work, or is_slow, on another thread. work: cost of an item, in
    characters.

    Raises InvalidInputError for too many sentences, and the errors of `prepare`.
    """
    outcomes: list[Ready | TextFailure] = []
    num_sentences = 0
    is_one = len(items) == 1 and not is_slow and work(items[0]) <= MAX_PREPARED_INLINE
    for chunk in [items] if is_one else chunks(items, work, CHUNK_LENGTH):

        def prepare_chunk(chunk: Sequence[Item] = chunk) -> list[Ready | TextFailure]:
            return [prepare(item) for item in chunk]

        is_short = is_one or (not is_slow and sum(map(work, chunk)) <= MAX_PREPARED_INLINE)
        prepared = prepare_chunk() if is_short else await asyncio.to_thread(prepare_chunk)
        outcomes += prepared
        num_sentences += sum(count_sentences(item) for item in prepared if not isinstance(item, TextFailure))
        if num_sentences > max_sentences:  # before all are prepared: they take far more memory than their texts
            raise InvalidInputError(f"{field}: more than {max_sentences} sentences in one call: send fewer")
    return outcomes


def chunks(items: Sequence[Item], work: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """Split items into chunks of at least `most` work, except the last."""
    chunk: list[Item] = []
    amount = 0
    for item in items:
        chunk.append(item)
        amount += work(item)
        if amount >= most:
            yield chunk
            chunk, amount = [], 0
    if chunk:
        yield chunk


def estimate_answer(prepared: PreparedText, wanted: Wanted) -> int:
    """A low estimate of the size of a text's answer in bytes, for a translation as long as its source or its prefix."""
    num_target = _num_target_pieces(prepared)
    num_bytes = BYTES_PER_PIECE * num_target
    if wanted.pieces:
        num_bytes += (BYTES_PER_PIECE + 2) * num_target
    if wanted.token_log_probs:
        num_bytes += 8 * num_target
    return num_bytes * prepared.options.n_best + (_estimate_attention(prepared) if wanted.attention else 0)


def _estimate_attention(prepared: PreparedText) -> int:
    """Size of the attention, with the zeros between different sentences."""
    num_source = sum(len(segment.source_ids) for segment in prepared.segments)
    return 4 * num_source * _num_target_pieces(prepared) * prepared.options.n_best


def _num_target_pieces(prepared: PreparedText) -> int:
    return sum(
        max(min(len(segment.source_ids), segment.max_target_length), len(segment.prefix_ids))
        for segment in prepared.segments
    )


def check_answer_size(prepared: Sequence[PreparedText], wanted: Wanted, limits: LimitsConfig) -> None:
    """Raise InvalidInputError, before any decoding, if the answer would be too large to send, or if the attention for
    alignments would take too much memory."""
    num_bytes = sum(estimate_answer(item, wanted) for item in prepared)
    if num_bytes > limits.max_message_bytes:
        raise InvalidInputError(
            f"return_options: the answer would have about {num_bytes} bytes, but a message may have at most "
            f"{limits.max_message_bytes}: send fewer texts, or request fewer hypotheses or fewer return_options"
        )
    num_bytes = sum(_estimate_attention(item) for item in prepared) if wanted.alignment else 0
    if num_bytes > MAX_ATTENTION_BYTES:
        raise InvalidInputError(
            f"return_options: alignment needs about {num_bytes} bytes of attention, but a call may have at most "
            f"{MAX_ATTENTION_BYTES}: send fewer texts, or request fewer hypotheses"
        )
