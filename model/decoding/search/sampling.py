"""Drawing pieces at random: pure functions, so that a draw depends on nothing but its seed and its place: which
sentence, which sample, which position."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Floats


def digest(source_ids: Sequence[int]) -> int:
    """64 bits that tell a sentence from others. Without them the same numbers would be drawn for all sentences of a
    corpus, and all of their translations have their unlikely pieces at the same positions."""
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

    top_k: only the likeliest so many, 0 for all. top_p: of those only the fewest likeliest whose probabilities, as the
    temperature makes them and of those added up to 1, add up to it (Holtzman et al. 2020). Of equals the lower piece
    is taken first.
    """
    possible = np.flatnonzero(log_probs > -np.inf)
    if not len(possible):  # nothing is possible, or a broken network gives no numbers
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
    """One of the pieces `ids`, ascending, with probabilities as the temperature makes them; number: of [0, 1)."""
    sums = _weights(log_probs[ids], temperature).cumsum()
    return int(ids[min(np.searchsorted(sums, number * sums[-1], side="right"), len(ids) - 1)])


def _weights(log_probs: Floats, temperature: float) -> Floats:
    """Probabilities times a constant, the greatest weight being 1 if log_probs holds the likeliest piece."""
    with np.errstate(over="ignore"):  # at the least temperatures the rest is infinitely unlikely, as it should be
        weights: Floats = np.exp((log_probs - log_probs.max()) / temperature)
    return weights
