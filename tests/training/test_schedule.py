"""The learning rate against values by hand."""

import pytest

from training.schedule import inverse_square_root


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
