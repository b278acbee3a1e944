"""The engine without the service, in a process of its own."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dragoman.model.decoding.request import Finished
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.translating.detection import LanguageDetector
from dragoman.translation.results import Translation
from dragoman.translation.translator import Translator
from tests.benchmarks.processes import serve
from tests.benchmarks.service.reference import SEARCHES, Expected, ExpectedScore, Reference


class BareSide:
    """See the methods; `load` comes first."""

    def load(self, bundle: str) -> None:
        """With the settings that a server has by default."""
        self._translator = Translator.load(bundle)

    def translate(self, texts: Sequence[str], to: str) -> dict[str, float]:
        """Seconds for all texts, and seconds of processors."""
        started, used = time.perf_counter(), time.process_time()
        self._translator.translate(texts, to)
        return {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - used}

    def latency(self, text: str, to: str) -> float:
        """Seconds for one text."""
        started = time.perf_counter()
        self._translator.translate(text, to)
        return time.perf_counter() - started

    def write_reference(self, texts: dict[str, Sequence[str]], path: str, pairs_of: str | None = None) -> None:
        """texts: by source language, "en" or "de"; each goes into the other language with all of SEARCHES. pairs_of:
        another reference, whose pairs are to be scored."""
        expected, scores = [], []
        for source, target in (("en", "de"), ("de", "en")):
            for search, options in SEARCHES.items():
                translations = self._translate_all(texts[source], target, options)
                expected += [
                    Expected(
                        translation.source,
                        source,
                        target,
                        search,
                        tuple(hypothesis.text for hypothesis in translation.hypotheses),
                        tuple(hypothesis.score for hypothesis in translation.hypotheses),
                    )
                    for translation in translations
                ]
            if pairs_of is None:
                scores += self._score_all(translations, source, target)
        if pairs_of is not None:
            scores = [self._score(pair) for pair in Reference.read(Path(pairs_of)).scores]
        languages = asyncio.run(self._detect_all([*texts["en"], *texts["de"]]))
        Reference.of(self._translator.revision, expected, scores, languages).write(Path(path))

    def _translate_all(self, texts: Sequence[str], to: str, options: Any) -> list[Translation]:
        return self._translator.translate(texts, to, **options)

    def _score_all(self, translations: Sequence[Translation], source: str, target: str) -> list[ExpectedScore]:
        """Of single sentences, each with its own translation and with the next one's."""
        short = [item for item in translations if "\n" not in item.source and len(item.source) < 200]
        pairs = {(one.source, text) for one, other in itertools.pairwise(short) for text in (one.text, other.text)}
        return [
            self._score(ExpectedScore(*pair, source, target, 0.0))
            for pair in sorted(pairs)
            if all(side.strip() for side in pair)
        ]

    def _score(self, pair: ExpectedScore) -> ExpectedScore:
        """The pair with the score that it must get."""
        direction = self._translator.find_direction(pair.source_language, pair.target_language)
        prepared = self._translator.prepare_score(pair.source, pair.target, direction, SearchOptions())
        engine = self._translator.engine
        engine.admit(prepared.requests(itertools.count()))
        found = engine.step()
        while engine.num_active:
            found += engine.step()
        (finished,) = found
        assert isinstance(finished, Finished)
        return replace(pair, score=self._translator.finish_score(prepared, [finished.hypotheses]).score)

    async def _detect_all(self, texts: Sequence[str]) -> dict[str, str]:
        detector = LanguageDetector()
        candidates = await detector.detect(texts, 1)
        return {text: found[0].language for text, found in zip(texts, candidates, strict=True) if found}


if __name__ == "__main__":
    serve(BareSide())
