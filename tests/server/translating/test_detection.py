"""Guessing languages for the service."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from dragoman.server.translating import detection as language_detection
from dragoman.server.translating.detection import CHUNK_WORK, MAX_EXAMINED_LENGTH, LanguageDetector

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
    assert detector.choose(text, ["de", "en"], "fr") is None


def test_the_likeliest_of_the_possible_sources_is_chosen(detector: LanguageDetector) -> None:
    assert detector.choose(GERMAN, ["de", "en"], "fr") == "de"
    assert detector.choose(GERMAN, ["en", "fr"], "it") in {"en", "fr"}
    assert detector.choose(ENGLISH, ["de", "en-GB"], "fr") == "en-GB"
    assert detector.choose(ENGLISH, ["tlh"], "fr") is None


def test_a_text_in_the_target_language_is_recognized_unless_that_is_a_mere_guess(detector: LanguageDetector) -> None:
    assert detector.choose(ENGLISH, ["de"], "en-US") == "en-US"
    assert detector.choose("Hello", ["de"], "en") == "de"
    assert detector.choose(GERMAN, ["de"], "en") == "de"


def test_a_call_that_is_given_up_is_examined_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    examined: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    class Held:
        def rank(self, text: str) -> list[tuple[str, float]]:
            examined.append(text)
            begun.set()
            assert go_on.wait(30)
            return [("en", 1.0)]

    monkeypatch.setattr(language_detection, "LanguageIdentifier", Held)

    async def main() -> None:
        task = asyncio.ensure_future(LanguageDetector().detect(["a" * CHUNK_WORK] * 100))
        assert await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(main())
    assert len(examined) < 20


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
