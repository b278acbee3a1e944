"""Dragoman's own corpus, split so that tests measure generalization, not memory."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from dragoman.model.errors import InvalidInputError
from dragoman.training.grammar.english import english_sentence
from dragoman.training.grammar.german import german_sentence
from dragoman.training.grammar.sentences import make_sentences
from dragoman.training.grammar.structure import Combination

HELD_OUT_PERCENT = 8
"""Percentage of the combinations of two words that never occur in training."""
MAX_WORDS = 16
"""The longest sentence, in words of either language."""

_SPLITS = ("train", "dev", "test")
_LANGUAGES = ("en", "de")


class _Pair(NamedTuple):
    english: str
    german: str
    is_held_out: bool


def generate_pairs(num_pairs: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """English sentences with their German translations, no two alike, of 2 to 16 words.

    The same seed gives the same pairs in every process. Each English sentence has one translation, and each German one
    too: "you" is always du, and the past is always the perfect.

    Raises InvalidInputError if `num_pairs` is negative.
    """
    if num_pairs < 0:
        raise InvalidInputError(f"num_pairs is {num_pairs}, but must be at least 0")
    pairs = _distinct_pairs(seed)
    return ((pair.english, pair.german) for pair, _ in zip(pairs, range(num_pairs), strict=False))


@cache
def is_held_out(combination: Combination) -> bool:
    """Whether the two English words never occur together in training. It depends on them alone, whatever the seed."""
    digest = hashlib.blake2b(" ".join(combination).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % 100 < HELD_OUT_PERCENT


def write_corpus(folder: Path, *, num_train: int, num_held_out: int, seed: int) -> None:
    """Writes train.en, train.de, dev.en, dev.de, test.en and test.de, one sentence a line, UTF-8.

    Some combinations of adjective and noun, and of verb and the noun of an object, are held out: no sentence of train
    has one, every sentence of dev and of test has at least one. No sentence is in two of the three. The files are
    finished beside `folder` and then moved into it, replacing those of an earlier call.

    num_train, num_held_out: sentence pairs in train, and in dev and test each.

    Raises InvalidInputError if either is below 1, and OSError if writing fails; `folder` is then unchanged.
    """
    for name, count in (("num_train", num_train), ("num_held_out", num_held_out)):
        if count < 1:
            raise InvalidInputError(f"{name} is {count}, but must be at least 1")
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(aside, ignore_errors=True)  # of a killed process that had the same number, as in containers
    aside.mkdir(parents=True)
    try:
        _write_splits(aside, {"train": num_train, "dev": num_held_out, "test": num_held_out}, seed)
        folder.mkdir(exist_ok=True)
        for path in sorted(aside.iterdir()):
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(aside)


def _write_splits(folder: Path, missing: dict[str, int], seed: int) -> None:
    """Distributes pairs until every split is full; dev and test take turns."""
    with ExitStack() as stack:
        files = {
            (split, language): stack.enter_context(
                open(folder / f"{split}.{language}", "w", encoding="utf-8", newline="")
            )
            for split in _SPLITS
            for language in _LANGUAGES
        }
        pairs = _distinct_pairs(seed)
        while any(missing.values()):
            pair = next(pairs)
            split = ("dev" if missing["dev"] >= missing["test"] else "test") if pair.is_held_out else "train"
            if missing[split]:
                missing[split] -= 1
                files[split, "en"].write(f"{pair.english}\n")
                files[split, "de"].write(f"{pair.german}\n")


def _distinct_pairs(seed: int) -> Iterator[_Pair]:
    seen: set[str] = set()
    for sentence in make_sentences(Random(seed)):
        english = english_sentence(sentence)
        if english in seen or len(english.split()) > MAX_WORDS:
            continue
        german = german_sentence(sentence)
        if len(german.split()) > MAX_WORDS:
            continue
        seen.add(english)
        yield _Pair(english, german, any(map(is_held_out, sentence.combinations())))
