"""The state of the search of all slots, on the host: the live hypotheses and their history."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Extensions, Floats, Ints, Rows
from dragoman.model.decoding.search.beam import BeamStep, beam_step

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


class _Active(NamedTuple):
    """The active slots, ascending, and the options of each; [n] each."""

    slots: Ints
    beam_sizes: Ints
    num_extensions: Ints
    max_lengths: Ints


class Search:
    """Beam search in up to `max_slots` fixed slots; a slot's number is the same from `begin` to `remove`.

    Nothing is moved or copied when hypotheses branch: a slot's history, by beam and position, is written once, and the
    ancestry says which entries belong to a live hypothesis. The arrays grow to the widest beam and the longest target
    of any slot.
    """

    def __init__(self, max_slots: int, vocabulary: VocabularyShape) -> None:
        self.max_slots = max_slots
        self._start_id, self._eos_id = vocabulary.start_id, vocabulary.eos_id
        self._is_active = np.zeros(max_slots, np.bool_)
        self._options = np.zeros((max_slots, 3), np.int32)  # by slot: the fields of _Active after the first
        self._active: _Active | None = None  # None after slots came or went
        # Where a slot stands
        self._positions, self._num_live, self._num_finished = np.zeros((3, max_slots), np.int32)
        self._endings: list[list[Ending]] = [[] for _ in range(max_slots)]
        # By slot, beam and position: the piece fed there, the hypothesis' log probability there, and the ancestry.
        self._pieces: Ints = np.zeros((max_slots, 1, GROWTH), np.int32)
        self._log_probs: Floats = np.zeros((max_slots, 1, GROWTH), np.float64)
        self._ancestry: NDArray[np.uint8] = np.zeros((max_slots, 1, GROWTH), np.uint8)

    @property
    def num_active(self) -> int:
        return int(np.count_nonzero(self._is_active))

    def is_active(self, slot: int) -> bool:
        return bool(self._is_active[slot])

    def begin(self, slot: int, *, beam_size: int, num_extensions: int, max_length: int) -> None:
        """Starts a search with one empty hypothesis.

        num_extensions: extensions requested at every step; max_length: most pieces, the end of sentence included.
        """
        self._reserve(beam_size, max_length)
        self._options[slot] = beam_size, num_extensions, max_length
        self._positions[slot], self._num_live[slot], self._num_finished[slot] = 0, 1, 0
        self._endings[slot] = []
        self._pieces[slot, 0, 0], self._log_probs[slot, 0, 0] = self._start_id, 0.0
        self._is_active[slot] = True
        self._active = None

    def remove(self, slots: list[int]) -> None:
        """Ends searches and forgets them."""
        self._is_active[slots] = False
        self._active = None
        for slot in slots:
            self._endings[slot] = []

    def rows(self) -> Rows:
        """The live hypotheses of all active slots; at least one slot must be active."""
        active = self._find_active()
        slots, num_slots = active.slots, len(active.slots)
        counts, positions = self._num_live[slots], self._positions[slots]
        offsets = np.zeros(num_slots + 1, np.int32)
        counts.cumsum(out=offsets[1:])
        owners = np.arange(num_slots).repeat(counts)  # [R] index of each row's slot
        _, width, length = self._pieces.shape
        # Of beam b: slot · width · length + b · length + position, where b is the row less the slot's first row.
        places = ((slots * width - offsets[:-1]) * length + positions)[owners]
        places += np.arange(0, len(owners) * length, length, dtype=np.int32)
        return Rows(
            slots=slots,
            offsets=offsets,
            positions=positions,
            token_ids=self._pieces.take(places),
            log_probs=self._log_probs.take(places),
            ancestry=self._ancestry,
            num_extensions=active.num_extensions,
        )

    def advance(self, rows: Rows, extensions: Extensions) -> BeamStep:
        """Advances by one piece. rows: the present rows of this search; extensions: of these rows."""
        active, slots = self._find_active(), rows.slots
        positions = rows.positions + np.int32(1)
        is_last = positions >= active.max_lengths
        step = beam_step(extensions, active.beam_sizes, self._num_finished[slots], is_last, self._eos_id)
        if np.count_nonzero(step.finishes):
            self._finish(rows, extensions, step.finishes)
        self._grow(rows, extensions, step.lives)
        self._num_finished[slots] = step.num_finished
        self._positions[slots] = positions
        return step

    def endings(self, slot: int) -> list[Ending]:
        """The finished hypotheses of a slot, in the order in which they finished."""
        return self._endings[slot]

    def pieces(self, slot: int, ending: Ending) -> tuple[int, ...]:
        """The pieces of a finished hypothesis, without the end of sentence."""
        beams = ending.beams
        last = [] if ending.token_id == self._eos_id else [ending.token_id]
        return (*self._pieces[slot, beams[1:], np.arange(1, len(beams))].tolist(), *last)

    def trace(self, slot: int, ending: Ending) -> Path:
        """The path of a finished hypothesis."""
        totals = self._log_probs[slot, ending.beams, np.arange(len(ending.beams))].tolist()
        totals.append(ending.log_prob)
        return Path(self.pieces(slot, ending), tuple(after - before for before, after in pairwise(totals)))

    def live_pieces(self, slot: int) -> Ints:
        """[live hypotheses, pieces so far] of a slot."""
        position, num_live = int(self._positions[slot]), int(self._num_live[slot])
        beams = np.empty((num_live, position + 1), np.uint8)
        beams[:, :position] = self._ancestry[slot, :num_live, :position]
        beams[:, position] = np.arange(num_live)
        return self._pieces[slot, beams, np.arange(position + 1)][:, 1:]

    def live_log_probs(self, slot: int) -> Floats:
        """[live hypotheses] of a slot."""
        return self._log_probs[slot, : self._num_live[slot], self._positions[slot]]

    def _find_active(self) -> _Active:
        if self._active is None:
            slots = np.flatnonzero(self._is_active)
            self._active = _Active(slots.astype(np.int32), *np.ascontiguousarray(self._options[slots].T))
        return self._active

    def _finish(self, rows: Rows, extensions: Extensions, finishes: NDArray[np.bool_]) -> None:
        owners = finishes.nonzero()[0]
        for slot, position, beam, token_id, log_prob in zip(
            rows.slots[owners].tolist(),
            rows.positions[owners].tolist(),
            extensions.parents[finishes].tolist(),
            extensions.token_ids[finishes].tolist(),
            extensions.log_probs[finishes].tolist(),
            strict=True,
        ):
            beams = self._ancestry[slot, beam, : position + 1].copy()
            beams[position] = beam
            self._endings[slot].append(Ending(log_prob, token_id, beams))

    def _grow(self, rows: Rows, extensions: Extensions, lives: NDArray[np.bool_]) -> None:
        """Makes the surviving extensions the live hypotheses."""
        slots = rows.slots
        counts = np.add.reduce(lives, axis=1, dtype=np.int32)
        self._num_live[slots] = counts
        chosen = lives.ravel().nonzero()[0]
        owners = chosen // lives.shape[1]
        parents = extensions.parents.take(chosen)
        _, width, length = self._ancestry.shape
        # Rows of the arrays by slot and beam: where each hypothesis will stand, and where its parent stands.
        first_beams = slots * width
        beams = (first_beams - counts.cumsum() + counts)[owners]
        beams += np.arange(len(chosen))
        parent_beams = first_beams[owners] + parents
        places = beams * length + rows.positions[owners]

        longest = int(np.maximum.reduce(rows.positions))
        ancestry = self._ancestry.reshape(-1, length)[:, :longest]
        ancestry[beams] = ancestry[parent_beams]
        self._ancestry.reshape(-1)[places] = parents
        places += 1  # the position to come
        self._pieces.reshape(-1)[places] = extensions.token_ids.take(chosen)
        self._log_probs.reshape(-1)[places] = extensions.log_probs.take(chosen)

    def _reserve(self, beam_size: int, max_length: int) -> None:
        """Grows the arrays to beam_size beams and max_length positions."""
        _, width, length = self._pieces.shape
        missing = (max(beam_size - width, 0), max(-(-(max_length - length) // GROWTH) * GROWTH, 0))
        if any(missing):
            padding = ((0, 0), (0, missing[0]), (0, missing[1]))
            self._pieces = np.pad(self._pieces, padding)
            self._log_probs = np.pad(self._log_probs, padding)
            self._ancestry = np.pad(self._ancestry, padding)
