"""The rules of the search: penalties as pure functions, and the pieces that may or must follow a hypothesis.

w live hypotheses of a slot.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Extensions, Ints, PieceLists, Rows
from dragoman.model.decoding.search.beam import BeamStep
from dragoman.model.decoding.search.rule import Hypotheses, Pairs, Rule, SlotRules, grown, join
from dragoman.model.decoding.search.terms import Terms
from dragoman.model.decoding.search_options import LengthNormalization, SearchOptions


def length_penalty(length: int, alpha: float, normalization: LengthNormalization) -> float:
    """The divisor of a hypothesis' log probability, for `length` target pieces with the end of sentence.

    "gnmt": ((5 + length) / 6) ** alpha of Wu et al. (2016), equation 14; "average": length ** alpha.
    """
    return float(length if normalization == "average" else (5.0 + length) / 6.0) ** alpha


def coverage_penalty(attention: NDArray[np.float32], beta: float) -> float:
    """beta * sum_i log(min(sum_j p_ij, 1)) of Wu et al. (2016), equation 14, which is 0 or less.

    attention: [target pieces, source pieces], p_ij at [j, i]. A source piece without any attention counts as if it had
    the smallest float32, so that the score stays finite.
    """
    covered = attention.sum(axis=0, dtype=np.float64).clip(np.finfo(np.float32).tiny, 1.0)
    return beta * float(np.log(covered).sum())


def hypothesis_score(
    options: SearchOptions, log_prob: float, length: int, attention: NDArray[np.float32] | None
) -> float:
    """The length-normalized score with the coverage penalty. length: target pieces with the end of sentence; attention:
    [length, source pieces], not None if there is a coverage penalty."""
    score = log_prob / length_penalty(length, options.length_penalty, options.length_normalization)
    if options.coverage_penalty and attention is not None:
        score += coverage_penalty(attention, options.coverage_penalty)
    return score


def repeated_pieces(pieces: Ints, lengths: Ints, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pieces that would complete a sequence of `size` pieces that the hypothesis has already.

    pieces: [w, longest] of each hypothesis, of which the first `lengths` [w] count; size at least 1. Returns hypotheses
    and pieces, two arrays of equal length.
    """
    num_windows = pieces.shape[1] - size + 1
    if num_windows < 1:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    is_repeated = np.arange(size - 1, pieces.shape[1]) < lengths[:, None]  # [w, windows] by where a window ends
    for place in range(size - 1):  # in the window, and among the last pieces, which a new one would follow
        current = np.take_along_axis(pieces, (lengths - size + 1 + place).clip(min=0)[:, None], axis=1)
        is_repeated &= pieces[:, place : place + num_windows] == current
    hypotheses, windows = is_repeated.nonzero()
    return hypotheses, pieces[hypotheses, windows + size - 1].astype(np.intp)


class LeastLength(Rule):
    """Excludes the end of sentence before the least length."""

    def __init__(self, max_slots: int, eos_id: int) -> None:
        super().__init__(max_slots)
        self._eos_id = eos_id
        self.lengths = np.zeros(max_slots, np.int32)  # by slot

    def begin(self, slot: int, rules: SlotRules) -> bool:
        self.lengths[slot] = rules.least_length
        return True

    def exclude(self, at: Hypotheses) -> Pairs:
        rows = np.flatnonzero(at.positions < self.lengths[at.slots])
        return Pairs(rows, np.full(len(rows), self._eos_id, np.int32))

    def pieces(self, rows: Rows, is_short: NDArray[np.bool_]) -> PieceLists:
        """What `exclude` says, in a shorter way: every sentence begins with it. is_short: [n]."""
        offsets = np.zeros(rows.num_rows + 1, np.int32)
        is_short.repeat(np.diff(rows.offsets)).cumsum(dtype=np.int32, out=offsets[1:])
        return PieceLists(offsets, np.full(offsets[-1], self._eos_id, np.int32))


class SuppressedPieces(Rule):
    """Excludes the suppressed pieces."""

    def __init__(self, max_slots: int) -> None:
        super().__init__(max_slots)
        self._token_ids: list[Ints] = [np.zeros(0, np.int32)] * max_slots

    def begin(self, slot: int, rules: SlotRules) -> bool:
        self._token_ids[slot] = rules.suppressed_ids
        return len(rules.suppressed_ids) > 0

    def exclude(self, at: Hypotheses) -> Pairs:
        rows = np.flatnonzero(self.applies[at.slots])
        lists = [self._token_ids[slot] for slot in at.slots[rows].tolist()]
        return Pairs(rows.repeat([len(one) for one in lists]), np.concatenate([*lists, np.zeros(0, np.int32)]))


class BlockedNgrams(Rule):
    """Excludes pieces that would repeat an n-gram of the hypothesis."""

    def __init__(self, max_slots: int) -> None:
        super().__init__(max_slots)
        self._sizes = np.zeros(max_slots, np.int32)  # by slot
        self._token_ids: Ints = np.zeros((max_slots, 0, 0), np.int32)  # by slot, beam and position

    def begin(self, slot: int, rules: SlotRules) -> bool:
        self._sizes[slot] = rules.ngram_size
        if self._sizes[slot]:
            self._token_ids = grown(self._token_ids, rules.beam_size, rules.max_length)
        return bool(self._sizes[slot])

    def exclude(self, at: Hypotheses) -> Pairs:
        sizes = self._sizes[at.slots]
        found = [super().exclude(at)]
        for size in np.unique(sizes[sizes > 0]).tolist():
            rows = np.flatnonzero((sizes == size) & (at.positions >= size))
            lengths = at.positions[rows]
            histories = self._token_ids[at.slots[rows], at.beams[rows], : lengths.max(initial=0)]
            hypotheses, token_ids = repeated_pieces(histories, lengths, size)
            found.append(Pairs(rows[hypotheses], token_ids))
        return join(found)

    def follow(self, at: Hypotheses, parents: Ints, token_ids: Ints) -> None:
        chosen = np.flatnonzero(self._sizes[at.slots])
        slots, beams, positions = at.slots[chosen], at.beams[chosen], at.positions[chosen]
        longest = int(positions.max(initial=0))
        self._token_ids[slots, beams, :longest] = self._token_ids[slots, parents[chosen], :longest]
        self._token_ids[slots, beams, positions] = token_ids[chosen]


class ForcedPrefix(Rule):
    """Every hypothesis begins with given pieces."""

    def __init__(self, max_slots: int) -> None:
        super().__init__(max_slots)
        self.lengths = np.zeros(max_slots, np.int32)  # by slot
        self._token_ids: Ints = np.zeros((max_slots, 1, 0), np.int32)  # by slot and position

    def begin(self, slot: int, rules: SlotRules) -> bool:
        length = len(rules.prefix_ids)
        self._token_ids = grown(self._token_ids, 1, length)
        self.lengths[slot], self._token_ids[slot, 0, :length] = length, rules.prefix_ids
        return bool(length)

    def want(self, at: Hypotheses) -> Pairs:
        rows = np.flatnonzero(at.positions < self.lengths[at.slots])
        return Pairs(rows, self.next_pieces(at.slots[rows], at.positions[rows]))

    def next_pieces(self, slots: Ints, positions: Ints) -> Ints:
        """The next piece of each slot's prefix; the prefixes must be longer than the positions."""
        pieces: Ints = self._token_ids[slots, 0, positions]
        return pieces


class Rules:
    """All rules of the search. A forced prefix overrides all other rules and the decoder's forbidden pieces. Its pieces
    count towards lengths, and their log probabilities towards the score; an impossible piece adds nothing.
    """

    def __init__(self, max_slots: int, vocabulary: VocabularyShape) -> None:
        self._target_size = vocabulary.target_size
        self._least, self._prefix = LeastLength(max_slots, vocabulary.eos_id), ForcedPrefix(max_slots)
        self._terms = Terms(max_slots, vocabulary.eos_id)
        others = (self._prefix, self._terms, SuppressedPieces(max_slots), BlockedNgrams(max_slots))
        self._others: tuple[Rule, ...] = others
        self._has_others = False  # whether any of these applies anywhere

    def begin(self, slot: int, rules: SlotRules) -> None:
        self._least.begin(slot, rules)
        for rule in self._others:
            if rule.begin(slot, rules):
                rule.applies[slot] = self._has_others = True
                rule.num_slots += 1

    def remove(self, slots: Sequence[int]) -> None:
        if not self._has_others:
            return
        for rule in self._others:
            rule.num_slots -= int(np.count_nonzero(rule.applies[slots]))
            rule.applies[slots] = False
        self._has_others = any(rule.num_slots for rule in self._others)

    def apply(self, rows: Rows) -> Rows:
        """The rows with the pieces that the rules exclude and want. A slot within its prefix asks for no extension."""
        is_short = rows.positions < self._least.lengths[rows.slots]
        if not self._has_others:
            if not np.count_nonzero(is_short):
                return rows
            return dataclasses.replace(rows, excluded=self._least.pieces(rows, is_short))
        rules = [self._least, *(rule for rule in self._others if rule.num_slots)]
        counts = np.diff(rows.offsets)
        owners = np.arange(len(counts)).repeat(counts)
        beams = np.arange(rows.num_rows) - rows.offsets[owners]
        at = Hypotheses(rows.slots[owners], beams.astype(np.int32), rows.positions[owners])
        excluded, wanted = join([rule.exclude(at) for rule in rules]), join([rule.want(at) for rule in rules])
        ruled = dataclasses.replace(
            rows,
            excluded=PieceLists.from_pairs(*excluded, rows.num_rows) if len(excluded.rows) else None,
            wanted=PieceLists.from_pairs(*wanted, rows.num_rows) if len(wanted.rows) else None,
        )
        num_extensions = np.where(self.is_forced(rows), 0, rows.num_extensions).astype(np.int32)
        ruled = dataclasses.replace(ruled, num_extensions=num_extensions)
        return self._terms.widen(ruled, self._target_size) if self._terms.num_slots else ruled

    def is_forced(self, rows: Rows) -> NDArray[np.bool_]:
        """[n] True where the slot is within its prefix, with a single hypothesis."""
        forced: NDArray[np.bool_] = self._prefix.applies[rows.slots] & (
            rows.positions < self._prefix.lengths[rows.slots]
        )
        return forced

    def choose(self, rows: Rows, extensions: Extensions) -> None:
        """Makes the next piece of the prefix the only extension of every slot within its prefix, and gives the places
        of the beam to hypotheses with terms."""
        if self._terms.num_slots:
            self._terms.constrain(rows, extensions, ~self.is_forced(rows))
        if self._prefix.num_slots and rows.wanted is not None:
            self._force(rows, rows.wanted, extensions)

    def _force(self, rows: Rows, wanted: PieceLists, extensions: Extensions) -> None:
        forced = np.flatnonzero(self.is_forced(rows))
        own = rows.offsets[forced]  # a single row each
        places = wanted.find(own, self._prefix.next_pieces(rows.slots[forced], rows.positions[forced]))
        totals = extensions.wanted[places]
        extensions.log_probs[forced, 0] = np.where(np.isneginf(totals), rows.log_probs[own], totals)
        extensions.parents[forced, 0], extensions.token_ids[forced, 0] = 0, wanted.token_ids[places]

    def follow(self, rows: Rows, extensions: Extensions, step: BeamStep) -> None:
        """Follows the search's step on the extensions of the rows."""
        if not self._has_others:
            return
        owners, columns = step.lives.nonzero()
        beams = np.arange(len(owners)) - np.searchsorted(owners, owners)
        at = Hypotheses(rows.slots[owners], beams.astype(np.int32), rows.positions[owners])
        for rule in (rule for rule in self._others if rule.num_slots):
            rule.follow(at, extensions.parents[owners, columns], extensions.token_ids[owners, columns])
