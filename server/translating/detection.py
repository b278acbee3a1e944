"""Guesses the languages of texts for the service, without holding up its event loop."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.server.translating.preparing import chunks
from dragoman.translation.languages import LanguageIdentifier

MAX_EXAMINED_LENGTH = 4096
"""Characters of a text that are looked at: more of them make the guess no better, only slower."""

CHUNK_WORK = 50_000
"""Characters, about, that are examined before the call may be given up: some 20 ms."""

TEXT_WORK = 500
"""Characters that examining a text costs beside its own."""

SURE = 0.8
"""Least share of the target language, among it and the possible source languages, at which a text is not translated: a
few letters are a mere guess."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A language that a text may be in, and how sure that is, from 0 to 1."""

    language: str
    confidence: float


class LanguageDetector:
    """The first guess loads the model, which takes a second or two."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._identifier: LanguageIdentifier | None = None

    async def detect(self, texts: Sequence[str], max_candidates: int = 1) -> list[list[Candidate]]:
        """For each text the likeliest languages, at most `max_candidates`, likeliest first; none if it has no letters.
        On threads of the event loop's executor; cancelling ends it soon.

        Raises DragomanError if the model cannot be loaded.
        """

        def detect(chunk: Sequence[str]) -> list[list[Candidate]]:
            return [
                [Candidate(language, confidence) for language, confidence in self._rank(text)[:max_candidates]]
                for text in chunk
            ]

        found: list[list[Candidate]] = []
        for chunk in chunks(texts, examination_work, CHUNK_WORK):
            found += await asyncio.to_thread(detect, chunk)
        return found

    def choose(self, text: str, sources: Sequence[str], target: str) -> str | None:
        """The language of a text: the likeliest of the possible sources, or the target where that is rather sure. None
        if the text has no letters, or if none of the sources can be detected. Regions ("pt-BR") play no part. For any
        thread; the first call takes its time."""
        ranked = self._rank(text)
        if not ranked:
            return None
        identifier = self._load()

        def probability(language: str) -> float:
            return sum(share for candidate, share in ranked if identifier.is_same(candidate, language))

        by_source = {source: probability(source) for source in sources}
        of_target = probability(target)
        of_sources = sum(by_source.values())
        is_likeliest = identifier.is_same(ranked[0][0], target)
        if is_likeliest if not of_sources else of_target >= SURE * (of_target + of_sources):
            return target
        best = max(sources, key=lambda source: by_source[source])
        return best if by_source[best] else None

    def _rank(self, text: str) -> list[tuple[str, float]]:
        examined = text.lstrip()[:MAX_EXAMINED_LENGTH]
        return self._load().rank(examined) if any(map(str.isalpha, examined)) else []

    def _load(self) -> LanguageIdentifier:
        with self._loading:
            if self._identifier is None:
                self._identifier = LanguageIdentifier()
            return self._identifier


def examination_work(text: str) -> int:
    """How much work it is to guess a text's language, in characters."""
    return min(len(text), MAX_EXAMINED_LENGTH) + TEXT_WORK
