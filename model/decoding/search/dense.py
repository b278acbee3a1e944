"""The slots whose rules must see every piece: n-gram block, suppressed pieces, a forced prefix, sampling."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Extensions, Floats, Ints, Rows
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search.beam import BeamStep, best_extensions, top_pieces
from dragoman.model.decoding.search.rules import let_stuck_end, repeated_pieces
from dragoman.model.decoding.search.sampling import candidates, digest, draw, uniform


@dataclass(slots=True)
class _Slot:
    """samples: the number of the sample that each live hypothesis is; before the first draw, which all take from a
    single hypothesis, already all of them. digest: of the source, for sampling."""

    request: Request
    samples: NDArray[np.intp]
    digest: int

    @property
    def is_sampling(self) -> bool:
        return self.request.options.sampling_temperature is not None

    def needs_all_pieces(self, position: int) -> bool:
        options = self.request.options
        return (
            position < len(self.request.prefix_ids)
            or self.is_sampling
            or options.no_repeat_ngram_size > 0
            or len(self.request.suppressed_ids) > 0
        )


class DenseSlots:
    """The dense slots among those in use, and their extensions. A slot leaves when its rules are through with it.

    A forced prefix goes before all other rules and before what the decoder forbids: its pieces count towards lengths,
    and their log probabilities towards the score; a piece that the decoder holds impossible adds nothing. A hypothesis
    that the rules leave no piece may end.
    """

    def __init__(self, eos_id: int) -> None:
        self._eos_id = eos_id
        self._slots: dict[int, _Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def begin(self, number: int, request: Request) -> None:
        """Takes a slot in, if it needs it."""
        slot = _Slot(request, np.arange(request.options.num_beams), digest(request.source_ids))
        if slot.needs_all_pieces(0):
            self._slots[number] = slot

    def remove(self, numbers: list[int]) -> None:
        for number in numbers:
            self._slots.pop(number, None)

    def find(self, rows: Rows) -> NDArray[np.bool_]:
        """[n] True at the dense slots."""
        return np.array([number in self._slots for number in rows.slots.tolist()])

    def extend(
        self, rows: Rows, which: Ints, log_probs: Floats, live_pieces: Callable[[int], Ints]
    ) -> list[Extensions]:
        """The extensions of each of the slots rows.slots[which], all dense: one slot in every result.

        log_probs: [rows of those slots, V] from the decoder; live_pieces: of a slot's number, [live, pieces so far].
        """
        extended = []
        first = 0
        for index in which.tolist():
            number, position = int(rows.slots[index]), int(rows.positions[index])
            start, end = int(rows.offsets[index]), int(rows.offsets[index + 1])
            slot = self._slots[number]
            row_log_probs = rows.log_probs[start:end]
            pieces: Floats = log_probs[first : first + end - start].astype(np.float64)
            first += end - start
            if position < len(slot.request.prefix_ids):
                extended.append(_force(slot.request.prefix_ids[position], pieces, row_log_probs))
                continue
            can_end = bool(rows.can_end[index])
            pieces = _apply_rules(slot.request, pieces, live_pieces(number), self._eos_id, can_end=can_end)
            if slot.is_sampling:
                extended.append(_sample(slot, position, pieces, row_log_probs, self._eos_id))
            else:
                count = int(rows.num_extensions[index])
                offsets, counts = np.array([0, end - start], np.int32), np.array([count], np.int32)
                extended.append(best_extensions(*top_pieces(pieces, count), row_log_probs, offsets, counts))
        return extended

    def advance(self, rows: Rows, which: Ints, step: BeamStep) -> None:
        """Follows the step that was decided on the extensions of the slots rows.slots[which]."""
        for index in which.tolist():
            number, position = int(rows.slots[index]), int(rows.positions[index])
            slot = self._slots[number]
            if slot.is_sampling and position >= len(slot.request.prefix_ids):
                slot.samples = slot.samples[step.lives[index, : len(slot.samples)]]
            if not slot.needs_all_pieces(position + 1):
                del self._slots[number]


def _force(piece: int, log_probs: Floats, row_log_probs: Floats) -> Extensions:
    """The only extension of the only hypothesis: log_probs [1, V], row_log_probs [1]."""
    added = 0.0 if log_probs[0, piece] == -np.inf else log_probs[0, piece]  # NaN stays, and the search comes to nothing
    total = np.array([[row_log_probs[0] + added]])
    return Extensions(total, np.zeros((1, 1), np.int32), np.array([[piece]], np.int32))


def _apply_rules(request: Request, log_probs: Floats, live_pieces: Ints, eos_id: int, *, can_end: bool) -> Floats:
    """log_probs: [w, V], may be changed -> [w, V], -inf for what the rules forbid."""
    end_log_probs = log_probs[:, eos_id].copy()
    if not can_end:
        log_probs[:, eos_id] = -np.inf
    log_probs[:, list(request.suppressed_ids)] = -np.inf
    if request.options.no_repeat_ngram_size:
        log_probs[repeated_pieces(live_pieces, request.options.no_repeat_ngram_size)] = -np.inf
    return let_stuck_end(log_probs, end_log_probs, eos_id)


def _sample(slot: _Slot, position: int, log_probs: Floats, row_log_probs: Floats, eos_id: int) -> Extensions:
    """A draw for every sample, in order of the samples: from its own hypothesis, or at first from the only one."""
    options = slot.request.options
    assert options.sampling_temperature is not None
    parents = np.arange(len(slot.samples)) if len(log_probs) > 1 else np.zeros(len(slot.samples), np.intp)
    drawn = []
    kept: dict[int, NDArray[np.intp]] = {}  # by hypothesis
    for parent, sample in zip(parents.tolist(), slot.samples.tolist(), strict=True):
        if parent not in kept:
            kept[parent] = candidates(
                log_probs[parent],
                temperature=options.sampling_temperature,
                top_k=options.sampling_top_k,
                top_p=options.sampling_top_p,
            )
        if not len(kept[parent]):  # not even the end of sentence is possible: this sample comes to nothing
            drawn.append(eos_id)
            continue
        number = uniform(options.seed, slot.digest, sample, position)
        drawn.append(draw(log_probs[parent], kept[parent], temperature=options.sampling_temperature, number=number))
    token_ids = np.array(drawn, np.int32)
    totals = row_log_probs[parents] + log_probs[parents, token_ids]
    return Extensions(totals[None], parents[None].astype(np.int32), token_ids[None])


def join_extensions(num_slots: int, parts: list[tuple[Ints, Extensions]]) -> Extensions:
    """The extensions of all slots from those of some: each part's Extensions are those of the slots with its
    indices."""
    num_columns = max(part.log_probs.shape[1] for _, part in parts)
    log_probs = np.full((num_slots, num_columns), -np.inf)
    parents, token_ids = np.zeros((2, num_slots, num_columns), np.int32)
    for which, part in parts:
        columns = slice(part.log_probs.shape[1])
        log_probs[which, columns], parents[which, columns] = part.log_probs, part.parents
        token_ids[which, columns] = part.token_ids
    return Extensions(log_probs, parents, token_ids)
