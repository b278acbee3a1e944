"""The words that a model met in training, so that others, such as rare names, can be told from them. Free of torch.

words.safetensors, an optional file of a bundle, holds for each language the CRC-32 of its words in small letters, as
ascending uint32. One of 40,000 unknown words is taken for a known one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dragoman.model.bundle import read_file
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically

WORDS_FILE = "words.safetensors"


@dataclass(frozen=True, slots=True)
class KnownWords:
    """digests: those of each language's words."""

    digests: Mapping[str, frozenset[int]]

    def has(self, language: str) -> bool:
        """Whether the words of a language are known at all."""
        return bool(self.digests.get(language))

    def knows(self, word: str, language: str) -> bool:
        """Whether a word, in any case, is among those of a language."""
        return _digest(word) in self.digests[language]

    @classmethod
    def of(cls, words: Mapping[str, Iterable[str]]) -> "KnownWords":
        """From the words of each language."""
        return cls({language: frozenset(map(_digest, some)) for language, some in words.items()})


NO_KNOWN_WORDS = KnownWords({})


def _digest(word: str) -> int:
    return crc32(word.casefold().encode("utf-8", "surrogatepass"))


def read_known_words(folder: Path) -> KnownWords:
    """Those of a bundle; none if it has no such file. Raises InvalidInputError that names a damaged one."""
    path = folder / WORDS_FILE
    if not path.exists():
        return NO_KNOWN_WORDS
    try:
        arrays = load(read_file(path))
    except SafetensorError as error:
        raise InvalidInputError(f"{path}: no safetensors file: {error}") from error
    if any(array.dtype != np.uint32 or array.ndim != 1 for array in arrays.values()):
        raise InvalidInputError(f"{path}: must have one list of 32-bit numbers for each language")
    return KnownWords({language: frozenset(array.tolist()) for language, array in arrays.items()})


def write_known_words(folder: Path, words: KnownWords) -> None:
    """Writes them into a bundle."""
    arrays = {language: np.array(sorted(some), np.uint32) for language, some in words.digests.items()}
    write_atomically(folder / WORDS_FILE, save(arrays))
