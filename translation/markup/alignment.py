"""Word alignment of a translation with its source, read off the decoder's attention."""

import re
from collections.abc import Sequence

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


def aligned_spans(
    source: str, target: str, target_pieces: Sequence[str], alignment: Alignment
) -> list[tuple[Span, Span]]:
    """The spans of the aligned words, source first; empty if the words of the translation are not those of its
    pieces."""
    if not alignment:
        return []
    of_source, of_target = word_spans(source), word_spans(target)
    if len(of_target) != word_indices(target_pieces)[-1] + 1:
        return []
    return [(of_source[word], of_target[other]) for word, other in alignment if word < len(of_source)]


def format_alignment(alignment: Alignment) -> str:
    """The alignment in the Pharaoh format: "0-0 1-2"."""
    return " ".join(f"{source}-{target}" for source, target in alignment)
