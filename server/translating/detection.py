"""Guesses the languages of texts for the service, without holding up its event loop."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.translation.languages import LanguageIdentifier

MAX_EXAMINED_LENGTH = 4096
"""Characters of a text that are looked at: more of them make the guess no better, only slower."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A language that a text may be in, and how sure that is, from 0 to 1."""

    language: str
    confidence: float


class LanguageDetector:
    """Guesses on threads of the event loop's executor. The first guess loads the model, which takes a second or two."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._identifier: LanguageIdentifier | None = None

    async def detect(self, texts: Sequence[str], max_candidates: int = 1) -> list[list[Candidate]]:
        """For each text the likeliest languages, at most so many, likeliest first; none if it has no letters.

        Raises DragomanError if the model cannot be loaded.
        """
        return await asyncio.to_thread(self._detect, texts, max_candidates)

    async def detect_among(self, text: str, languages: frozenset[str]) -> str | None:
        """The likeliest of the languages, whose regions ("pt-BR") play no part; None if the text has no letters, or if
        none of them can be detected."""
        return await asyncio.to_thread(self._detect_among, text, languages)

    def _detect(self, texts: Sequence[str], max_candidates: int) -> list[list[Candidate]]:
        return [
            [Candidate(language, confidence) for language, confidence in self._rank(text)[:max_candidates]]
            for text in texts
        ]

    def _detect_among(self, text: str, languages: frozenset[str]) -> str | None:
        for candidate, _ in self._rank(text):
            for language in sorted(languages):
                if self._load().is_same(candidate, language):
                    return language
        return None

    def _rank(self, text: str) -> list[tuple[str, float]]:
        examined = text.lstrip()[:MAX_EXAMINED_LENGTH]
        return self._load().rank(examined) if any(map(str.isalpha, examined)) else []

    def _load(self) -> LanguageIdentifier:
        with self._loading:
            if self._identifier is None:
                self._identifier = LanguageIdentifier()
            return self._identifier
