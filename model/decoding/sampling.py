"""Drawing pieces at random: pure functions, so that a draw depends on nothing but its seed, number and position."""

import numpy as np
from numpy.typing import NDArray

from model.decoding.beam import top_pieces
from model.decoding.decoder import Floats

_FIRST_GUESS = 256
"""Pieces among which top-p looks first."""


def uniform(seed: int, sample: int, position: int) -> float:
    """A number of [0, 1) for a sample's piece at a position, from a counter-based generator (Salmon et al. 2011)."""
    generator = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=np.array([0, 0, sample, position]))
    return float(generator.random_raw() >> 11) * 2.0**-53


def candidates(log_probs: Floats, *, temperature: float, top_k: int, top_p: float) -> NDArray[np.intp]:
    """The pieces to draw from, ascending; log_probs: [V], -inf where impossible, but not everywhere.

    top_k: only the likeliest so many, 0 for all. top_p: of those only the fewest likeliest whose probabilities, as the
    temperature makes them and of those added up to 1, add up to it (Holtzman et al. 2020). Of equals the lower piece
    is taken first.
    """
    num_possible = int((log_probs > -np.inf).sum())
    num_kept = min(top_k, num_possible) if top_k else num_possible
    if num_kept == num_possible and top_p == 1.0:
        return np.flatnonzero(log_probs > -np.inf)
    if top_p == 1.0:
        return np.sort(_likeliest(log_probs, num_kept))
    count = min(num_kept, _FIRST_GUESS)
    kept = log_probs if num_kept == num_possible else log_probs[_likeliest(log_probs, num_kept)]
    total = float(_weights(kept, temperature).sum())
    while True:
        ids = _likeliest(log_probs, count)
        enough = np.flatnonzero(_weights(log_probs[ids], temperature).cumsum() >= top_p * total)
        if len(enough) or count == num_kept:
            return np.sort(ids[: enough[0] + 1] if len(enough) else ids)
        count = min(4 * count, num_kept)


def draw(log_probs: Floats, ids: NDArray[np.intp], *, temperature: float, number: float) -> int:
    """One of the pieces `ids`, ascending, with probabilities as the temperature makes them; number: of [0, 1)."""
    sums = _weights(log_probs[ids], temperature).cumsum()
    return int(ids[min(np.searchsorted(sums, number * sums[-1], side="right"), len(ids) - 1)])


def _likeliest(log_probs: Floats, count: int) -> NDArray[np.intp]:
    """[V] -> [count] pieces, best first."""
    return top_pieces(log_probs[None], count)[1][0]


def _weights(log_probs: Floats, temperature: float) -> Floats:
    """Probabilities times a constant, the greatest weight being 1 if log_probs holds the likeliest piece."""
    weights: Floats = np.exp((log_probs - log_probs.max()) / temperature)
    return weights
