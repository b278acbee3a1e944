"""A stored table of positions: which formula it follows, or none, if it was learnt."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.parameters import sinusoidal_positions

_TOLERANCE = 1e-2
"""Largest difference from a formula: 16 bits round, and far from 0 a sine of 32 bits is coarse."""


def describe_positions(
    table: NDArray[Any], d_model: int, most: int
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """The keys of the architecture that a table [positions, d_model] follows from, with "length", and the table itself
    if it was learnt. most: longest sentence where positions follow a formula."""
    values = np.ascontiguousarray(table, np.float32)
    length = len(values)
    best, keys = _TOLERANCE, None
    for first, is_split, reaches in product(range(3), (True, False), (False, True)):
        if d_model < 4 and reaches:
            continue
        formula = sinusoidal_positions(length, d_model, first=first, is_split=is_split, reaches_the_end=reaches)
        difference = float(np.abs(values - formula).max(initial=0.0))
        if difference < best:
            best = difference
            keys = {
                "positions": "half-split" if is_split else "interleaved",
                "position_exponent": "half-minus-one" if reaches else "half",
                "first_position": first,
                "length": min(length, most),
            }
    if keys is not None:
        return keys, None
    return {"positions": "learnt", "position_exponent": "half", "first_position": 0, "length": length}, values
