"""HTML put together from the translations of its parts."""

import pytest

from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.contents import MarkedPart, render
from dragoman.translation.markup.document import Document, TranslatedText
from dragoman.translation.results import Translation, TranslationWarning, WarningKind

HTML = "<p>One</p><p>Two</p>"


def part(text: str, weight: int, quality: float | None, *kinds: WarningKind) -> MarkedPart:
    warnings = tuple(TranslationWarning(kind, (0, place), (0, 1)) for place, kind in enumerate(kinds))
    return MarkedPart(TranslatedText(text), -float(weight), weight, quality, warnings)


def translate(*parts: MarkedPart) -> Translation:
    result = render(HTML, Document(HTML, "en"), parts)
    assert isinstance(result, Translation)
    return result


def test_the_warnings_of_a_text_concern_its_part_of_the_document() -> None:
    translation = translate(part("Eins", 1, 0.5), part("Zwei", 3, 0.25, "repeats", "repeats", "cut_off"))
    assert translation.text == "<p>Eins</p><p>Zwei</p>"
    assert [warning.kind for warning in translation.warnings] == ["repeats", "cut_off"]
    for warning in translation.warnings:
        assert (HTML[slice(*warning.source)], translation.text[slice(*warning.target)]) == ("Two", "Zwei")


def test_score_and_quality_are_means_by_length() -> None:
    translation = translate(part("Eins", 1, 0.5), part("Zwei", 3, 0.25))
    assert translation.score == pytest.approx(-2.5)
    assert translation.quality == pytest.approx(0.3125)
    assert translate(part("Eins", 1, None), part("Zwei", 3, 0.25)).quality == 0.25
    assert translate(part("Eins", 1, None), part("Zwei", 0, None)).quality is None
    nothing = render("<br>", Document("<br>", "en"), [])
    assert isinstance(nothing, Translation)
    assert (nothing.score, nothing.quality, nothing.warnings) == (0.0, None, ())


def test_the_first_failure_is_the_document_s() -> None:
    failure = TextFailure("too long")
    assert render(HTML, Document(HTML, "en"), [part("Eins", 1, 0.5), failure]) is failure
