"""Batches of like lengths within a budget: what the peers that have no such thing of their own are given.

Needs the standard library alone.
"""

from collections.abc import Sequence
from random import Random


def batches_by_length(
    lengths: Sequence[tuple[int, int]], batch_tokens: int, random: Random | None = None
) -> list[list[int]]:
    """Numbers of pairs, each in one batch, in random order.

    Sorted by target, then source length, and cut where padding would carry the longer side of a batch over
    `batch_tokens` places; a longer pair makes a batch of its own.

    lengths: source and target pieces of each pair. random: None leaves pairs of equal lengths, and the batches, in
    order.
    """
    order = list(range(len(lengths)))
    if random is not None:
        random.shuffle(order)
    order.sort(key=lambda pair: (lengths[pair][1], lengths[pair][0]))
    batches: list[list[int]] = []
    longest = 0
    for pair in order:
        longest = max(longest, *lengths[pair])
        if not batches or longest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
            longest = max(lengths[pair])
        batches[-1].append(pair)
    if random is not None:
        random.shuffle(batches)
    return batches
