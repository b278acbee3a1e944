"""The content of a corpus in figures: languages as identified, words, and the lengths of sentences."""

import random
from collections import Counter
from dataclasses import dataclass

import numpy as np

from dragoman.training.cleaning.pairs import Pair
from dragoman.translation.languages import LanguageIdentifier, has_spaces, means_language

SAMPLE = 2000
"""Pairs that are drawn for identifying languages and for lengths."""

_MIN_LETTERS = 20
"""Shorter sentences say little about their language."""

_LARGE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Lengths:
    """Percentiles of the lengths of a side's sentences, in words, or in characters if the language has no spaces."""

    unit: str
    median: int
    p90: int
    p99: int
    longest: int


class Survey:
    """Counts pairs as they come, and keeps a random sample of them (Vitter 1985, algorithm R)."""

    def __init__(self, source: str, target: str, *, seed: int = 0) -> None:
        self.languages = (source, target)
        self.num_pairs = 0
        self.num_words = [0, 0]
        self.num_characters = [0, 0]
        self.sample: list[tuple[str, str]] = []
        self._random = random.Random(seed)

    def add(self, pair: Pair) -> None:
        self.num_pairs += 1
        for side, (text, words) in enumerate(((pair.source, pair.source_words), (pair.target, pair.target_words))):
            self.num_words[side] += len(words)
            self.num_characters[side] += len(text)
        if len(self.sample) < SAMPLE:
            self.sample.append((pair.source, pair.target))
        elif (place := self._random.randrange(self.num_pairs)) < SAMPLE:
            self.sample[place] = (pair.source, pair.target)

    def lengths(self, side: int) -> Lengths:
        spaced = has_spaces(self.languages[side])
        counts = [len(pair[side].split() if spaced else pair[side]) for pair in self.sample] or [0]
        median, p90, p99 = np.percentile(counts, (50, 90, 99), method="higher").astype(int).tolist()
        return Lengths("words" if spaced else "characters", median, p90, p99, max(counts))

    def characters(self, share: float) -> int:
        """The length in characters that this share of all sentences, of both sides, does not exceed."""
        counts = [len(text) for pair in self.sample for text in pair] or [0]
        return int(np.quantile(counts, share, method="higher"))

    def identified(self, side: int, identifier: LanguageIdentifier) -> list[tuple[str, float]]:
        """The languages of a side's sentences with their shares, largest first; empty if all are too short."""
        texts = [pair[side] for pair in self.sample if sum(map(str.isalpha, pair[side])) >= _MIN_LETTERS]
        counts = Counter(identifier.identify(text)[0] for text in texts)
        return [(language, count / len(texts)) for language, count in counts.most_common()]


def find_mix_up(identified: tuple[list[tuple[str, float]], list[tuple[str, float]]], languages: tuple[str, str]) -> str:
    """A sentence if each side of a corpus is mostly in the other's language, or both are in one; otherwise ""."""
    main = [found[0][0] if found and found[0][1] > _LARGE_SHARE else "" for found in identified]
    if not all(main) or means_language(*languages):
        return ""
    is_other = [means_language(main[side], languages[1 - side]) for side in (0, 1)]
    if all(is_other):
        return f"the sides are swapped: the {languages[0]} text is in {main[0]}, the {languages[1]} text in {main[1]}"
    if main[0] == main[1] and any(is_other):
        return f"both sides are in {main[0]}, though they should be {languages[0]} and {languages[1]}"
    return ""
