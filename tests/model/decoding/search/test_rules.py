"""Each rule of the search against a slow, obvious twin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.decoding.search.rules import coverage_penalty, length_penalty, repeated_pieces
from dragoman.model.decoding.search_options import LengthNormalization


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


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.lists(st.lists(st.floats(0, 1), min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    st.floats(0, 10),
)
def test_coverage_penalty_equals_the_formula(attention: list[list[float]], beta: float) -> None:
    rows = np.array(attention, np.float32)
    due = 0.0
    for source in range(rows.shape[1]):
        due += math.log(max(min(sum(rows[:, source].tolist()), 1.0), float(np.finfo(np.float32).tiny)))
    assert coverage_penalty(rows, beta) == pytest.approx(beta * due, abs=1e-5)


def test_golden_coverage_penalties() -> None:
    attention = np.array([[0.5, 0.25], [0.75, 0.25]], np.float32)
    assert coverage_penalty(attention, 1.0) == pytest.approx(math.log(0.5))
    assert coverage_penalty(attention, 0.2) == pytest.approx(0.2 * math.log(0.5))
    assert coverage_penalty(np.ones((3, 2), np.float32), 1.0) == 0.0
    assert math.isfinite(coverage_penalty(np.array([[1.0, 0.0]], np.float32), 1.0))


@given(st.lists(st.lists(st.integers(0, 2), max_size=9), min_size=1, max_size=4), st.integers(1, 4))
def test_repeated_pieces_are_those_that_make_an_ngram_occur_twice(pieces: list[list[int]], size: int) -> None:
    longest = max(map(len, pieces))
    padded = np.array([[*tokens, *[0] * (longest - len(tokens))] for tokens in pieces], np.int32)
    lengths = np.array([len(tokens) for tokens in pieces], np.int32)
    rows, banned = repeated_pieces(padded.reshape(len(pieces), longest), lengths, size)
    due = set()
    for row, tokens in enumerate(pieces):
        for piece in range(4):
            extended = [*tokens, piece]
            ngrams = [extended[start : start + size] for start in range(len(extended) - size + 1)]
            if len(extended) >= size and ngrams[-1] in ngrams[:-1]:
                due.add((row, piece))
    assert set(zip(rows.tolist(), banned.tolist(), strict=True)) == due
