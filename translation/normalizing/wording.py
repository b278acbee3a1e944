"""A sentence's words as a model reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.translation.drafts import Change
from dragoman.translation.normalizing.capitals import TrueCaser, is_in_capitals, is_title, raise_capitals
from dragoman.translation.normalizing.characters import Cleaner


@dataclass(frozen=True, slots=True)
class Lowered:
    """The change of a sentence in capitals. language: of the translation."""

    language: str

    def undo(self, target: str) -> str:
        """See `Change`."""
        return raise_capitals(target, self.language)


class Normalizer:
    """Writes sentences as a model's corpus had them. Safe to use from several threads."""

    def __init__(self, vocabulary: Codec) -> None:
        self._cleaner: Callable[[str], Cleaner] = lru_cache(lambda language: Cleaner(vocabulary.source, language))
        self._source_caser: Callable[[str], TrueCaser] = lru_cache(
            lambda language: TrueCaser(vocabulary.source, language)
        )
        self._target_caser: Callable[[str], TrueCaser] = lru_cache(
            lambda language: TrueCaser(vocabulary.target, language)
        )

    def normalize(self, sentence: str, direction: Direction) -> tuple[str, tuple[Change, ...]]:
        """The sentence for the model, and the changes that its translation needs to have undone."""
        text = self._cleaner(direction.source).clean(sentence)
        if is_in_capitals(text):
            lowered = self._source_caser(direction.source).lower(text)
            return (text, ()) if lowered == text else (lowered, (Lowered(direction.target),))
        if is_title(text, direction.source):
            return self._source_caser(direction.source).lower_title(text), ()
        return self._source_caser(direction.source).lower_emphasis(text), ()

    def lower_word(self, word: str, language: str) -> str:
        """The first word of a translation as it is written within a sentence."""
        return self._target_caser(language).lower_word(word)
