"""Held-out sets without leakage: no sentence of dev or test is in the training set, on either side.

Sentences that differ in case, punctuation or white space alone count as one. Pairs that share a sentence, through
others too, are a cluster, which goes into one set as a whole.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]

MAX_CLUSTER = 8
"""Pairs of a cluster that may be held out; larger ones, around sentences such as "Yes.", are for training."""

MAX_TRIES = 50
"""Pairs drawn for each that is wanted."""

TRAIN, DEV, TEST = 0, 1, 2


class _Folding(dict[int, str]):
    """Translates letters, digits and marks to lower case, and removes other characters."""

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        kept = character.isalnum() or unicodedata.category(character)[0] == "M"
        self[codepoint] = folded = character.casefold() if kept else ""
        return folded


_FOLDING = _Folding()


def fold(text: str) -> str:
    """A text without case, punctuation and white space; of a text without letters and digits, the text itself."""
    return unicodedata.normalize("NFKC", text).translate(_FOLDING) or text.strip()


def held_out_size(num_pairs: int) -> int:
    """Pairs for each of dev and test: 2.5 √n, at most 2,000: 110 of 2,000 pairs, 350 of 20,000, 1,100 of 200,000."""
    return min(2000, int(2.5 * num_pairs**0.5))


@dataclass(frozen=True, slots=True)
class Split:
    """sets: the set of each pair: TRAIN, DEV or TEST. is_repeat: True for a held-out pair both of whose sentences an
    earlier one has."""

    sets: npt.NDArray[np.int8]
    is_repeat: npt.NDArray[np.bool_]

    def count(self, which: int) -> int:
        return int(np.count_nonzero((self.sets == which) & ~self.is_repeat))


def split(source_keys: Keys, target_keys: Keys, *, num_dev: int, num_test: int, seed: int) -> Split:
    """Draws clusters for dev and test, whose pairs may number slightly more than wanted, or fewer if there are not
    enough small clusters. keys: hashes of the folded sentences, in the order of the corpus."""
    num_pairs = len(source_keys)
    sets = np.zeros(num_pairs, np.int8)
    is_repeat = np.zeros(num_pairs, np.bool_)
    sides = [_Lookup(source_keys), _Lookup(target_keys)]
    random = np.random.default_rng(seed)
    order = iter(random.permutation(num_pairs)[: MAX_TRIES * (num_dev + num_test)].tolist())
    for which, wanted in ((TEST, num_test), (DEV, num_dev)):
        found = 0
        while found < wanted and (first := next(order, None)) is not None:
            if sets[first] != TRAIN or not (cluster := _cluster(first, sides)):
                continue
            seen = set()
            for pair in sorted(cluster):
                sets[pair] = which
                keys = source_keys[pair], target_keys[pair]
                is_repeat[pair] = keys in seen
                found += keys not in seen
                seen.add(keys)
    return Split(sets, is_repeat)


class _Lookup:
    """The pairs that have a sentence."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def sharing(self, pair: int) -> Sequence[int] | None:
        """The pairs with the same sentence, itself included; None if they are more than `MAX_CLUSTER`."""
        key = self.keys[pair]
        first, after = np.searchsorted(self._sorted, key), np.searchsorted(self._sorted, key, side="right")
        found: list[int] = self._order[first:after].tolist() if after - first <= MAX_CLUSTER else []
        return found or None


def _cluster(first: int, sides: Sequence[_Lookup]) -> set[int]:
    """All pairs that share a sentence with a pair, through others too; empty if they are more than `MAX_CLUSTER`."""
    cluster, waiting = {first}, [first]
    while waiting:
        pair = waiting.pop()
        for side in sides:
            if (found := side.sharing(pair)) is None:
                return set()
            new = set(found) - cluster
            cluster |= new
            waiting.extend(new)
        if len(cluster) > MAX_CLUSTER:
            return set()
    return cluster
