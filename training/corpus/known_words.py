"""Which words a parallel corpus teaches: all but the rare ones that its translations copy, which are names."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from dragoman.model.bundle import find_bundle, read_config
from dragoman.model.decoding.loading import refuse_language_model
from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import KnownWords, write_known_words
from dragoman.training.corpus.cache import ParallelFiles
from dragoman.training.corpus.pairs import read_parallel
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.languages import find_language

_WORD = re.compile(r"[^\W\d_]+")
_PAIR = re.compile(r"(?<=[a-zß-öø-ÿ,] )([^\W\d_a-zß-öø-ÿ][^\W\d_]+)(?= ([^\W\d_a-zß-öø-ÿ][^\W\d_]+))")
"""Two words with capitals within a sentence."""

MIN_COPIED = 0.8
"""Share of a word's translations that hold it unchanged, if it is a name."""

MIN_COPIED_RARE, MIN_COUNTED = 0.3, 10
"""The same for a word in fewer than MIN_COUNTED sentences, which a model hardly learns."""

MIN_FREQUENT = 50
"""Sentences in which even a name is learnt."""

MIN_CAPITALIZED = 0.8
"""Share of a proper word's places within sentences where it begins with a capital."""

MAX_CAPITALIZED = 0.2
"""Share of a language's words that may be proper; of one with more, such as German, this says nothing."""

MIN_NAME_LENGTH = 3

MAX_COUNTED = 2_000_000
"""Pairs whose words are counted: that takes 25 µs a pair."""


@dataclass(slots=True)
class TaughtWords:
    """What one side of parallel texts has, counted in small letters by sentences.

    total:  the sentences of each word. copied: those whose translations hold it unchanged, with a capital.
    within: those that it does not begin. raised: of these, those where it has a capital.
    phrases: pairs of words with capitals that the translation does not have.
    """

    total: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    phrases: set[str] = field(default_factory=set)

    def count(self, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Count the words of the sources, each translated by its target."""
        for source, target in zip(sources, targets, strict=True):
            there = set(_WORD.findall(target))
            for place, word in enumerate(dict.fromkeys(_WORD.findall(source))):
                small = word.casefold()
                self.total[small] += 1
                self.copied[small] += word in there and word[0].isupper()
                self.within[small] += place > 0
                self.raised[small] += place > 0 and word[0].isupper()
            for first, second in _PAIR.findall(source):
                if first not in there or second not in there:
                    self.phrases.add(f"{first} {second}".casefold())

    def words(self) -> Iterator[str]:
        """Those that a model learns to translate."""
        return (one for one, count in self.total.items() if count >= MIN_FREQUENT or not self._is_copied(one))

    def names(self) -> Iterator[str]:
        """Those that a model learns to copy."""
        return (word for word in self.total if len(word) >= MIN_NAME_LENGTH and self._is_copied(word))

    def proper(self) -> list[str]:
        """Those that are translated, but have a capital within sentences; none if most have."""
        found = [
            word
            for word, count in self.raised.items()
            if count and count >= MIN_CAPITALIZED * self.within[word] and not self._is_copied(word)
        ]
        return found if len(found) <= MAX_CAPITALIZED * len(self.total) else []

    def _is_copied(self, word: str) -> bool:
        least = MIN_COPIED if self.total[word] >= MIN_COUNTED else MIN_COPIED_RARE
        return self.copied[word] >= least * self.total[word]


def known_words(counted: Mapping[str, TaughtWords]) -> KnownWords:
    """What a bundle keeps of the words of each language."""
    return KnownWords.of(
        {language: words.words() for language, words in counted.items()},
        {language: words.names() for language, words in counted.items()},
        {language: words.proper() for language, words in counted.items()},
        {language: words.phrases for language, words in counted.items()},
    )


def count_pairs(train: Sequence[ParallelFiles]) -> int:
    """The pairs of a run's corpora, each once."""
    return sum(files.source.num_lines for files in _in_one_direction(train))


def _in_one_direction(train: Sequence[ParallelFiles]) -> Collection[ParallelFiles]:
    return {frozenset((files.source.path, files.target.path)): files for files in reversed(train)}.values()


def count_words(train: Sequence[ParallelFiles]) -> KnownWords:
    """The words of a run's corpora, evenly thinned out to MAX_COUNTED pairs."""
    step = math.ceil(count_pairs(train) / MAX_COUNTED)
    counted: dict[str, TaughtWords] = defaultdict(TaughtWords)
    for files in _in_one_direction(train):
        first, second = files.direction.source, files.direction.target
        for language, other, sides in (
            (first, second, (files.source.path, files.target.path)),
            (second, first, (files.target.path, files.source.path)),
        ):
            if language != other:
                counted[language].count(*(islice(read_lines(path), 0, None, step) for path in sides))
    return known_words(counted)


def add_known_words(bundle: str, corpora: Sequence[tuple[Path, Path]], languages: tuple[str, str]) -> dict[str, int]:
    """Write the words of parallel texts into a bundle. Returns their number by language.

    Raises InvalidInputError if the bundle does not translate between the languages, or for unequal sides.
    """
    folder = find_bundle(bundle)
    info = read_config(folder)
    refuse_language_model(bundle, info)
    known = {language for direction in info.directions for language in (direction.source, direction.target)}
    first, second = (find_language(language, known) or language for language in languages)
    languages = first, second
    if not any({direction.source, direction.target} == set(languages) for direction in info.directions):
        raise InvalidInputError(f"{info.name} does not translate between {languages[0]} and {languages[1]}")
    counted = {language: TaughtWords() for language in languages}
    for paths in corpora:
        sides = read_parallel(paths)
        counted[first].count(*sides)
        counted[second].count(*reversed(sides))
    words = known_words(counted)
    write_known_words(folder, words)
    return {language: len(words.digests[language]) for language in languages}
