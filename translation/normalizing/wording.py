"""A sentence's words as a model reads them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.translation.drafts import Change
from dragoman.translation.normalizing.capitals import TrueCaser, is_in_capitals, is_title, raise_capitals
from dragoman.translation.normalizing.characters import Cleaner
from dragoman.translation.normalizing.clauses import Clause, as_sentence, split_conjunction
from dragoman.translation.normalizing.foreign import common_words, find_repeats, is_in_target, is_noise
from dragoman.translation.normalizing.untranslatable import has_words

_STOPS = ".!?…"
_HEADING = re.compile(r"\W{0,3}(?:[A-ZÄÖÜẞ]{2,}[\s'’-]*)+(?=:\s+\S)")


@dataclass(frozen=True, slots=True)
class Lowered:
    """The change of a sentence in capitals. language: of the translation."""

    language: str

    def undo(self, target: str) -> str:
        """See `Change`."""
        return raise_capitals(target, self.language)


@dataclass(frozen=True, slots=True)
class Unstopped:
    """The mark of a heading without a stop: its translation has none either."""

    def undo(self, target: str) -> str:
        """See `Change`."""
        return target.rstrip(_STOPS) or target


@dataclass(frozen=True, slots=True)
class Repeated:
    """The change of words that are repeated into these words alone.

    count:  how often they come.
    between, end: what stands between two of them, and behind the last.
    """

    count: int
    between: str
    end: str

    def undo(self, target: str) -> str:
        """See `Change`."""
        unit = target.rstrip(_STOPS + ",;")
        if self.between[:1] not in _STOPS:
            unit = self.between.join([unit, *[unit[:1].lower() + unit[1:]] * (self.count - 1)])
        else:
            unit = self.between.join([unit] * self.count)
        return unit + self.end


class Normalizer:
    """Writes sentences as a model's corpus had them. Safe to use from several threads."""

    def __init__(self, vocabulary: Codec, lowers_titles: Callable[[str], bool] = lambda language: True) -> None:
        """lowers_titles: whether headings of a language are lowered: where no names are known, they are better left."""
        self._lowers_titles = lowers_titles
        source, target = vocabulary.source, vocabulary.target
        self._source = source
        self._cleaner: Callable[[str], Cleaner] = lru_cache(lambda language: Cleaner(source, language))
        self._source_caser: Callable[[str], TrueCaser] = lru_cache(lambda language: TrueCaser(source, language))
        self._target_caser: Callable[[str], TrueCaser] = lru_cache(lambda language: TrueCaser(target, language))

    def is_kept(self, sentence: str, direction: Direction) -> bool:
        """Whether a sentence is its own translation: it has no words, is in the target language, or is noise."""
        if not has_words(sentence):
            return True
        # Most sentences of the source language have a common word, and need no further look.
        if not common_words(direction.source).isdisjoint(sentence.lower().split()):
            return False
        return (
            is_in_target(sentence, direction.source, direction.target)
            or is_noise(sentence, self._source)
            or self._repeats_noise(sentence)
        )

    def _repeats_noise(self, sentence: str) -> bool:
        """Whether a sentence repeats words that the vocabulary does not have."""
        repeated = _find_repeated(sentence)
        return repeated is not None and all(len(self._source.encode(word)) > 1 for word in repeated[0].split())

    def normalize(
        self, sentence: str, direction: Direction, clause: Clause | None = None
    ) -> tuple[str, tuple[Change, ...]]:
        """The sentence, or the clause of one, for the model, and the changes that its translation needs to have
        undone."""
        text = self._cleaner(direction.source).clean(sentence)
        changes: list[Change] = []
        repeated = None if clause is not None else _find_repeated(text)
        if repeated is not None:
            text, change = repeated
            changes.append(change)
        caser = self._source_caser(direction.source)
        is_capital = is_in_capitals(text)
        if is_capital:
            lowered = caser.lower(text)
            if lowered != text:
                text = lowered
                changes.append(Lowered(direction.target))
        else:
            is_capital = is_title(text, direction.source)
            lower = caser.lower_emphasis if not is_capital else caser.lower_title
            text = lower(text) if not is_capital or self._lowers_titles(direction.source) else text
        if clause is not None:
            if not clause.is_first:
                text, conjunction = split_conjunction(text, direction)
                clause = replace(clause, begin=conjunction)
            text = as_sentence(text)
            changes.append(clause)
        elif (is_capital or repeated is not None) and text[-1:].isalnum():
            changes.append(Unstopped())
        return text, tuple(changes)

    def lower_word(self, word: str, language: str) -> str:
        """The first word of a translation as it is written within a sentence."""
        return self._target_caser(language).lower_word(word)


def _find_repeated(text: str) -> tuple[str, Repeated] | None:
    """The words that a text repeats, and the change; None if it repeats none."""
    found = find_repeats(text)
    if found is None:
        return None
    words, count = found
    unit = words.rstrip(_STOPS + ",;")
    stripped = text.rstrip()
    return unit, Repeated(count, words[len(unit) :] + " ", stripped[len(stripped.rstrip(_STOPS + ",;")) :])


def heading_end(sentence: str) -> int:
    """The end of a heading in capitals before the colon of a sentence that is not in capitals; 0 without one."""
    match = _HEADING.match(sentence)
    return 0 if match is None or not any(map(str.islower, sentence[match.end() :])) else match.end()
