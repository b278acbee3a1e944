"""The weights and the sentences that transformers.json has logits of; without dependencies on other modules."""

import zlib

import numpy as np
from numpy.typing import NDArray

SOURCES, TARGETS = [[5, 6, 7, 2], [21, 2], [*range(4, 13), 2]], [[2, 9, 8, 11, 4], [3], [2, *range(10, 20)]]


def made_up(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers for a parameter, the same everywhere."""
    numbers = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    return (0.4 * numbers + (1.0 if name.endswith("norm.weight") else 0.0)).astype(np.float32)
