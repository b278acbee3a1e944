"""How much each word of a translation comes from each word of its source, read off the decoder's attention.

A word that most of all looks at one of two nearly equal ones would mislead the placement of a phrase; so the
weights are kept, where `translation.alignment` keeps the greatest alone.
"""

import numpy as np
from numpy.typing import NDArray

from dragoman.translation.alignment import word_indices
from dragoman.translation.results import Translation

SENTENCE_END = "</s>"
"""The piece that ends each sentence of the source; the language's tag begins it."""

Weights = NDArray[np.float32]
"""[target words, source words], words being what stands between white space; rows add up to 1, or to 0 if unknown."""


def word_weights(translation: Translation) -> Weights | None:
    """Those of the best hypothesis; None where it came without attention, or its pieces are not the texts' words."""
    best = translation.hypotheses[0]
    if best.attention is None or not best.pieces:
        return None
    columns, source_words = _source_words(translation.source_pieces)
    target_words = np.array(word_indices(best.pieces))
    num_source, num_target = len(translation.source.split()), len(best.text.split())
    if not columns or source_words[-1] + 1 != num_source or target_words[-1] + 1 != num_target:
        return None
    # A word's punctuation looks anywhere; it counts where there is nothing else.
    has_letters = np.array([any(map(str.isalnum, piece)) for piece in best.pieces])
    lettered = np.zeros(num_target, bool)
    lettered[target_words[has_letters]] = True
    rows = np.flatnonzero(has_letters | ~lettered[target_words])
    by_word = np.zeros((num_target, num_source), np.float32)
    attention = best.attention[rows][:, columns]
    np.add.at(by_word, (target_words[rows][:, np.newaxis], np.array(source_words)[np.newaxis]), attention)
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
