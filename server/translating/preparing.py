"""From texts to what a worker takes: bounded, off the event loop, and each text with a fault of its own."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.server.config import LimitsConfig
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.orders import Wanted
from dragoman.translation.preparing import PreparedText

MAX_PREPARED_INLINE = 1000
"""Most characters that become pieces on the event loop: so few take less time than the way to another thread."""

CHUNK_LENGTH = 20_000
"""Characters, about, that become pieces on another thread before the call may be given up."""

MAX_ATTENTION_BYTES = 256 * 1024 * 1024
"""Of one call: it is kept until all of the call's texts are translated, also where only alignments are returned."""

BYTES_PER_PIECE = 3
"""Of a translation's text, at the least that is usual."""

Item = TypeVar("Item")
Ready = TypeVar("Ready")


def prepare_item(
    item: Item, texts: Sequence[str], prepare: Callable[[Item], Ready], max_length: int
) -> Ready | TextFailure:
    """Prepares an item, which is made of `texts`, or says what is wrong with it alone.

    Raises InvalidRequestError for what would be wrong with every other item.
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


def check_number(field: str, number: int, limits: LimitsConfig) -> None:
    """Raises InvalidInputError for more texts than may be in one call."""
    if number > limits.max_texts:
        raise InvalidInputError(f"{field}: {number} texts in one call, but at most {limits.max_texts} are allowed")


def too_long(text: str, max_length: int) -> TextFailure:
    """What is wrong with a text of more characters than that."""
    return TextFailure(f"has {len(text)} characters, but at most {max_length} are allowed")


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
    """Prepares the items of one call, on another thread where that is much work, or where it is slow in any case.
    `work` is an item's, in characters.

    Raises InvalidInputError for too many sentences, and what `prepare` raises.
    """
    outcomes: list[Ready | TextFailure] = []
    num_sentences = 0
    for chunk in chunks(items, work, CHUNK_LENGTH):

        def prepare_chunk(chunk: Sequence[Item] = chunk) -> list[Ready | TextFailure]:
            return [prepare(item) for item in chunk]

        is_short = not is_slow and sum(map(work, chunk)) <= MAX_PREPARED_INLINE
        prepared = prepare_chunk() if is_short else await asyncio.to_thread(prepare_chunk)
        outcomes += prepared
        num_sentences += sum(count_sentences(item) for item in prepared if not isinstance(item, TextFailure))
        if num_sentences > max_sentences:  # not only when all are prepared: they take far more memory than their texts
            raise InvalidInputError(f"{field}: more than {max_sentences} sentences in one call: send fewer")
    return outcomes


def chunks(items: Sequence[Item], work: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """Parts of about that much work; a single item may be more."""
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
    """About how many bytes the answer for a text will have: no more than it is likely to be, for a translation that is
    as long as its source, or as what it must begin with."""
    num_target = _num_target_pieces(prepared)
    num_bytes = BYTES_PER_PIECE * num_target
    if wanted.pieces:
        num_bytes += (BYTES_PER_PIECE + 2) * num_target
    if wanted.token_log_probs:
        num_bytes += 8 * num_target
    return num_bytes * prepared.options.n_best + (_estimate_attention(prepared) if wanted.attention else 0)


def _estimate_attention(prepared: PreparedText) -> int:
    """Sentences look at each other with zeros, which take room as well."""
    num_source = sum(len(segment.source_ids) for segment in prepared.segments)
    return 4 * num_source * _num_target_pieces(prepared) * prepared.options.n_best


def _num_target_pieces(prepared: PreparedText) -> int:
    return sum(
        max(min(len(segment.source_ids), segment.max_target_length), len(segment.prefix_ids))
        for segment in prepared.segments
    )


def check_answer_size(prepared: Sequence[PreparedText], wanted: Wanted, limits: LimitsConfig) -> None:
    """Raises InvalidInputError, before any work is spent on it, if the answer could not be sent in any case, or if the
    attention that alignments are made of would take too much memory."""
    num_bytes = sum(estimate_answer(item, wanted) for item in prepared)
    if num_bytes > limits.max_message_bytes:
        raise InvalidInputError(
            f"return_options: the answer would have about {num_bytes} bytes, but a message may have at most "
            f"{limits.max_message_bytes}: send fewer texts, or ask for fewer hypotheses, or for less of each"
        )
    num_bytes = sum(_estimate_attention(item) for item in prepared) if wanted.alignment else 0
    if num_bytes > MAX_ATTENTION_BYTES:
        raise InvalidInputError(
            f"return_options: alignment needs about {num_bytes} bytes of attention, but a call may have at most "
            f"{MAX_ATTENTION_BYTES}: send fewer texts, or ask for fewer hypotheses"
        )
