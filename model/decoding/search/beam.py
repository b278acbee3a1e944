"""The arithmetic of beam search for many sentences at once: pure functions on arrays, without a loop over sentences.

n slots (sentences), C extensions of each, R rows (live hypotheses), K candidates of a row.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Extensions, Floats, Ints

_BLOCK = 64
"""Pieces whose maximum is taken at once."""


class BeamStep(NamedTuple):
    """The decision on the extensions.

    finishes:     [n, C] True where an extension is a finished hypothesis.
    lives:        [n, C] True where it survives: the new live hypotheses in their order. None in a slot that is done.
    num_finished: [n] hypotheses that have finished so far.
    is_done:      [n] True where the search is over.
    """

    finishes: NDArray[np.bool_]
    lives: NDArray[np.bool_]
    num_finished: Ints
    is_done: NDArray[np.bool_]


def beam_step(
    extensions: Extensions, beam_sizes: Ints, num_finished: Ints, is_last: NDArray[np.bool_], eos_id: int
) -> BeamStep:
    """Decides on the extensions of n slots.

    beam_sizes: [n]; num_finished: [n] before this step; is_last: [n] True at the last position.

    Of a slot's 2·beam_size best extensions, those among the best beam_size that end the sentence are finished; the
    best beam_size that do not end it survive. The search is over once beam_size hypotheses have finished; at the last
    position the best beam_size extensions all finish, ended or not.
    """
    # The reductions are called as ufuncs: of small arrays the methods take several times as long.
    ranks = np.arange(extensions.log_probs.shape[1])
    sizes = beam_sizes[:, None]
    possible = extensions.log_probs > -np.inf
    possible &= ranks < 2 * sizes
    ends = extensions.token_ids == eos_id
    finishes = ends | is_last[:, None]
    finishes &= possible
    finishes &= ranks < sizes
    lives = possible > ends  # possible and no end
    lives &= lives.cumsum(axis=1) <= sizes

    num_finished = num_finished + np.add.reduce(finishes, axis=1, dtype=np.int32)
    is_done = is_last | (num_finished >= beam_sizes)
    is_done |= ~np.logical_or.reduce(lives, axis=1)
    lives[is_done] = False
    return BeamStep(finishes, lives, num_finished, is_done)


def top_pieces(log_probs: Floats, count: int) -> tuple[Floats, NDArray[np.intp]]:
    """The likeliest pieces of every row: log_probs [R, V] -> their log probabilities and ids, both [R, count], best
    first, and the lower piece first where they are equal."""
    num_rows, vocab_size = log_probs.shape
    count = min(count, vocab_size)
    num_blocks = vocab_size // _BLOCK
    least = np.full(num_rows, -np.inf)
    if num_blocks >= count:
        # At least `count` pieces are as likely as the block maximum of that rank: less likely ones need not be sorted.
        # This is faster than np.argpartition, and loses no equal of the last piece.
        blocks = log_probs[:, : num_blocks * _BLOCK].reshape(num_rows, num_blocks, _BLOCK)
        least = np.partition(blocks.max(axis=2), num_blocks - count, axis=1)[:, num_blocks - count]
    rows, ids = (log_probs >= least[:, None]).nonzero()
    values = log_probs[rows, ids]
    counts = np.bincount(rows, minlength=num_rows)
    if (counts < count).any():  # NaN, from a broken network, counts as impossible
        return top_pieces(np.where(np.isnan(log_probs), -np.inf, log_probs), count)
    order = np.lexsort((ids, -values, rows))
    places = order[(counts.cumsum() - counts)[:, None] + np.arange(count)]
    return values[places], ids[places]


def sort_pieces(log_probs: Floats, ids: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
    """Pieces and their log probabilities, both [R, K], in order: best first, then the lower piece first."""
    order = np.lexsort((ids, -log_probs), axis=1)
    return np.take_along_axis(log_probs, order, axis=1), np.take_along_axis(ids, order, axis=1)


def best_extensions(
    log_probs: Floats,
    token_ids: NDArray[np.intp],
    row_log_probs: Floats,
    offsets: Ints,
    num_extensions: Ints,
    num_candidates: Ints,
) -> Extensions:
    """The best extensions of n slots out of the best of each of their rows.

    log_probs, token_ids: [R, K] each row's candidates in the order of `sort_pieces`, K at least the greatest
    num_candidates or all pieces; row_log_probs: [R] of the rows' hypotheses; offsets [n + 1], num_extensions and
    num_candidates [n] as in `Rows`. Where log probabilities are equal, the lower beam and then the lower piece comes
    first.
    """
    counts = np.diff(offsets)
    num_slots, most, widest = len(counts), log_probs.shape[1], int(counts.max())
    slots = np.repeat(np.arange(num_slots), counts)
    beams = np.arange(len(slots)) - offsets[slots]
    totals = np.full((num_slots, widest, most), -np.inf)
    totals[slots, beams] = log_probs + row_log_probs[:, None].astype(np.float64)
    totals.swapaxes(1, 2)[np.arange(most) >= num_candidates[:, None]] = -np.inf
    pieces = np.zeros((num_slots, widest, most), np.int32)
    pieces[slots, beams] = token_ids

    num_columns = int(num_extensions.max(initial=1))
    flat_totals = totals.reshape(num_slots, -1)
    order = np.argsort(-flat_totals, axis=1, kind="stable")[:, :num_columns]
    best = np.full((num_slots, num_columns), -np.inf)
    parents, best_pieces = np.zeros((2, num_slots, num_columns), np.int32)
    found = order.shape[1]  # fewer than num_columns where there are not as many candidates
    best[:, :found] = np.take_along_axis(flat_totals, order, axis=1)
    best[np.arange(num_columns) >= num_extensions[:, None]] = -np.inf
    parents[:, :found] = order // most
    best_pieces[:, :found] = np.take_along_axis(pieces.reshape(num_slots, -1), order, axis=1)
    return Extensions(best, parents, best_pieces)


def join_extensions(num_slots: int, parts: list[tuple[Ints, Extensions]]) -> Extensions:
    """The extensions of all slots from those of some: each part's Extensions are those of the slots with its
    indices. The pieces that rows want are the first part's."""
    num_columns = max(part.log_probs.shape[1] for _, part in parts)
    log_probs = np.full((num_slots, num_columns), -np.inf)
    parents, token_ids = np.zeros((2, num_slots, num_columns), np.int32)
    for which, part in parts:
        columns = slice(part.log_probs.shape[1])
        log_probs[which, columns], parents[which, columns] = part.log_probs, part.parents
        token_ids[which, columns] = part.token_ids
    return Extensions(log_probs, parents, token_ids, parts[0][1].wanted)
