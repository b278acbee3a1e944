"""Word alignment of a translation with its source, read off the decoder's attention."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from dragoman.model.codec import Frame

WORD_START = "▁"
"""SentencePiece's mark for the space before a word."""

Alignment = tuple[tuple[int, int], ...]
"""Pairs (source word, target word), ascending, without repeats. Words are separated by spaces and counted from 0."""


def word_alignment(
    source_pieces: Sequence[str], target_pieces: Sequence[str], attention: NDArray[np.float32], frame: Frame
) -> Alignment:
    """Aligns every target piece to the source piece that it attends to most, and so their words (as Garg et al. 2019,
    but without their training for it).

    source_pieces: with the frame's, such as language tag and end of sentence; no word is aligned to these.
    target_pieces: without the end of sentence.
    attention:     [at least len(target_pieces), len(source_pieces)], see `Decoder.attention`.
    """
    if len(source_pieces) <= frame.num_source or not target_pieces:
        return ()
    inner = frame.inner(len(source_pieces))
    looked_at = attention[: len(target_pieces), inner].argmax(axis=1)
    source_words, target_words = word_indices(source_pieces[inner]), word_indices(target_pieces)
    return tuple(sorted({(source_words[place], word) for place, word in zip(looked_at, target_words, strict=True)}))


def word_indices(pieces: Sequence[str]) -> list[int]:
    """The index of each piece's word."""
    indices, current = [], 0
    for place, piece in enumerate(pieces):
        current += place > 0 and piece.startswith(WORD_START)
        indices.append(current)
    return indices


Span = tuple[int, int]
"""A part of a text: its first character, and the character after its last."""


def word_spans(text: str) -> list[Span]:
    """The spans of a text's words, which white space separates."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def words_of(pieces: Sequence[str]) -> list[str]:
    """The words that pieces write, as `word_indices` counts them."""
    words: list[str] = []
    for index, piece in zip(word_indices(pieces), pieces, strict=True):
        if index == len(words):
            words.append("")
        words[index] += piece.replace(WORD_START, "")
    return words


def sentence_alignment(
    source: str,
    target: str,
    source_pieces: Sequence[str],
    target_pieces: Sequence[str],
    attention: NDArray[np.float32],
    frame: Frame,
) -> Alignment:
    """The alignment of a sentence's words as its user writes them and of those of its translation, though the model
    may have read and written others; see `word_alignment`."""
    alignment = word_alignment(source_pieces, target_pieces, attention, frame)
    if not alignment:
        return ()
    read, written = words_of(source_pieces[frame.inner(len(source_pieces))]), words_of(target_pieces)
    own, translated = source.split(), target.split()
    if (read, written) == (own, translated):
        return alignment
    return translate_alignment(alignment, matching_words(read, own), matching_words(written, translated))


def aligned_spans(source: str, target: str, alignment: Alignment) -> list[tuple[Span, Span]]:
    """The spans of the aligned words of a text and its translation, source first."""
    if not alignment:
        return []
    of_source, of_target = word_spans(source), word_spans(target)
    return [(of_source[word], of_target[other]) for word, other in alignment]


def matching_words(words: Sequence[str], others: Sequence[str]) -> list[range]:
    """For each word which of the others it became, in a text of which some were replaced, added or left out."""
    plain, plain_others = [[word.casefold() for word in some] for some in (words, others)]
    found = [range(0)] * len(words)
    for _, begin, end, other_begin, other_end in SequenceMatcher(None, plain, plain_others, False).get_opcodes():
        count, num_others = end - begin, other_end - other_begin
        for word in range(begin, end):
            first = other_begin + (word - begin) * num_others // count
            last = other_begin + (word - begin + 1) * num_others // count
            found[word] = range(first, max(last, min(first + 1, other_end)))
    return found


def translate_alignment(alignment: Alignment, sources: Sequence[range], targets: Sequence[range]) -> Alignment:
    """The alignment of other words, given which of them each word became."""
    pairs = {
        (source, target)
        for word, other in alignment
        if word < len(sources) and other < len(targets)
        for source in sources[word]
        for target in targets[other]
    }
    return tuple(sorted(pairs))


def first_words(text: str, places: Sequence[int]) -> list[int]:
    """The number of the word at each of these places of a text."""
    begins = [begin for begin, _ in word_spans(text)]
    return [max(0, bisect_right(begins, place) - 1) for place in places]


def format_alignment(alignment: Alignment) -> str:
    """The alignment in the Pharaoh format: "0-0 1-2"."""
    return " ".join(f"{source}-{target}" for source, target in alignment)
