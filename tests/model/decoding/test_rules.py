"""Each rule of the search against a slow, obvious twin."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import EOS_ID
from model.decoding.rules import forbid_empty, forbid_pieces, length_penalty


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    alphas=st.lists(st.floats(0, 10), min_size=1, max_size=4),
)
def test_length_penalty_equals_the_formula(lengths: list[int], alphas: list[float]) -> None:
    found = length_penalty(torch.tensor(lengths).double(), torch.tensor(alphas, dtype=torch.float64).unsqueeze(1))
    due = [[math.pow((5 + length) / 6, alpha) for length in lengths] for alpha in alphas]
    assert found.tolist() == [pytest.approx(row) for row in due]


@pytest.mark.parametrize(
    ("length", "alpha", "penalty"),
    [(1, 0.0, 1.0), (1, 1.0, 1.0), (7, 1.0, 2.0), (7, 2.0, 4.0), (19, 0.5, 2.0), (100, 0.0, 1.0), (13, 0.6, 1.9331820)],
)
def test_golden_length_penalties(length: int, alpha: float, penalty: float) -> None:
    assert length_penalty(torch.tensor(float(length)), torch.tensor(alpha)).item() == pytest.approx(penalty)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(1, 3))
@settings(deadline=None)
def test_no_sentence_ends_before_it_has_begun(positions: list[int], width: int) -> None:
    log_probs = torch.randn(len(positions), width, 6)
    before = log_probs.tolist()
    found = forbid_empty(log_probs, torch.tensor(positions)).tolist()
    for slot, position in enumerate(positions):
        for beam in range(width):
            for piece in range(6):
                is_forbidden = position == 0 and piece == EOS_ID
                assert found[slot][beam][piece] == (-math.inf if is_forbidden else before[slot][beam][piece])
    assert log_probs.tolist() == before  # a pure function


@given(st.sets(st.integers(0, 7)), st.integers(1, 3), st.integers(1, 3))
@settings(deadline=None)
def test_forbidden_pieces(forbidden: set[int], num_slots: int, width: int) -> None:
    log_probs = torch.randn(num_slots, width, 8)
    before = log_probs.tolist()
    found = forbid_pieces(log_probs, torch.tensor([piece in forbidden for piece in range(8)])).tolist()
    assert found == [
        [[-math.inf if piece in forbidden else value for piece, value in enumerate(row)] for row in slot]
        for slot in before
    ]
    assert log_probs.tolist() == before
