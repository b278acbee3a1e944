"""Dropout: its rate, what it keeps, and where it does nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.network.operations import Dropout


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.3, 0.5, 0.9])
def test_rate_and_expectation(probability: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(probability)(torch.ones(1000, 200))
    rate = (dropped == 0).float().mean().item()
    # The probability is rounded to a 65,536th; the rest is five standard deviations of 200,000 draws.
    tolerance = 1 / 131_072 + 5 * (probability * (1 - probability) / 200_000) ** 0.5
    assert rate == pytest.approx(probability, abs=tolerance)
    assert dropped.mean().item() == pytest.approx(1.0, abs=5 * (probability / (1 - probability) / 200_000) ** 0.5)
    # Every kept number is scaled alike, and no row or column is kept or dropped as a whole.
    assert len(dropped.unique()) == 2
    assert (dropped == 0).any(dim=0).all()
    assert (dropped != 0).any(dim=1).all()


@given(shape=st.lists(st.integers(0, 9), max_size=3), seed=st.integers(0, 999))
@settings(deadline=None)
def test_any_shape(shape: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    states = torch.randn(shape) + 10
    dropped = Dropout(0.5)(states)
    assert dropped.shape == states.shape
    assert dropped.dtype == states.dtype
    assert ((dropped == 0) | (dropped == 2 * states)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_keeps_the_float_type(dtype: torch.dtype) -> None:
    assert Dropout(0.3)(torch.ones(10, dtype=dtype)).dtype == dtype


def test_identity_in_evaluation_and_with_probability_zero() -> None:
    states = torch.randn(5, 5)
    assert Dropout(0.5).eval()(states) is states
    assert Dropout(0.0)(states) is states


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.3])
def test_the_probability_is_what_is_asked_for(probability: float) -> None:
    """As with the kernels of training, which draw with 31 bits."""
    torch.manual_seed(0)
    kept = Dropout(probability)(torch.ones(100)).max().item()
    assert kept == pytest.approx(1 / (1 - probability), rel=1e-5)


@pytest.mark.parametrize("probability", [0.998, 0.999, 0.9999])
def test_a_probability_just_below_one(probability: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(probability)(torch.ones(10_000))
    assert dropped.isfinite().all()
    assert (dropped == 0).float().mean() > 0.99


def test_the_gradient_passes_where_numbers_were_kept() -> None:
    torch.manual_seed(0)
    states = torch.randn(50, 7, requires_grad=True)
    dropped = Dropout(0.25)(states)
    dropped.sum().backward()
    assert states.grad is not None
    torch.testing.assert_close(states.grad, torch.where(dropped == 0, 0.0, 4 / 3))


def test_the_seed_decides() -> None:
    dropout, states = Dropout(0.5), torch.ones(100)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        dropped: torch.Tensor = dropout(states)
        return dropped

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    torch.manual_seed(1)
    assert not torch.equal(dropout(states), dropout(states))
