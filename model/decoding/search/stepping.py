"""The contract between the search and a decoder that takes its whole step."""

from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Decoder, Ints
from dragoman.model.decoding.search.rule import SlotRules


@dataclass(frozen=True, slots=True)
class SearchArrays:
    """The search of all slots, by slot, beam and position: S slots, B beams at most, and L positions.

    beam_sizes:     [S] most live hypotheses.
    num_extensions: [S] extensions requested at every step.
    least_lengths:  [S] pieces before which no hypothesis ends.
    max_lengths:    [S] most pieces, the end of sentence included; at most L.
    positions:      [S] pieces of each slot's hypotheses so far.
    num_live, num_finished: [S] hypotheses.
    token_ids:      [S, B, L] the piece fed there.
    log_probs:      [S, B, L] float64, the hypothesis' log probability there.
    ancestry:       [S, B, L] uint8, see `Rows`.

    The finished hypotheses of a slot, in the order in which they finished:

    last_ids:        [S, 2 B] the last piece: the end of sentence, or another where it was cut off.
    final_log_probs: [S, 2 B] float64, of the whole hypothesis.
    lengths:         [S, 2 B] pieces, the last one included.
    beams:           [S, 2 B, L] uint8, its beam at every position.
    """

    beam_sizes: Ints
    num_extensions: Ints
    least_lengths: Ints
    max_lengths: Ints
    positions: Ints
    num_live: Ints
    num_finished: Ints
    token_ids: Ints
    log_probs: NDArray[np.float64]
    ancestry: NDArray[np.uint8]
    last_ids: Ints
    final_log_probs: NDArray[np.float64]
    lengths: Ints
    beams: NDArray[np.uint8]

    @classmethod
    def empty(cls, num_slots: int, num_beams: int, num_positions: int) -> "SearchArrays":
        """All zeros."""
        by_place, by_ending = (num_slots, num_beams, num_positions), (num_slots, 2 * num_beams)
        beam_sizes, num_extensions, least_lengths, max_lengths = np.zeros((4, num_slots), np.int32)
        positions, num_live, num_finished = np.zeros((3, num_slots), np.int32)
        return cls(
            beam_sizes,
            num_extensions,
            least_lengths,
            max_lengths,
            positions,
            num_live,
            num_finished,
            np.zeros(by_place, np.int32),
            np.zeros(by_place, np.float64),
            np.zeros(by_place, np.uint8),
            np.zeros(by_ending, np.int32),
            np.zeros(by_ending, np.float64),
            np.zeros(by_ending, np.int32),
            np.zeros((*by_ending, num_positions), np.uint8),
        )

    def grown(self, num_beams: int, num_positions: int) -> "SearchArrays":
        """The same with room for more."""
        larger = SearchArrays.empty(len(self.positions), num_beams, num_positions)
        for part in fields(self):
            old = getattr(self, part.name)
            getattr(larger, part.name)[tuple(map(slice, old.shape))] = old
        return larger


@runtime_checkable
class SearchingDecoder(Decoder, Protocol):
    """A decoder that also takes the whole step of a beam search: what `Search.rows`, `Rules.apply`, `Decoder.advance`,
    `Decoder.extend`, `Rules.choose`, `Search.advance` and `Rules.follow` do, in one call and to the same bit."""

    def constrain(self, slot: int, rules: SlotRules) -> None:
        """Gives an admitted slot its rules, before its first step. The least length counts in the arrays alone."""

    def search_step(self, arrays: SearchArrays, slots: Ints) -> Ints:
        """Advances the searches of slots [n], ascending, by one piece. Returns the slots whose search is over."""
