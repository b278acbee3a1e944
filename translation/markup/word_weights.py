"""How much each word of a translation comes from each word of its source, read off the decoder's attention.

A word that most of all looks at one of two nearly equal ones would mislead the placement of a phrase; so the
weights are kept, where `translation.markup.alignment` keeps the greatest alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dragoman.model.codec import Frame
from dragoman.translation.markup.alignment import WORD_START, matching_words, word_indices
from dragoman.translation.results import Translation

SENTENCE_END = "</s>"
"""The piece that ends each sentence of the source; the language's tag begins it."""

Weights = NDArray[np.float32]
"""[target words, source words], words being what stands between white space; rows add up to 1, or to 0 if unknown."""


def word_weights(translation: Translation) -> Weights | None:
    """Those of the best hypothesis, by the texts' words, even if the model read others; None where it came without
    attention."""
    best = translation.hypotheses[0]
    if best.attention is None or not best.pieces:
        return None
    columns, source_words = _source_words(translation.source_pieces)
    source, target = translation.source.split(), best.text.split()
    weights = sum_by_word(best.attention, best.pieces, columns, source_words, (len(source), len(target)))
    if weights is not None or not columns:
        return weights
    read, written = _words_of([translation.source_pieces[place] for place in columns]), _words_of(best.pieces)
    weights = sum_by_word(best.attention, best.pieces, columns, source_words, (len(read), len(written)))
    if weights is None:
        return None
    moved = _shares(written, target).T @ weights @ _shares(read, source)
    totals = moved.sum(axis=1, keepdims=True)
    totals[totals == 0] = 1
    by_word: Weights = np.divide(moved, totals, dtype=np.float32)
    return by_word


def _words_of(pieces: Sequence[str]) -> list[str]:
    """The words as the model reads or writes them."""
    return "".join(pieces).replace(WORD_START, " ").split()


def _shares(words: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
    """[words, others] how much of each word became each of the others."""
    shares = np.zeros((len(words), len(others)), np.float32)
    for word, found in enumerate(matching_words(words, others)):
        if found:
            shares[word, found.start : found.stop] = 1 / len(found)
    return shares


def sentence_weights(
    source: str,
    source_pieces: Sequence[str],
    target: str,
    target_pieces: Sequence[str],
    attention: NDArray[np.float32],
    frame: Frame,
) -> Weights | None:
    """Those of one sentence as the model reads it and its translation as the model writes it."""
    inner = frame.inner(len(source_pieces))
    columns = list(range(*inner.indices(len(source_pieces))))
    num_words = len(source.split()), len(target.split())
    return sum_by_word(attention, target_pieces, columns, word_indices(source_pieces[inner]), num_words)


def sum_by_word(
    attention: NDArray[np.float32],
    pieces: Sequence[str],
    columns: Sequence[int],
    source_words: Sequence[int],
    num_words: tuple[int, int],
) -> Weights | None:
    """The weights from those of pieces; None if the pieces have other numbers of words.

    columns: the places of the source's own pieces; source_words: the word of each; num_words: of both texts."""
    target_words = np.array(word_indices(pieces))
    num_source, num_target = num_words
    if not columns or not pieces or source_words[-1] + 1 != num_source or target_words[-1] + 1 != num_target:
        return None
    # A word's punctuation looks anywhere; it counts where there is nothing else.
    has_letters = np.array([any(map(str.isalnum, piece)) for piece in pieces])
    lettered = np.zeros(num_target, bool)
    lettered[target_words[has_letters]] = True
    rows = np.flatnonzero(has_letters | ~lettered[target_words])
    by_word = np.zeros((num_target, num_source), np.float32)
    places = (target_words[rows][:, np.newaxis], np.array(source_words)[np.newaxis])
    np.add.at(by_word, places, attention[rows][:, list(columns)])
    totals = by_word.sum(axis=1, keepdims=True)
    totals[totals == 0] = 1
    weights: Weights = np.divide(by_word, totals, dtype=np.float32)
    return weights


def _source_words(pieces: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """The places of the pieces that are text, and the number of the word that each belongs to."""
    columns: list[int] = []
    words: list[int] = []
    begin = num_words = 0
    for end, piece in enumerate(pieces):
        if piece == SENTENCE_END:
            inside = range(begin + 1, end)
            columns += inside
            words += (num_words + word for word in word_indices([pieces[place] for place in inside]))
            num_words = words[-1] + 1 if words else 0
            begin = end + 1
    return columns, words
