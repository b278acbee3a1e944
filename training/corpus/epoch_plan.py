"""The pairs of an epoch and the order in which they are read, as numbers, without files.

A corpus has parts, such as the two directions of a pair of files; a part has blocks of consecutive pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Span:
    """Pairs of one block. rows: indices among the block's usable pairs; None for all."""

    part: int
    block: int
    num_pairs: int
    rows: npt.NDArray[np.int64] | None = None


def part_quotas(sizes: Sequence[int], temperature: float) -> list[int]:
    """The number of pairs of each part in an epoch, in proportion to size^(1/temperature); their sum is that of the
    sizes. Temperature 1 takes every pair once; larger values favour small parts, as in multilingual training
    (Arivazhagan et al. 2019), up to equal quotas. Remainders go to the parts that lost most to rounding, the first
    among equals."""
    total = sum(sizes)
    weights = np.array(sizes, np.float64) ** (1 / temperature)
    exact = total * weights / weights.sum()
    quotas = np.floor(exact).astype(np.int64) if temperature != 1 else np.array(sizes, np.int64)
    missing = total - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return [int(quota) for quota in quotas]


def plan_epoch(
    block_sizes: Sequence[npt.NDArray[np.int64]], quotas: Sequence[int], *, pool_pairs: int, seed: Sequence[int]
) -> list[list[Span]]:
    """The pools of an epoch: blocks in random order, as many to a pool as give at most `pool_pairs` pairs.

    block_sizes: for each part, the pairs of each block. quotas: pairs to take of each part; a quota above the part's
    size takes the whole part repeatedly, and the rest from random blocks. A block larger than `pool_pairs` is a pool of
    its own.
    """
    random = np.random.default_rng(seed)
    spans: list[Span] = []
    for part, (sizes, quota) in enumerate(zip(block_sizes, quotas, strict=True)):
        spans.extend(_part_spans(part, sizes, quota, random))
    pools: list[list[Span]] = []
    room = 0
    for place in random.permutation(len(spans)):
        span = spans[place]
        if not pools or span.num_pairs > room:
            pools.append([])
            room = pool_pairs
        pools[-1].append(span)
        room -= span.num_pairs
    return pools


def _part_spans(part: int, sizes: npt.NDArray[np.int64], quota: int, random: np.random.Generator) -> list[Span]:
    size = int(sizes.sum())
    if not size:
        return []
    times, rest = divmod(quota, size)
    whole = [Span(part, block, int(sizes[block])) for block in np.flatnonzero(sizes).tolist()]
    spans = whole * times
    for place in random.permutation(len(whole)):
        span = whole[place]
        if span.num_pairs > rest:
            if rest:
                rows = np.sort(random.choice(span.num_pairs, rest, replace=False))
                spans.append(Span(part, span.block, rest, rows))
            break
        spans.append(span)
        rest -= span.num_pairs
    return spans
