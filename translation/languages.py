"""Which language a text is in, by py3langid: naive Bayes over byte n-grams (Lui and Baldwin 2012), 139 languages,
offline."""

from collections.abc import Iterable

from dragoman.model.errors import DragomanError, InvalidInputError

_WITHOUT_SPACES = frozenset(("bo", "dz", "ja", "km", "lo", "my", "th", "wuu", "yue", "zh"))


def primary_subtag(language: str) -> str:
    """The language without script and region, lower-cased: "zh" of "zh-Hant-TW" (BCP 47)."""
    return language.replace("_", "-").split("-")[0].lower()


def has_spaces(language: str) -> bool:
    """Whether the language puts spaces between its words."""
    return primary_subtag(language) not in _WITHOUT_SPACES


class LanguageIdentifier:
    """Guesses the language of texts; any thread may use it. Loading takes one to two seconds and about 120 MiB."""

    def __init__(self) -> None:
        """Raises DragomanError if the package's model cannot be unpacked into a file."""
        from py3langid.langid import MODEL_FILE  # here: not everybody who may identify languages does
        from py3langid.langid import LanguageIdentifier as ByteModel

        try:
            self._model = ByteModel.from_model_file(MODEL_FILE, norm_probs=True)
        except OSError as error:
            raise DragomanError(
                f"py3langid's model cannot be unpacked among the temporary files (TMPDIR): {error.strerror or error}"
            ) from error
        self.languages = frozenset(self._model.labels)
        """Codes of the languages that it knows, ISO 639-1 where there is one."""

    def check(self, languages: Iterable[str]) -> None:
        """Raises InvalidInputError for a language that it does not know; a region ("pt-BR") plays no part."""
        for language in languages:
            if primary_subtag(language) not in self.languages:
                raise InvalidInputError(f"language identification does not know the language {language!r}")

    def identify(self, text: str) -> tuple[str, float]:
        """The likeliest language and its probability. Of texts with fewer than some 15 letters it is a mere guess."""
        language, probability = self._model.classify(text)
        return str(language), float(probability)

    def rank(self, text: str) -> list[tuple[str, float]]:
        """All languages that it knows with their probabilities, likeliest first."""
        return [(str(language), float(probability)) for language, probability in self._model.rank(text)]

    def probability(self, text: str, language: str) -> float:
        """How likely a text is in a language that it knows, from 0 to 1."""
        return dict(self.rank(text))[primary_subtag(language)]

    def is_same(self, identified: str, language: str) -> bool:
        """Whether an identified language is the named one: "pt" is "pt-BR"."""
        return identified == primary_subtag(language)
