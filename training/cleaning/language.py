"""Sides in another language than they should be."""

from collections.abc import Sequence

from dragoman.training.cleaning.filters import SIDES, PairFilter
from dragoman.training.cleaning.pairs import Pair
from dragoman.translation.languages import LanguageIdentifier


class WrongLanguage(PairFilter):
    """Rejects a side that is likeliest in another language, if it is all but sure not to be in its own.

    Sides with fewer letters than `min_letters` are not judged: of "Tom kam." nobody knows the language by its letters.
    """

    name = "language"

    def __init__(
        self, languages: Sequence[str], *, min_probability: float, min_letters: int, identifier: LanguageIdentifier
    ) -> None:
        """languages: of source and target. Raises InvalidInputError for one that cannot be identified."""
        identifier.check(languages)
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
