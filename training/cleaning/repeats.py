"""Repeated pairs, sources and targets, found by 64-bit hashes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from dragoman.training.cleaning.filters import Filter
from dragoman.training.cleaning.pairs import Pair

Hashes = npt.NDArray[np.int64]
Counts = npt.NDArray[np.uint32]


class HashCounter:
    """Counts of hashes: 12 bytes for each distinct one, about 40 while the longest arrays are merged.

    Hashes are in sorted arrays, each at least twice as long as the next; a new block is merged with those that are too
    short for that. So there are few arrays to search, and each hash is moved few times.
    """

    def __init__(self) -> None:
        self._levels: list[tuple[Hashes, Counts]] = []

    @property
    def num_bytes(self) -> int:
        return sum(hashes.nbytes + counts.nbytes for hashes, counts in self._levels)

    def add(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """Adds hashes; returns how often each was seen before, in this block or an earlier one."""
        different, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        before = np.zeros(len(different), np.int64)
        for known, known_counts in self._levels:
            places = np.searchsorted(known, different).clip(max=len(known) - 1)
            before += np.where(known[places] == different, known_counts[places], 0)
        # Equal hashes earlier in the block count, too.
        order = np.argsort(inverse, kind="stable")
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        within = np.empty(len(hashes), np.int64)
        within[order] = np.arange(len(hashes)) - starts
        self._insert(different, counts.astype(np.uint32))
        return before[inverse] + within

    def _insert(self, hashes: Hashes, counts: Counts) -> None:
        while self._levels and len(self._levels[-1][0]) < 2 * len(hashes):
            more_hashes, more_counts = self._levels.pop()
            joined = np.concatenate((more_hashes, hashes))
            order = np.argsort(joined, kind="stable")  # a merge, as both halves are sorted
            joined = joined[order]
            first = np.flatnonzero(np.concatenate(([True], joined[1:] != joined[:-1])))
            hashes = joined[first]
            counts = np.add.reduceat(np.concatenate((more_counts, counts))[order], first, dtype=np.uint32)
        self._levels.append((hashes, counts))


class Repeats(Filter):
    """Rejects repeats beyond `max_times`: of whole pairs, or of one side whatever the other."""

    def __init__(self, what: Literal["pair", "source", "target"], max_times: int) -> None:
        self.name = {"pair": "duplicate", "source": "source-repeats", "target": "target-repeats"}[what]
        self._what = what
        self._max_times = max_times
        self._seen = HashCounter()

    @property
    def meaning(self) -> str:
        allowed = "before" if self._max_times == 1 else f"{self._max_times} times before"
        return f"the same {self._what}, spaces apart, came {allowed}"

    def find_faults(self, pairs: Sequence[Pair]) -> list[str | None]:
        if not pairs:
            return []
        match self._what:
            case "pair":
                hashes = [hash((tuple(pair.source_words), tuple(pair.target_words))) for pair in pairs]
            case "source":
                hashes = [hash(tuple(pair.source_words)) for pair in pairs]
            case "target":
                hashes = [hash(tuple(pair.target_words)) for pair in pairs]
        num_before = self._seen.add(np.array(hashes, np.int64)).tolist()
        return [f"{self._what} number {num + 1} of its kind" if num >= self._max_times else None for num in num_before]
