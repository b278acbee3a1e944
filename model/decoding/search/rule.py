"""What every rule of the search is made of.

R rows, N pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Ints
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search.automaton import Automaton, fitting

_NOTHING: Ints = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class SlotRules:
    """The rules of one sentence's search, as data.

    beam_size:      most live hypotheses.
    least_length:   pieces before which no hypothesis ends.
    max_length:     most pieces, the end of sentence included.
    prefix_ids:     with which every hypothesis begins.
    suppressed_ids: ascending, the pieces that never follow.
    ngram_size:     of sequences that may not occur twice; 0 where all may.
    automaton:      of the terms that have room; None where there are none.
    joined_ids:     ascending, of the possible pieces those that continue a word, if there are terms.
    """

    beam_size: int
    least_length: int
    max_length: int
    prefix_ids: Ints
    suppressed_ids: Ints
    ngram_size: int
    automaton: Automaton | None
    joined_ids: Ints

    @classmethod
    def of_request(cls, request: Request, joined_ids: Ints) -> Self:
        """joined_ids: ascending, all pieces that continue a word."""
        options = request.options
        terms = fitting(request.terms, request.max_target_length - len(request.prefix_ids))
        possible = request.possible_ids if terms else None
        if possible is not None:
            joined_ids = np.intersect1d(possible, joined_ids, assume_unique=True)
        return cls(
            beam_size=options.max_hypotheses,
            least_length=options.min_target_length,
            max_length=request.max_target_length,
            prefix_ids=_array(request.prefix_ids),
            suppressed_ids=_array(sorted({*request.suppressed_ids})),
            ngram_size=options.no_repeat_ngram_size,
            automaton=Automaton.of_terms(terms) if terms else None,
            joined_ids=joined_ids if terms else _NOTHING,
        )

    @property
    def has_any(self) -> bool:
        """Whether there is any besides the lengths."""
        has_pieces = len(self.prefix_ids) or len(self.suppressed_ids) or self.ngram_size
        return bool(has_pieces) or self.automaton is not None


def _array(token_ids: Sequence[int]) -> Ints:
    return np.array(token_ids, np.int32) if token_ids else _NOTHING


class Hypotheses(NamedTuple):
    """The live hypotheses of all slots; [R] each. positions: pieces of each so far."""

    slots: Ints
    beams: Ints
    positions: Ints


class Pairs(NamedTuple):
    """Some pieces of some rows, in any order; [N] each. rows: numbers in `Rows`."""

    rows: NDArray[np.intp]
    token_ids: NDArray[np.integer]


class Rule:
    """A rule for the slots that ask for it, on arrays over all of them. Its state follows each hypothesis.

    The methods that a rule does not override exclude and want nothing.
    """

    def __init__(self, max_slots: int) -> None:
        self.applies = np.zeros(max_slots, np.bool_)  # by slot
        self.num_slots = 0

    def begin(self, slot: int, rules: SlotRules) -> bool:
        """Takes up a slot with the empty hypothesis; whether the rule applies there."""
        raise NotImplementedError

    def exclude(self, at: Hypotheses) -> Pairs:
        """The pieces that may not follow."""
        return Pairs(np.zeros(0, np.intp), np.zeros(0, np.int32))

    def want(self, at: Hypotheses) -> Pairs:
        """The pieces whose log probabilities the rule needs."""
        return Pairs(np.zeros(0, np.intp), np.zeros(0, np.int32))

    def follow(self, at: Hypotheses, parents: Ints, token_ids: Ints) -> None:
        """Follows a step. at: the new live hypotheses, by their new beams and their positions before the step; parents:
        the beam that each extends; token_ids: its new piece. Rows [R] in order of slots."""


def join(pairs: Sequence[Pairs]) -> Pairs:
    """One behind another."""
    return Pairs(np.concatenate([one.rows for one in pairs]), np.concatenate([one.token_ids for one in pairs]))


def grown(array: NDArray[np.int32], width: int, length: int) -> NDArray[np.int32]:
    """An array by slot, beam and position, grown to at least `width` beams and `length` positions."""
    missing = max(width - array.shape[1], 0), max(length - array.shape[2], 0)
    return np.pad(array, ((0, 0), (0, missing[0]), (0, missing[1]))) if any(missing) else array
