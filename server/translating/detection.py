"""Language detection for the service, off its event loop."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.server.translating.preparing import chunks
from dragoman.translation.languages import LanguageIdentifier

MAX_EXAMINED_LENGTH = 4096
"""Characters of a text that are examined: more of them make the detection slower, not better."""

CHUNK_WORK = 50_000
"""Approximate number of characters between checks for cancellation: about 20 ms."""

TEXT_WORK = 500
"""Fixed cost of a text, in characters."""

SURE = 0.8
"""Least share of the target language, among target and possible source languages, at which a text is not translated:
for a few letters the detection is a mere guess."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible language of a text, and its probability."""

    language: str
    confidence: float


class LanguageDetector:
    """Detects languages. The first detection loads the model, which takes a second or two."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._identifier: LanguageIdentifier | None = None

    async def detect(self, texts: Sequence[str], max_candidates: int = 1) -> list[list[Candidate]]:
        """For each text its `max_candidates` most likely languages, best first; none if it has no letters. Runs on
        threads of the event loop's executor; cancelling ends it soon.

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
        """The language of a text: the most likely of the possible sources, or the target if its share reaches SURE.
        None if the text has no letters, or if no source can be detected. Regions ("pt-BR") are ignored. For any thread;
        the first call is slow."""
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
    """Cost of detecting a text's language, in characters."""
    return min(len(text), MAX_EXAMINED_LENGTH) + TEXT_WORK
