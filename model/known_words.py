"""The words that a model met in training, so that others, such as rare names, can be told from them. Free of torch.

words.safetensors, an optional file of a bundle, holds for each language the CRC-32 of its words in small letters, as
ascending uint32: "de" those that the model learnt to translate, "de names", "de proper" and "de phrases" others, see
`KnownWords`. One of 40,000 unknown words is taken for a known one.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from dragoman.model.bundle import read_file
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.model.weights import view_tensors

WORDS_FILE = "words.safetensors"


class _Digests(Set[int]):
    """Numbers in an array. A set of Python's takes ten times the memory and as long to make as a sentence to
    translate."""

    def __init__(self, numbers: NDArray[np.uint32]) -> None:
        is_ascending = bool((numbers[1:] > numbers[:-1]).all())
        self._numbers = (numbers if is_ascending else np.unique(numbers)).data

    @classmethod
    def _from_iterable(cls, numbers: Iterable[int]) -> frozenset[int]:  # type: ignore[override]
        return frozenset(numbers)  # unions and differences are made in training alone

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True, slots=True)
class KnownWords:
    """Digests by language.

    digests: of the words that are translated.
    names:   of the words that translations copy; frequent ones are among the others as well.
    proper:  of the translated words that begin with a capital within a sentence, such as "French"; none of a language
             that writes most words so.
    phrases: of pairs of words that both begin with a capital there and are translated, such as "prime minister".
    """

    digests: Mapping[str, Set[int]]
    names: Mapping[str, Set[int]] = field(default_factory=dict)
    proper: Mapping[str, Set[int]] = field(default_factory=dict)
    phrases: Mapping[str, Set[int]] = field(default_factory=dict)

    def has(self, language: str) -> bool:
        """Whether the words of a language are known at all."""
        return bool(self.digests.get(language))

    def has_proper(self, language: str) -> bool:
        """Whether it is known which words of a language begin with a capital."""
        return bool(self.proper.get(language))

    def knows(self, word: str, language: str) -> bool:
        """Whether a word, in any case, is among those of a language."""
        return _digest(word) in self.digests[language]

    def copies(self, word: str, language: str) -> bool:
        """Whether a word is a name in a language."""
        return _digest(word) in self.names.get(language, ())

    def is_proper(self, word: str, language: str) -> bool:
        """Whether a word always begins with a capital."""
        return _digest(word) in self.proper.get(language, ())

    def translates_phrase(self, phrase: str, language: str) -> bool:
        """Whether two words with capitals, and a space between them, are translated."""
        return _digest(phrase) in self.phrases.get(language, ())

    def joined(self, later: "KnownWords") -> "KnownWords":
        """These words and those of a later training, which may have taught to translate what was copied."""

        def unite(ours: Mapping[str, Set[int]], theirs: Mapping[str, Set[int]]) -> dict[str, Set[int]]:
            return {key: ours.get(key, frozenset()) | theirs.get(key, frozenset()) for key in {**ours, **theirs}}

        still = {key: some - later.digests.get(key, frozenset()) for key, some in self.names.items()}
        return KnownWords(
            unite(self.digests, later.digests),
            unite(still, later.names),
            unite(self.proper, later.proper),
            unite(self.phrases, later.phrases),
        )

    @classmethod
    def of(
        cls,
        words: Mapping[str, Iterable[str]],
        names: Mapping[str, Iterable[str]] | None = None,
        proper: Mapping[str, Iterable[str]] | None = None,
        phrases: Mapping[str, Iterable[str]] | None = None,
    ) -> "KnownWords":
        """From the words of each language."""
        return cls(
            *(
                {key: frozenset(map(_digest, some)) for key, some in (kind or {}).items()}
                for kind in (words, names, proper, phrases)
            )
        )


NO_KNOWN_WORDS = KnownWords({})

_KINDS = ("names", "proper", "phrases")


def _digest(word: str) -> int:
    return crc32(word.casefold().encode("utf-8", "surrogatepass"))


def read_known_words(folder: Path) -> KnownWords:
    """Those of a bundle; none if it has no such file. Raises InvalidInputError that names a damaged one."""
    path = folder / WORDS_FILE
    if not path.exists():
        return NO_KNOWN_WORDS
    try:
        arrays = view_tensors(read_file(path))
    except ValueError as error:
        raise InvalidInputError(f"{path}: no safetensors file: {error}") from error
    if any(array.dtype != np.uint32 or array.ndim != 1 for array in arrays.values()):
        raise InvalidInputError(f"{path}: must have one list of 32-bit numbers for each language")
    kinds: dict[str, dict[str, Set[int]]] = {kind: {} for kind in ("", *_KINDS)}
    for key, array in arrays.items():
        language, _, kind = key.partition(" ")
        if kind in kinds:
            kinds[kind][language] = _Digests(array)
    return KnownWords(*kinds.values())


def write_known_words(folder: Path, words: KnownWords) -> None:
    """Writes them into a bundle."""
    write_atomically(folder / WORDS_FILE, pack_known_words(words))


def pack_known_words(words: KnownWords) -> bytes:
    """The content of words.safetensors."""
    arrays = {
        f"{language} {kind}".rstrip(): np.array(sorted(some), np.uint32)
        for kind, by_language in zip(
            ("", *_KINDS), (words.digests, words.names, words.proper, words.phrases), strict=True
        )
        for language, some in by_language.items()
    }
    return save(arrays)
