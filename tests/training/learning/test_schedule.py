"""The learning rate against values by hand."""

from collections.abc import Callable

import pytest

from dragoman.training.config import OptimizationConfig
from dragoman.training.learning.optimizer import cosine, inverse_square_root, learning_rate, linear


@pytest.mark.parametrize(
    ("update", "rate"),
    [(1, 0.00001), (50, 0.0005), (99, 0.00099), (100, 0.001), (101, 0.00099503719), (400, 0.0005), (10_000, 0.0001)],
)
def test_golden_values(update: int, rate: float) -> None:
    assert inverse_square_root(update, peak=0.001, warmup_updates=100) == pytest.approx(rate)


def test_it_is_the_schedule_of_the_paper() -> None:
    # Vaswani et al. (2017), equation 3, with d_model 512 and 4000 warm-up updates
    for update in (1, 100, 4000, 4001, 100_000):
        paper = 512**-0.5 * min(update**-0.5, update * 4000**-1.5)
        assert inverse_square_root(update, peak=(512 * 4000) ** -0.5, warmup_updates=4000) == pytest.approx(paper)


def test_a_warm_up_of_one_update_begins_at_the_peak() -> None:
    assert inverse_square_root(1, peak=0.5, warmup_updates=1) == 0.5


def rate_by(schedule: Callable[..., float], update: int) -> float:
    return schedule(update, peak=0.001, warmup_updates=100, max_updates=500, final=0.0002)


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (1, 0.00001),
        (50, 0.0005),
        (100, 0.001),
        (101, 0.000998),
        (300, 0.0006),
        (499, 0.000202),
        (500, 0.0002),
        (900, 0.0002),
    ],
)
def test_golden_values_of_the_straight_line(update: int, rate: float) -> None:
    assert rate_by(linear, update) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (1, 0.00001),
        (100, 0.001),
        (200, 0.00088284271),
        (300, 0.0006),
        (400, 0.00031715729),
        (500, 0.0002),
        (900, 0.0002),
    ],
)
def test_golden_values_of_the_cosine(update: int, rate: float) -> None:
    assert rate_by(cosine, update) == pytest.approx(rate)


def test_a_warm_up_to_the_last_update_is_all_there_is() -> None:
    for schedule in (linear, cosine):
        assert schedule(10, peak=1.0, warmup_updates=10, max_updates=10, final=0.5) == 1.0


@pytest.mark.parametrize(
    ("schedule", "rate"), [("inverse_square_root", 0.01 / 2**0.5), ("linear", 0.0055), ("cosine", 0.0055)]
)
def test_the_configured_schedule_is_taken(schedule: str, rate: float) -> None:
    options = OptimizationConfig.model_validate(
        {
            "schedule": schedule,
            "learning_rate": 0.01,
            "warmup_updates": 100,
            "max_updates": 300,
            "final_learning_rate_ratio": 0.1,
        }
    )
    assert learning_rate(200, options) == pytest.approx(rate)
