"""The state of the search of all slots, on the host: the live hypotheses and their history."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Extensions, Floats, Ints, Rows
from dragoman.model.decoding.search.beam import BeamStep, beam_step
from dragoman.model.decoding.search.stepping import SearchArrays, SearchingDecoder

GROWTH = 32
"""Positions by which the arrays grow for a longer target."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A finished hypothesis, as a pointer into its slot's history.

    log_prob: of the whole hypothesis.
    token_id: its last piece: the end of sentence, or another where it was cut off.
    beams:    [pieces, token_id included] uint8, its beam at every position.
    """

    log_prob: float
    token_id: int
    beams: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Path:
    """The pieces of a hypothesis, without the end of sentence, and their log probabilities, with that of the end of
    sentence if it ended."""

    token_ids: tuple[int, ...]
    token_log_probs: tuple[float, ...]


class Search:
    """Beam search in up to `max_slots` fixed slots; a slot's number is the same from `begin` to `remove`.

    Nothing is moved or copied when hypotheses branch: a slot's history, by beam and position, is written once, and the
    ancestry says which entries belong to a live hypothesis. The arrays grow to the widest beam and the longest target
    of any slot.
    """

    def __init__(self, max_slots: int, vocabulary: VocabularyShape) -> None:
        self.max_slots = max_slots
        self._start_id, self._eos_id = vocabulary.start_id, vocabulary.eos_id
        self._is_active, self._is_delegated = np.zeros((2, max_slots), np.bool_)
        # The own slots and the delegated ones, ascending; None after some came or went.
        self._divided: tuple[Ints, Ints] | None = None
        self._arrays = SearchArrays.empty(max_slots, 1, GROWTH)

    @property
    def num_active(self) -> int:
        return int(np.count_nonzero(self._is_active))

    def is_active(self, slot: int) -> bool:
        return bool(self._is_active[slot])

    def begin(
        self,
        slot: int,
        *,
        beam_size: int,
        num_extensions: int,
        max_length: int,
        least_length: int = 1,
        is_delegated: bool = False,
    ) -> None:
        """Starts a search with one empty hypothesis.

        num_extensions: extensions requested at every step; max_length: most pieces, the end of sentence included.
        is_delegated: whether a decoder takes the steps; least_length is for it.
        """
        self._reserve(beam_size, max_length)
        arrays = self._arrays
        arrays.beam_sizes[slot], arrays.num_extensions[slot] = beam_size, num_extensions
        arrays.least_lengths[slot], arrays.max_lengths[slot] = least_length, max_length
        arrays.positions[slot], arrays.num_live[slot], arrays.num_finished[slot] = 0, 1, 0
        arrays.token_ids[slot, 0, 0], arrays.log_probs[slot, 0, 0] = self._start_id, 0.0
        self._is_active[slot], self._is_delegated[slot] = True, is_delegated
        self._divided = None

    def remove(self, slots: list[int]) -> None:
        """Ends searches and forgets them."""
        self._is_active[slots] = False
        self._divided = None
        self._arrays.num_finished[slots] = 0

    @property
    def num_own(self) -> int:
        """Active slots whose steps no decoder takes."""
        return len(self._divide()[0])

    @property
    def num_delegated(self) -> int:
        """Active slots whose steps a decoder takes."""
        return len(self._divide()[1])

    def rows(self) -> Rows:
        """The live hypotheses of all own slots, of which there must be one at least."""
        arrays, slots = self._arrays, self._divide()[0]
        num_slots = len(slots)
        counts, positions = arrays.num_live[slots], arrays.positions[slots]
        offsets = np.zeros(num_slots + 1, np.int32)
        counts.cumsum(out=offsets[1:])
        owners = np.arange(num_slots).repeat(counts)  # [R] index of each row's slot
        _, width, length = arrays.token_ids.shape
        # Of beam b: slot · width · length + b · length + position, where b is the row less the slot's first row.
        places = ((slots * width - offsets[:-1]) * length + positions)[owners]
        places += np.arange(0, len(owners) * length, length, dtype=np.int32)
        return Rows(
            slots=slots,
            offsets=offsets,
            positions=positions,
            token_ids=arrays.token_ids.take(places),
            log_probs=arrays.log_probs.take(places),
            ancestry=arrays.ancestry,
            num_extensions=arrays.num_extensions[slots],
        )

    def advance(self, rows: Rows, extensions: Extensions) -> BeamStep:
        """Advances by one piece. rows: the present rows of this search; extensions: of these rows."""
        arrays, slots = self._arrays, rows.slots
        positions = rows.positions + np.int32(1)
        is_last = positions >= arrays.max_lengths[slots]
        beam_sizes, num_finished = arrays.beam_sizes[slots], arrays.num_finished[slots]
        step = beam_step(extensions, beam_sizes, num_finished, is_last, self._eos_id)
        if np.count_nonzero(step.finishes):
            self._finish(rows, extensions, step.finishes)
        self._grow(rows, extensions, step.lives)
        arrays.num_finished[slots] = step.num_finished
        arrays.positions[slots] = positions
        return step

    def step(self, decoder: SearchingDecoder) -> Ints:
        """Advances the delegated slots by one piece, all of it in the decoder. Returns those whose search is over."""
        return decoder.search_step(self._arrays, self._divide()[1])

    def endings(self, slot: int) -> list[Ending]:
        """The finished hypotheses of a slot, in the order in which they finished."""
        arrays, count = self._arrays, int(self._arrays.num_finished[slot])
        found = zip(
            arrays.final_log_probs[slot, :count].tolist(),
            arrays.last_ids[slot, :count].tolist(),
            arrays.lengths[slot, :count].tolist(),
            strict=True,
        )
        return [
            Ending(log_prob, last_id, arrays.beams[slot, number, :length])
            for number, (log_prob, last_id, length) in enumerate(found)
        ]

    def pieces(self, slot: int, ending: Ending) -> tuple[int, ...]:
        """The pieces of a finished hypothesis, without the end of sentence."""
        beams = ending.beams
        last = [] if ending.token_id == self._eos_id else [ending.token_id]
        return (*self._arrays.token_ids[slot, beams[1:], np.arange(1, len(beams))].tolist(), *last)

    def trace(self, slot: int, ending: Ending) -> Path:
        """The path of a finished hypothesis."""
        totals = self._arrays.log_probs[slot, ending.beams, np.arange(len(ending.beams))].tolist()
        totals.append(ending.log_prob)
        return Path(self.pieces(slot, ending), tuple(after - before for before, after in pairwise(totals)))

    def live_pieces(self, slot: int) -> Ints:
        """[live hypotheses, pieces so far] of a slot."""
        arrays = self._arrays
        position, num_live = int(arrays.positions[slot]), int(arrays.num_live[slot])
        beams = np.empty((num_live, position + 1), np.uint8)
        beams[:, :position] = arrays.ancestry[slot, :num_live, :position]
        beams[:, position] = np.arange(num_live)
        return arrays.token_ids[slot, beams, np.arange(position + 1)][:, 1:]

    def live_log_probs(self, slot: int) -> Floats:
        """[live hypotheses] of a slot."""
        arrays = self._arrays
        return arrays.log_probs[slot, : arrays.num_live[slot], arrays.positions[slot]]

    def _divide(self) -> tuple[Ints, Ints]:
        if self._divided is None:
            own, delegated = self._is_active & ~self._is_delegated, self._is_active & self._is_delegated
            self._divided = np.flatnonzero(own).astype(np.int32), np.flatnonzero(delegated).astype(np.int32)
        return self._divided

    def _finish(self, rows: Rows, extensions: Extensions, finishes: NDArray[np.bool_]) -> None:
        arrays, owners = self._arrays, finishes.nonzero()[0]
        numbers = np.arange(len(owners)) - np.searchsorted(owners, owners)  # of each slot's, in this step
        slots, positions, parents = rows.slots[owners], rows.positions[owners], extensions.parents[finishes]
        numbers += arrays.num_finished[slots]
        arrays.last_ids[slots, numbers] = extensions.token_ids[finishes]
        arrays.final_log_probs[slots, numbers] = extensions.log_probs[finishes]
        arrays.lengths[slots, numbers] = positions + 1
        longest = int(positions.max())
        arrays.beams[slots, numbers, :longest] = arrays.ancestry[slots, parents, :longest]
        arrays.beams[slots, numbers, positions] = parents

    def _grow(self, rows: Rows, extensions: Extensions, lives: NDArray[np.bool_]) -> None:
        """Makes the surviving extensions the live hypotheses."""
        arrays, slots = self._arrays, rows.slots
        counts = np.add.reduce(lives, axis=1, dtype=np.int32)
        arrays.num_live[slots] = counts
        chosen = lives.ravel().nonzero()[0]
        owners = chosen // lives.shape[1]
        parents = extensions.parents.take(chosen)
        _, width, length = arrays.ancestry.shape
        # Rows of the arrays by slot and beam: where each hypothesis will stand, and where its parent stands.
        first_beams = slots * width
        beams = (first_beams - counts.cumsum() + counts)[owners]
        beams += np.arange(len(chosen))
        parent_beams = first_beams[owners] + parents
        places = beams * length + rows.positions[owners]

        longest = int(np.maximum.reduce(rows.positions))
        ancestry = arrays.ancestry.reshape(-1, length)[:, :longest]
        ancestry[beams] = ancestry[parent_beams]
        arrays.ancestry.reshape(-1)[places] = parents
        places += 1  # the position to come
        arrays.token_ids.reshape(-1)[places] = extensions.token_ids.take(chosen)
        arrays.log_probs.reshape(-1)[places] = extensions.log_probs.take(chosen)

    def _reserve(self, beam_size: int, max_length: int) -> None:
        """Grows the arrays to beam_size beams and max_length positions."""
        _, width, length = self._arrays.token_ids.shape
        if beam_size > width or max_length > length:
            self._arrays = self._arrays.grown(max(beam_size, width), max(-(-max_length // GROWTH) * GROWTH, length))
