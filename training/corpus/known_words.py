"""Which words a parallel corpus teaches: all but the rare ones that its translations copy, which are names."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dragoman.model.bundle import find_bundle, read_config
from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import KnownWords, write_known_words
from dragoman.training.corpus.pairs import read_parallel
from dragoman.translation.languages import find_language

_WORD = re.compile(r"[^\W\d_]+")

MIN_COPIED = 0.8
"""Share of a word's translations that hold it unchanged, if it is a name."""

MIN_FREQUENT = 50
"""Sentences in which even a name is learnt."""


def taught_words(sources: Iterable[str], targets: Iterable[str]) -> Iterator[str]:
    """The words of the sources, in small letters, that a model learns to translate."""
    total: Counter[str] = Counter()
    copied: Counter[str] = Counter()
    for source, target in zip(sources, targets, strict=True):
        there = set(_WORD.findall(target))
        for word in set(_WORD.findall(source)):
            small = word.casefold()
            total[small] += 1
            copied[small] += word in there and word[0].isupper()
    for word, count in total.items():
        if count >= MIN_FREQUENT or copied[word] < MIN_COPIED * count:
            yield word


def add_known_words(bundle: str, corpora: Sequence[tuple[Path, Path]], languages: tuple[str, str]) -> dict[str, int]:
    """Write the words of parallel texts into a bundle. Returns their number by language.

    Raises InvalidInputError if the bundle does not translate between the languages, or for unequal sides.
    """
    folder = find_bundle(bundle)
    info = read_config(folder)
    known = {language for direction in info.directions for language in (direction.source, direction.target)}
    first, second = (find_language(language, known) or language for language in languages)
    languages = first, second
    if not any({direction.source, direction.target} == set(languages) for direction in info.directions):
        raise InvalidInputError(f"{info.name} does not translate between {languages[0]} and {languages[1]}")
    words: dict[str, set[str]] = {language: set() for language in languages}
    for paths in corpora:
        sides = read_parallel(paths)
        words[first].update(taught_words(*sides))
        words[second].update(taught_words(*reversed(sides)))
    write_known_words(folder, KnownWords.of(words))
    return {language: len(some) for language, some in words.items()}
