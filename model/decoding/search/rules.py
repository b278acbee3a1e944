"""The rules of the search, each a pure function. w live hypotheses of a slot, V pieces."""

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Floats, Ints
from dragoman.model.decoding.search_options import LengthNormalization


def length_penalty(length: int, alpha: float, normalization: LengthNormalization) -> float:
    """What a hypothesis' log probability is divided by, for `length` target pieces with the end of sentence.

    "gnmt": ((5 + length) / 6) ** alpha of Wu et al. (2016), equation 14; "average": length ** alpha.
    """
    return float(length if normalization == "average" else (5.0 + length) / 6.0) ** alpha


def coverage_penalty(attention: NDArray[np.float32], beta: float) -> float:
    """beta * sum_i log(min(sum_j p_ij, 1)) of Wu et al. (2016), equation 14, which is 0 or less.

    attention: [target pieces, source pieces], p_ij at [j, i]. A source piece that nothing looked at counts as if it
    had got the smallest float32, so that the score stays a number.
    """
    covered = attention.sum(axis=0, dtype=np.float64).clip(np.finfo(np.float32).tiny, 1.0)
    return beta * float(np.log(covered).sum())


def repeated_pieces(pieces: Ints, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pieces that would complete a sequence of `size` pieces which the hypothesis holds already.

    pieces: [w, length] of each hypothesis so far; size at least 1. Returns hypotheses and pieces, two arrays of equal
    length, for use as an index into [w, V].
    """
    length = pieces.shape[1]
    if length < size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    windows = np.lib.stride_tricks.sliding_window_view(pieces, size, axis=1)  # [w, length - size + 1, size]
    beginnings, lasts = windows[:, :, : size - 1], windows[:, :, size - 1]
    current = pieces[:, length - size + 1 :]  # [w, size - 1], what a new piece would be the end of
    hypotheses, places = (beginnings == current[:, None, :]).all(axis=2).nonzero()
    return hypotheses, lasts[hypotheses, places].astype(np.intp)


def let_stuck_end(log_probs: Floats, end_log_probs: Floats, eos_id: int) -> Floats:
    """A hypothesis that has no possible piece left may end, whatever rule forbids it: no search comes to nothing.

    log_probs: [w, V] under the rules; end_log_probs: [w] of the end of sentence without them.
    """
    stuck = ~(log_probs > -np.inf).any(axis=1)
    if not stuck.any():
        return log_probs
    freed = log_probs.copy()
    freed[stuck, eos_id] = end_log_probs[stuck]
    return freed
