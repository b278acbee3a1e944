"""Each rule of the search against a slow, obvious twin."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.decoding.request import LengthNormalization
from model.decoding.rules import length_penalty


@given(st.integers(1, 300), st.floats(0, 10))
def test_length_penalty_equals_the_formula(length: int, alpha: float) -> None:
    assert length_penalty(length, alpha, "gnmt") == pytest.approx(math.pow((5 + length) / 6, alpha))
    assert length_penalty(length, alpha, "average") == pytest.approx(math.pow(length, alpha))


@pytest.mark.parametrize(
    ("length", "alpha", "normalization", "penalty"),
    [
        (1, 0.0, "gnmt", 1.0),
        (1, 1.0, "gnmt", 1.0),
        (7, 1.0, "gnmt", 2.0),
        (7, 2.0, "gnmt", 4.0),
        (19, 0.5, "gnmt", 2.0),
        (100, 0.0, "gnmt", 1.0),
        (13, 0.6, "gnmt", 1.9331820),
        (7, 1.0, "average", 7.0),
        (9, 0.5, "average", 3.0),
        (100, 0.0, "average", 1.0),
    ],
)
def test_golden_length_penalties(length: int, alpha: float, normalization: LengthNormalization, penalty: float) -> None:
    assert length_penalty(length, alpha, normalization) == pytest.approx(penalty)
