"""What a request is reckoned to cost."""

from typing import Any

import numpy as np
import pytest

from dragoman.model.decoding.request import BASE_BYTES, ID_BYTES, Request
from dragoman.model.decoding.search_options import SearchOptions


@pytest.mark.parametrize(
    ("options", "max_target_length", "prefix_ids", "cost"),
    [
        ({"beam_size": 1}, 30, (), 3 + 3),
        ({"beam_size": 4}, 30, (), 3 + 4 * 3),
        ({"beam_size": 4, "min_target_length": 20}, 30, (), 3 + 4 * 20),
        ({"beam_size": 4}, 2, (), 3 + 4 * 2),
        ({"beam_size": 1}, 9, (5,) * 8, 3 + 8),
        ({"sampling_temperature": 1.0, "n_best": 5}, 30, (), 3 + 5 * 3),
    ],
)
def test_the_cost_counts_beams_and_length(
    options: dict[str, Any], max_target_length: int, prefix_ids: tuple[int, ...], cost: int
) -> None:
    assert Request(0, (6, 7, 8), SearchOptions(**options), max_target_length, prefix_ids).cost == cost


def test_its_memory_counts_pieces_and_shortlist() -> None:
    request = Request(0, (6, 7, 8), SearchOptions(), 9, (5, 6), (7,), np.arange(100, dtype=np.int32))
    assert request.num_bytes == BASE_BYTES + 6 * ID_BYTES + 400
