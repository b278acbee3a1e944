"""What a model itself says of given sentences."""

from pathlib import Path

import pytest

from dragoman.training.synthesis.own_translations import spread_lines
from tests.commands.running import write_lines


@pytest.mark.parametrize(("wanted", "places"), [(3, [0, 3, 6]), (10, list(range(10))), (20, list(range(10))), (1, [0])])
def test_lines_are_spread_over_the_file(tmp_path: Path, wanted: int, places: list[int]) -> None:
    path = write_lines(tmp_path / "text", *map(str, range(10)))
    assert spread_lines(path, 10, wanted) == list(map(str, places))
