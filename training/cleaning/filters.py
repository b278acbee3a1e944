"""What is wrong with a pair of sentences: one small class for each fault. `cleaner.make_filters` puts them in order."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.model.errors import InvalidInputError
from dragoman.training.cleaning.pairs import Pair
from dragoman.translation.languages import LanguageIdentifier

SIDES = ("source", "target")

_INVISIBLE = " \t\r\v\f\u00a0\u00ad\u200b\u200c\u200d\u2060\u3000\ufeff"
BROKEN_CHARACTER = re.compile(
    # Not among them: tab; zero-width characters and direction marks, which several scripts need.
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ue000-\uf8ff]"
)
_MARKUP = re.compile(
    r"</?[a-z][a-z0-9]*(\s[^<>]*)?/?>|<!--|&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,6});|\b(?:https?://|www\.)\S", re.I
)
_NUMBER = re.compile(r"\d+(?:[.,:'’\u00a0\u202f]\d+)*")
_NO_DIGIT = re.compile(r"\D")


class Filter(ABC):
    """Finds pairs with one kind of fault."""

    name: str
    """The filter's name in options and reports."""

    @property
    @abstractmethod
    def meaning(self) -> str:
        """The pairs that it rejects, in words, with its thresholds."""

    @abstractmethod
    def find_faults(self, pairs: Sequence[Pair]) -> list[str | None]:
        """Each pair's fault in a few words, or None. Pairs come in the order of the corpus."""


class PairFilter(Filter):
    """A filter that looks at each pair alone."""

    @abstractmethod
    def find_fault(self, pair: Pair) -> str | None: ...

    def find_faults(self, pairs: Sequence[Pair]) -> list[str | None]:
        return [self.find_fault(pair) for pair in pairs]


class SideFilter(PairFilter):
    """A filter that looks at each side alone."""

    @abstractmethod
    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None: ...

    def find_fault(self, pair: Pair) -> str | None:
        if fault := self.find_side_fault(pair.source, pair.source_words):
            return f"source {fault}"
        if fault := self.find_side_fault(pair.target, pair.target_words):
            return f"target {fault}"
        return None


class InvalidUtf8(PairFilter):
    name = "utf8"
    meaning = "a line that is not valid UTF-8"

    def find_fault(self, pair: Pair) -> str | None:
        return "bytes that are no UTF-8" if pair.undecodable else None


class Blank(SideFilter):
    name = "blank"
    meaning = "a side without any visible character"

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        return None if words and text.strip(_INVISIBLE) else "is blank"


class BrokenCharacters(SideFilter):
    name = "characters"
    meaning = "control characters, private-use characters, or U+FFFD, which stands for lost ones"

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        if text.isascii() and text.isprintable():  # most texts; much faster than the expression
            return None
        found = BROKEN_CHARACTER.search(text)
        return f"has U+{ord(found[0]):04X}" if found else None


@dataclass(frozen=True)
class Length(SideFilter):
    """Bounds of a side's length; a maximum of 0 means no bound."""

    min_characters: int
    max_characters: int
    min_words: int
    max_words: int
    name = "length"

    @property
    def meaning(self) -> str:
        bounds = [
            _bounds(self.min_characters, self.max_characters, "characters"),
            _bounds(self.min_words, self.max_words, "words"),
        ]
        return f"a side without {' or '.join(bounds)}"

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        if len(text) < self.min_characters or len(text) > self.max_characters > 0:
            return f"has {len(text):,} characters"
        if len(words) < self.min_words or len(words) > self.max_words > 0:
            return f"has {len(words):,} words"
        return None


def _bounds(minimum: int, maximum: int, unit: str) -> str:
    return f"{minimum} to {maximum:,} {unit}" if maximum else f"at least {minimum} {unit}"


@dataclass(frozen=True)
class LengthRatio(PairFilter):
    """Ratio of the longer side to the shorter, in characters and in words. Characters of syllabic scripts count twice,
    Han characters three times. Pairs whose longer side has fewer than
    `min_characters` characters pass, since the translation of a few words may need many.

    compare_words: False if a language has no spaces between words.
    """

    max_ratio: float
    min_characters: int
    compare_words: bool = True
    name = "ratio"

    @property
    def meaning(self) -> str:
        units = "characters or words" if self.compare_words else "characters"
        return (
            f"one side more than {self.max_ratio:g} times as long as the other, in {units} "
            f"(from {self.min_characters} characters)"
        )

    def find_fault(self, pair: Pair) -> str | None:
        num_source, num_target = len(pair.source), len(pair.target)
        if max(num_source, num_target) < self.min_characters:
            return None
        if self._exceeds(num_source, num_target) and self._exceeds(
            _count_letters(pair.source), _count_letters(pair.target)
        ):
            return f"{num_source:,} to {num_target:,} characters"
        num_source, num_target = len(pair.source_words), len(pair.target_words)
        if self.compare_words and self._exceeds(num_source, num_target):
            return f"{num_source:,} to {num_target:,} words"
        return None

    def _exceeds(self, num_source: int, num_target: int) -> bool:
        return max(num_source, num_target) > self.max_ratio * min(num_source, num_target)


def _count_letters(text: str) -> int:
    """Characters, of which those that write a syllable or a word count as many as an alphabet needs for it."""
    if text.isascii():
        return len(text)
    return len(text) + (_HAN_LETTERS - 1) * len(_HAN.findall(text)) + len(_SYLLABLES.findall(text))


_HAN, _HAN_LETTERS = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]"), 3
_SYLLABLES = re.compile(
    "[\u1200-\u139f\u13a0-\u13ff\uab70-\uabbf\u1400-\u167f\u3041-\u30ff\ua000-\ua4cf\ua500-\ua63f\uac00-\ud7a3]"
)
"""Ethiopic, Cherokee, Canadian syllabics, kana, Yi, Vai, Hangul."""


@dataclass(frozen=True)
class FewLetters(SideFilter):
    """Least share of letters among the characters other than spaces; combining marks count as letters."""

    min_share: float
    name = "letters"

    @property
    def meaning(self) -> str:
        return f"a side with less than {self.min_share:.0%} letters: numbers, tables, punctuation"

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        wanted = self.min_share * len(text)
        for word in words:  # usually some words are enough
            if word.isalpha():
                wanted -= len(word)
                if wanted <= 0:
                    return None
        num_characters = sum(map(len, words))
        num_letters = sum(unicodedata.category(character)[0] in "LM" for word in words for character in word)
        if num_letters >= self.min_share * num_characters:
            return None
        return f"has {num_letters} letters in {num_characters} characters"


@dataclass(frozen=True)
class Copy(PairFilter):
    """Largest share of the longer side's words that both sides have, regardless of case and order.

    Pairs whose longer side has fewer than `min_words` words pass: "Tom?" and "Hurra!" are translations.
    """

    max_overlap: float
    min_words: int
    name = "copy"

    @property
    def meaning(self) -> str:
        return f"sides that share more than {self.max_overlap:.0%} of their words (from {self.min_words} words)"

    def find_fault(self, pair: Pair) -> str | None:
        num_words = max(len(pair.source_words), len(pair.target_words))
        if num_words < self.min_words:
            return None
        if pair.source == pair.target:
            return "source and target are equal"
        source, target = pair.source.casefold().split(), pair.target.casefold().split()
        different_source, different_target = set(source), set(target)
        most_shared = min(
            len(source) - len(different_source - different_target),
            len(target) - len(different_target - different_source),
        )
        if most_shared <= self.max_overlap * num_words:  # usually; counting takes longer
            return None
        num_shared = (Counter(source) & Counter(target)).total()
        return f"{num_shared} of {num_words} words are equal" if num_shared > self.max_overlap * num_words else None


@dataclass(frozen=True)
class Repetition(SideFilter):
    """Longest runs of one character within a word, and of one word, that are allowed."""

    max_characters: int
    max_words: int
    name = "repetition"

    @property
    def meaning(self) -> str:
        return (
            f"a side with one character more than {self.max_characters} times, or one word more than "
            f"{self.max_words} times, on end"
        )

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        for word in words:
            # A run of n leaves at most len - n + 1 different characters: a quick no for nearly all words.
            if len(word) > self.max_characters and len(set(word)) <= len(word) - self.max_characters:
                length, repeated = _longest_run(word)
                if length > self.max_characters:
                    return f"has {repeated!r} {length} times on end"
        if len(words) > self.max_words:
            bare = [word.casefold().strip(".,!?;:") for word in words]
            if len(set(bare)) <= len(words) - self.max_words:
                length, repeated = _longest_run(bare)
                if length > self.max_words:
                    return f"has {repeated!r} {length} times on end"
        return None


def _longest_run(items: Sequence[str]) -> tuple[int, str]:
    best = (0, "")
    run = 0
    for position, item in enumerate(items):
        run = run + 1 if position and item == items[position - 1] else 1
        best = max(best, (run, item))
    return best


class Markup(SideFilter):
    name = "markup"
    meaning = "a side with HTML tags, HTML entities or web addresses"

    def find_side_fault(self, text: str, words: Sequence[str]) -> str | None:
        if not any(sign in text for sign in ("<", "&", "://", "www.", "WWW.")):
            return None
        found = _MARKUP.search(text)
        return f"has {found[0][:20]!r}" if found else None


class Numbers(PairFilter):
    name = "numbers"
    meaning = "a number in digits that the other side has not, separators apart"

    def find_fault(self, pair: Pair) -> str | None:
        source, target = (_find_numbers(text) for text in (pair.source, pair.target))
        if source == target:
            return None
        return f"source has {_name_all(source - target)}, target has {_name_all(target - source)}"


def _find_numbers(text: str) -> set[int]:
    """1,000.50 and 1.000,50 are alike, and so are 05 and 5, and the digits of all scripts."""
    return {int(_NO_DIGIT.sub("", found)[:100]) for found in _NUMBER.findall(text)}


def _name_all(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)[:5])) or "no other"


class WrongLanguage(PairFilter):
    """Rejects a side that is most probably in another language, if its own language is very improbable.

    Sides with fewer letters than `min_letters` pass: the letters of "Tom kam." do not determine its language.
    """

    name = "language"

    def __init__(
        self, languages: Sequence[str], *, min_probability: float, min_letters: int, identifier: LanguageIdentifier
    ) -> None:
        """languages: of source and target. Raises InvalidInputError for one that cannot be identified."""
        for language in languages:
            if not identifier.knows(language):
                raise InvalidInputError(
                    f"language identification does not know the language {language!r}: leave it out, --off language"
                )
        self._languages = languages
        self._min_probability = min_probability
        self._min_letters = min_letters
        self._identifier = identifier

    @property
    def meaning(self) -> str:
        source, target = self._languages
        return (
            f"a source that is not {source}, or a target that is not {target}: of a probability below "
            f"{self._min_probability:g} (from {self._min_letters} letters)"
        )

    def find_fault(self, pair: Pair) -> str | None:
        for side, language, text in zip(SIDES, self._languages, (pair.source, pair.target), strict=True):
            if len(text) < self._min_letters or sum(map(str.isalpha, text)) < self._min_letters:
                continue
            found, found_probability = self._identifier.identify(text)
            if self._identifier.is_same(found, language):
                continue
            probability = self._identifier.probability(text, language)
            if probability < self._min_probability:
                return f"{side} is {found} ({found_probability:.2f}) rather than {language} ({probability:.3f})"
        return None
