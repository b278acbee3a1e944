"""Drawing pieces at random. A draw depends only on its seed, sentence, sample and position."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Extensions, Floats, Ints, Rows
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search.beam import BeamStep


def digest(source_ids: Sequence[int]) -> int:
    """64 bits that identify a sentence. Without them all sentences of a corpus would get the same random numbers, and
    all of their translations would have their unlikely pieces at the same positions."""
    numbers = np.array(source_ids, "<i4").tobytes()
    return int.from_bytes(hashlib.blake2b(numbers, digest_size=8).digest(), "little")


def uniform(seed: int, sentence: int, sample: int, position: int) -> float:
    """A number of [0, 1) for a sample's piece at a position, from a counter-based generator (Salmon et al. 2011).

    seed: below 2 ** 64; sentence: its `digest`.
    """
    key, counter = np.array([seed, sentence], np.uint64), np.array([0, 0, sample, position])
    generator = np.random.Philox(key=key, counter=counter)
    return float(generator.random_raw() >> 11) * 2.0**-53


def candidates(log_probs: Floats, *, temperature: float, top_k: int, top_p: float) -> NDArray[np.intp]:
    """The pieces to draw from, ascending; log_probs: [V], -inf or NaN where impossible.

    top_k: number of likeliest pieces to keep; 0: all. top_p: of these, keep the fewest likeliest whose probabilities,
    at the temperature and normalized over them, sum to at least top_p (Holtzman et al. 2020). Of equal pieces the lower
    is kept first.
    """
    possible = np.flatnonzero(log_probs > -np.inf)
    if not len(possible):  # nothing is possible, or the network's probabilities are NaN
        return possible
    values = log_probs[possible]
    if 0 < top_k < len(values):
        values = -np.partition(-values, top_k - 1)[:top_k]
    if top_p < 1.0:
        values = _most_probable(values, temperature, top_p)
    if len(values) == len(possible):
        return possible
    least = values.min()
    better = np.flatnonzero(log_probs > least)
    equal = np.flatnonzero(log_probs == least)
    return np.sort(np.concatenate((better, equal[: len(values) - len(better)])))


def _most_probable(log_probs: Floats, temperature: float, top_p: float) -> Floats:
    """The fewest greatest of log_probs whose probabilities add up to top_p of all."""
    weights = _weights(log_probs, temperature)
    due = top_p * weights.sum()
    # What is below this adds up to less than 1 - top_p of all: it need not be sorted.
    values = -np.sort(-log_probs[weights >= (weights.sum() - due) / len(weights)])
    enough = np.searchsorted(_weights(values, temperature).cumsum(), due)
    return values[: enough + 1]


def draw(log_probs: Floats, ids: NDArray[np.intp], *, temperature: float, number: float) -> int:
    """One of the pieces `ids`, ascending, by their probabilities at the temperature; number: of [0, 1)."""
    sums = _weights(log_probs[ids], temperature).cumsum()
    return int(ids[min(np.searchsorted(sums, number * sums[-1], side="right"), len(ids) - 1)])


def _weights(log_probs: Floats, temperature: float) -> Floats:
    """Probabilities times a constant, the greatest weight being 1 if log_probs holds the likeliest piece."""
    with np.errstate(over="ignore"):  # at the least temperatures the rest is infinitely unlikely, as it should be
        weights: Floats = np.exp((log_probs - log_probs.max()) / temperature)
    return weights


@dataclass(slots=True)
class _Slot:
    """samples: the sample number of each live hypothesis; before the first draw, when all samples share one hypothesis,
    all sample numbers. digest: of the source."""

    request: Request
    samples: NDArray[np.intp]
    digest: int


class Sampler:
    """The sampled slots, which need the log probability of every piece."""

    def __init__(self, eos_id: int) -> None:
        self._eos_id = eos_id
        self._slots: dict[int, _Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def begin(self, number: int, request: Request) -> None:
        """Adds a slot, if it is sampled."""
        if request.options.sampling_temperature is not None:
            self._slots[number] = _Slot(request, np.arange(request.options.max_hypotheses), digest(request.source_ids))

    def remove(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._slots.pop(number, None)

    def find(self, rows: Rows) -> NDArray[np.bool_]:
        """[n] True where pieces are drawn now; those of a forced prefix are not."""
        places = zip(rows.slots.tolist(), rows.positions.tolist(), strict=True)
        return np.array([slot in self._slots and self._is_drawn(slot, position) for slot, position in places])

    def extend(self, rows: Rows, which: Ints, log_probs: Floats) -> list[Extensions]:
        """The extensions of each of the slots rows.slots[which], all sampled: one slot in every result.

        log_probs: [rows of those slots, V] from the decoder.
        """
        extended = []
        first = 0
        for index in which.tolist():
            start, end = int(rows.offsets[index]), int(rows.offsets[index + 1])
            pieces: Floats = log_probs[first : first + end - start].astype(np.float64)
            first += end - start
            end_log_probs = pieces[:, self._eos_id].copy()
            if rows.excluded is not None:
                offsets, token_ids = rows.excluded
                for row in range(start, end):
                    pieces[row - start, token_ids[offsets[row] : offsets[row + 1]]] = -np.inf
            pieces = let_stuck_end(pieces, end_log_probs, self._eos_id)
            slot = self._slots[int(rows.slots[index])]
            extended.append(_sample(slot, int(rows.positions[index]), pieces, rows.log_probs[start:end], self._eos_id))
        return extended

    def follow(self, rows: Rows, step: BeamStep) -> None:
        """Follows the search's step on the rows."""
        for index, number in enumerate(rows.slots.tolist()):
            slot = self._slots.get(number)
            if slot is not None and self._is_drawn(number, int(rows.positions[index])):
                slot.samples = slot.samples[step.lives[index, : len(slot.samples)]]

    def _is_drawn(self, number: int, position: int) -> bool:
        return position >= len(self._slots[number].request.prefix_ids)


def let_stuck_end(log_probs: Floats, end_log_probs: Floats, eos_id: int) -> Floats:
    """Lets a hypothesis without a possible piece end, whatever rule forbids it, so that every search has a result.

    log_probs: [w, V] under the rules; end_log_probs: [w] of the end of sentence without them.
    """
    stuck = ~(log_probs > -np.inf).any(axis=1)
    if not stuck.any():
        return log_probs
    freed = log_probs.copy()
    freed[stuck, eos_id] = end_log_probs[stuck]
    return freed


def _sample(slot: _Slot, position: int, log_probs: Floats, row_log_probs: Floats, eos_id: int) -> Extensions:
    """A draw for every sample, in order: from its own hypothesis, or at first from the only one."""
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
        if not len(kept[parent]):  # not even the end of sentence is possible: this sample has no result
            drawn.append(eos_id)
            continue
        number = uniform(options.seed, slot.digest, sample, position)
        drawn.append(draw(log_probs[parent], kept[parent], temperature=options.sampling_temperature, number=number))
    token_ids = np.array(drawn, np.int32)
    totals = row_log_probs[parents] + log_probs[parents, token_ids]
    return Extensions(totals[None], parents[None].astype(np.int32), token_ids[None])
