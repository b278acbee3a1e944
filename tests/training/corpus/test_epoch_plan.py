"""Plans of an epoch: what must hold for any sizes, and the shares that temperatures give."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dragoman.training.corpus.epoch_plan import Span, part_quotas, plan_epoch

parts_of_blocks = st.lists(st.lists(st.integers(0, 20), max_size=8), min_size=1, max_size=4).filter(
    lambda parts: any(map(sum, parts))
)


def arrays(parts: list[list[int]]) -> list[NDArray[np.int64]]:
    return [np.array(sizes, np.int64) for sizes in parts]


def pairs_of(span: Span) -> list[tuple[int, int, int]]:
    """Part, block and row of each pair."""
    rows = range(span.num_pairs) if span.rows is None else span.rows.tolist()
    return [(span.part, span.block, row) for row in rows]


def counted(pools: list[list[Span]]) -> Counter[tuple[int, int, int]]:
    return Counter(pair for pool in pools for span in pool for pair in pairs_of(span))


@given(parts_of_blocks, st.integers(20, 200), st.integers(0, 3))
@settings(deadline=None)
def test_an_epoch_has_every_pair_once_in_pools_within_the_bound(
    parts: list[list[int]], pool_pairs: int, seed: int
) -> None:
    pools = plan_epoch(arrays(parts), [sum(sizes) for sizes in parts], pool_pairs=pool_pairs, seed=(seed, 0))

    assert all(0 < sum(span.num_pairs for span in pool) <= pool_pairs for pool in pools)
    expected = [
        (part, block, row)
        for part, sizes in enumerate(parts)
        for block, size in enumerate(sizes)
        for row in range(size)
    ]
    assert sorted(counted(pools).elements()) == expected


@given(parts_of_blocks, st.data())
@settings(deadline=None)
def test_a_quota_is_met_exactly_and_spread_evenly(parts: list[list[int]], data: st.DataObject) -> None:
    quotas = [data.draw(st.integers(0, 100)) if sum(sizes) else 0 for sizes in parts]

    counts = counted(plan_epoch(arrays(parts), quotas, pool_pairs=50, seed=(1, 2)))

    for part, (sizes, quota) in enumerate(zip(parts, quotas, strict=True)):
        of_part = [times for (number, _, _), times in counts.items() if number == part]
        assert sum(of_part) == quota
        if quota:
            whole = quota // sum(sizes)
            assert set(of_part) <= {whole, whole + 1}
            assert whole == 0 or len(of_part) == sum(sizes)
    assert all(0 <= row < parts[part][block] for part, block, row in counts)


def test_what_is_left_out_changes_with_the_epoch() -> None:
    sizes = [np.full(40, 10, np.int64)]
    chosen = [counted(plan_epoch(sizes, [95], pool_pairs=50, seed=(1, epoch))) for epoch in range(12)]

    assert len({frozenset(epoch) for epoch in chosen}) == 12
    assert chosen[0] == counted(plan_epoch(sizes, [95], pool_pairs=50, seed=(1, 0)))
    assert len(set().union(*chosen)) > 300, "every block has its turn"


def test_a_block_larger_than_a_pool_is_a_pool_of_its_own() -> None:
    pools = plan_epoch(arrays([[30, 5, 30]]), [65], pool_pairs=10, seed=(1,))
    assert sorted(span.num_pairs for [span] in pools) == [5, 30, 30]


def test_the_plan_is_the_one_that_runs_were_begun_with() -> None:
    """A golden value: were it another, a run could not be resumed with a newer release."""
    pools = plan_epoch(arrays([[4, 0, 4, 4], [4, 2]]), [12, 9], pool_pairs=8, seed=(1, 0))
    assert [[(span.part, span.block, span.num_pairs) for span in pool] for pool in pools] == [
        [(0, 2, 4), (1, 0, 3)],
        [(0, 3, 4), (1, 0, 4)],
        [(1, 1, 2), (0, 0, 4)],
    ]
    [rows] = [span.rows for pool in pools for span in pool if span.rows is not None]
    assert rows.tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("sizes", "temperature", "quotas"),
    [
        ([900, 100], 1.0, [900, 100]),
        ([900, 100], 2.0, [750, 250]),  # 30 : 10
        ([900, 100], 1e9, [500, 500]),
        ([900, 0, 100], 2.0, [750, 0, 250]),
        ([10, 10, 10], 5.0, [10, 10, 10]),
        ([1, 1, 8], 3.0, [3, 2, 5]),  # 2.5, 2.5 and 5: the first among equals is rounded up
        ([7], 4.0, [7]),
        ([160_000, 10_000, 2_500], 5.0, [85_837, 49_300, 37_363]),
    ],
)
def test_quotas_follow_the_temperature(sizes: list[int], temperature: float, quotas: list[int]) -> None:
    assert part_quotas(sizes, temperature) == quotas


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=8).filter(any), st.floats(1, 100))
def test_quotas_keep_the_number_of_pairs_and_their_order(sizes: list[int], temperature: float) -> None:
    quotas = part_quotas(sizes, temperature)

    assert sum(quotas) == sum(sizes)
    for size, quota in zip(sizes, quotas, strict=True):
        assert (size == 0) <= (quota == 0)
        exact = sum(sizes) * size ** (1 / temperature) / sum(other ** (1 / temperature) for other in sizes if other)
        assert abs(quota - (exact if size else 0)) < 1 + 1e-6 * sum(sizes)
    if temperature == 1:
        assert quotas == sizes
