"""What every rule of the search is made of.

R rows, N pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Ints
from dragoman.model.decoding.request import Request


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

    def begin(self, slot: int, request: Request) -> bool:
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
