"""Guessing languages for the service."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from dragoman.server.translating import detection as language_detection
from dragoman.server.translating.detection import MAX_EXAMINED_LENGTH, LanguageDetector

Result = TypeVar("Result")

ENGLISH = "The weather is lovely this morning."
GERMAN = "Heute Morgen ist das Wetter wunderschön."


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


def run(answer: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(answer)


def test_the_likeliest_languages_come_first(detector: LanguageDetector) -> None:
    english, german = run(detector.detect([ENGLISH, GERMAN], 3))
    assert [len(english), len(german)] == [3, 3]
    assert (english[0].language, german[0].language) == ("en", "de")
    assert english[0].confidence > 0.9
    assert english[0].confidence >= english[1].confidence >= english[2].confidence
    assert [[candidate.language for candidate in found] for found in run(detector.detect([GERMAN]))] == [["de"]]


def test_all_languages_together_are_certain(detector: LanguageDetector) -> None:
    ((*candidates,),) = run(detector.detect([ENGLISH], 1000))
    assert len(candidates) > 100
    assert sum(candidate.confidence for candidate in candidates) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["", "  ", "42 + 7 = 49 %", "…!?", "\x00"])
def test_without_letters_there_is_nothing_to_guess(detector: LanguageDetector, text: str) -> None:
    assert run(detector.detect([text, ENGLISH], 2))[0] == []
    assert run(detector.detect_among(text, frozenset({"en", "de"}))) is None


def test_among_given_languages(detector: LanguageDetector) -> None:
    assert run(detector.detect_among(GERMAN, frozenset({"en", "de"}))) == "de"
    assert run(detector.detect_among(GERMAN, frozenset({"en", "fr"}))) in {"en", "fr"}
    assert run(detector.detect_among(ENGLISH, frozenset({"en-GB", "de"}))) == "en-GB"
    assert run(detector.detect_among(ENGLISH, frozenset({"tlh"}))) is None


def test_the_model_is_loaded_once_and_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    class Fake:
        def __init__(self) -> None:
            loaded.append(self)

        def rank(self, text: str) -> list[tuple[str, float]]:
            return [(f"{len(text)}", 1.0)]

    monkeypatch.setattr(language_detection, "LanguageIdentifier", Fake)

    async def main() -> None:
        detector = LanguageDetector()
        assert await detector.detect(["42"]) == [[]]
        assert loaded == []
        await asyncio.gather(*(detector.detect(["abc"]) for _ in range(8)))
        ((found,),) = await detector.detect([" " * 10_000 + "a" * 10_000])
        assert found.language == str(MAX_EXAMINED_LENGTH)  # a longer text is not walked through

    asyncio.run(main())
    assert len(loaded) == 1
