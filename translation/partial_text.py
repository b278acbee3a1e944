"""What can be shown of a text's translation while it is decoded: the beginning of what `combine` will make of it."""

import re
from collections.abc import Mapping, Sequence

from dragoman.model.decoding.request import Partial, TokenHypothesis
from dragoman.model.vocabulary import PieceModel, Vocabulary
from dragoman.translation.combining import best_sentence_text, combine
from dragoman.translation.prepared_text import PreparedText
from dragoman.translation.sentences import join_sentences

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A piece that is one byte of a character which has no piece of its own."""

_MAX_INCOMPLETE_BYTES = 3
"""Of a character of UTF-8 that has more to come."""


def partial_text(
    prepared: PreparedText,
    finished: Sequence[Sequence[TokenHypothesis] | None],
    partials: Mapping[int, Partial],
    vocabulary: Vocabulary,
) -> tuple[str, str]:
    """The part of a translation that no outcome of the search changes any more, and what follows it as things stand.

    The first never shrinks from one step to the next, and the translation begins with it. Sentences behind the first
    unfinished one are not shown.

    finished: the hypotheses of each segment, None for those that are not finished. partials: the newest of each of
    these, by the segment's place; those that have taken no step have none.
    """
    done: list[Sequence[TokenHypothesis]] = []
    for found in finished:
        if found is None:
            break
        done.append(found)
    if len(done) == len(prepared.segments):
        return combine(prepared, done, vocabulary).text, ""
    texts = [
        best_sentence_text(segment, found, vocabulary) for segment, found in zip(prepared.segments, done, strict=False)
    ]
    stable = unstable = ""
    partial = partials.get(len(done))
    if partial is not None:
        stable = _visible_text(partial.token_ids[: partial.num_stable], vocabulary.target)
        unstable = _visible_text(partial.token_ids, vocabulary.target)[len(stable) :]
    sources = [segment.text for segment in prepared.segments[: len(done) + 1]]
    gaps = (*prepared.gaps[: len(sources)], "")  # the one behind the unfinished sentence is not its turn yet
    return join_sentences([*texts, stable], sources, gaps, prepared.target_language), unstable


def _visible_text(token_ids: Sequence[int], target: PieceModel) -> str:
    """The text of pieces that others follow: nothing of an incomplete character, and nothing while it is blank, since a
    blank hypothesis is not what a sentence is answered with."""
    num_kept = len(token_ids)
    text = target.decode(token_ids)
    pieces = target.pieces(token_ids)
    while text.endswith("\ufffd") and num_kept > len(token_ids) - _MAX_INCOMPLETE_BYTES and num_kept:
        if not _BYTE.fullmatch(pieces[num_kept - 1]):
            break
        num_kept -= 1
        text = target.decode(token_ids[:num_kept])
    return text if text.strip() else ""
