"""Shifted and shuffled sides show in the lengths of their lines."""

import numpy as np
import numpy.typing as npt
import pytest

from dragoman.training.corpus.alignment import LineLengths, Misalignment

Lengths = npt.NDArray[np.int64]


def lengths_of(source: Lengths, target: Lengths) -> LineLengths:
    lengths = LineLengths()
    for one, other in zip(source.tolist(), target.tolist(), strict=True):
        lengths.add(one, other)
    return lengths


@pytest.fixture
def sides() -> tuple[Lengths, Lengths]:
    """Lengths of 4,000 sentences and of their translations."""
    random = np.random.default_rng(1)
    source = random.gamma(3.0, 12.0, 4000) + 2
    return source.astype(np.int64), (source * random.normal(1.1, 0.15, 4000)).clip(1).astype(np.int64)


def test_translations_go_together(sides: tuple[Lengths, Lengths]) -> None:
    assert lengths_of(*sides).find_misalignment() is None


@pytest.mark.parametrize("shift", [-3, -1, 1, 2])
def test_a_shift_is_found_from_the_beginning(sides: tuple[Lengths, Lengths], shift: int) -> None:
    source, target = sides[0], np.roll(sides[1], shift)
    assert lengths_of(source, target).find_misalignment() == Misalignment(1, shift)


def test_a_line_missing_in_the_middle_is_found_near_its_place(sides: tuple[Lengths, Lengths]) -> None:
    source, target = sides[0][:-1], np.delete(sides[1], 2100)
    found = lengths_of(source, target).find_misalignment()
    assert found is not None
    assert found.shift == -1
    assert abs(found.line - 2100) <= 200


def test_shuffled_sides_are_found(sides: tuple[Lengths, Lengths]) -> None:
    target = np.random.default_rng(2).permutation(sides[1])
    assert lengths_of(sides[0], target).find_misalignment() == Misalignment(1, 0)


def test_equal_lengths_and_few_lines_show_nothing(sides: tuple[Lengths, Lengths]) -> None:
    assert lengths_of(np.full(3000, 5), np.full(3000, 7)).find_misalignment() is None
    assert lengths_of(sides[0][:50], sides[1][50:100]).find_misalignment() is None
    assert LineLengths().find_misalignment() is None


def test_blank_sides_are_counted() -> None:
    assert lengths_of(np.array([0, 3, 4]), np.array([5, 0, 4])).num_blank == 2
