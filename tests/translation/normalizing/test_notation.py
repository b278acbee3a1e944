"""Figures in the target language's notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.normalizing.notation import find_localization, localize_figures
from dragoman.translation.translator import Translator

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("1,234,567.5", "1.234.567,5"),
        ("It costs $1,234.50, or £2.50 a day.", "It costs $1.234,50, or £2,50 a day."),
        ("about 3.5 million, -0.5 °C, 2.5kg and 1,200 m", "about 3,5 million, -0,5 °C, 2,5kg and 1.200 m"),
        ("a 2.5-inch disk for $0.99-1.49", "a 2,5-inch disk for $0,99-1,49"),
        ("Over 4.2 percent", "Over 4,2 percent"),
        ("Net 3.5 million", "Net 3,5 million"),
        ("We close at 3:30 p.m.", "We close at 15:30 Uhr."),
        ("at 9 a.m. sharp, 12:05am, 12 pm", "at 9:00 Uhr sharp, 0:05 Uhr, 12:00 Uhr"),
        ("3:30–4:30 p.m. or 11:30-1 pm", "15:30–16:30 Uhr or 11:30-13:00 Uhr"),
        ("11/28/2026 and 28/11/2026", "28.11.2026 and 28.11.2026"),
        ("4/4/2026", "4.4.2026"),
    ],
)
def test_figures_get_the_notation_of_the_target(english: str, german: str) -> None:
    assert localize_figures(english, "en", "de") == german


@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("1.234.567,5", "1,234,567.5"),
        ("Es kostet 12.500,00 € oder 3,5 %.", "Es kostet 12,500.00 € oder 3.5 %."),
        ("am 28.11.2026 und 3.4.2026", "am 2026-11-28 und 2026-04-03"),
        ("1.500-2.500 Euro", "1,500-2,500 Euro"),
        ("2.000.000.000 bei 1.100.200.250", "2,000,000,000 bei 1.100.200.250"),
    ],
)
def test_the_other_way(german: str, english: str) -> None:
    assert localize_figures(german, "de", "en") == english


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3, v2.0, Python 3.11 or 3.12, Ubuntu 24.04, kernel 5.4, Windows 8.1",
        "the 2.5 release, version 1.5, 1.4-beta",
        "192.168.0.1 and http://example.org/1.5/a, /usr/lib/1.5, a@1.5.org, `x = 1.5`, file-1.5.txt",
        "in 2013, 1999–2004, 10000 people",
        "+49 30 1234567, (030) 123.456, 555-123-4567, +1 212 555.1234, 00 33 123 456 789, call 555.1234",
        "Section 3.2, fig. 1.5, Table 2.1, page 1,234, § 1.5",
        "3.2 Results",
        "at 8.30, until 11.45",
        "03/04/2026, 2026-11-28, 31/31/2026",
        "1,2,3; 1,23; 00.5; 1.234.567,89; 12,34,567",
        "978-3-16-148410-0, 4111 1111 1111 1111, GB29 NWBK 6016 1331 9268 19",
        "13:30 pm, 25 a.m., at 15:30",
    ],
)
def test_what_is_no_number_or_has_two_meanings_stays(text: str) -> None:
    assert localize_figures(text, "en", "de") == text


@pytest.mark.parametrize("text", ["Seite 3,4", "777 123 456", "um 8.30 Uhr, 15:30 Uhr", "Version 1.2.3", "30.2.2026"])
def test_what_stays_in_german(text: str) -> None:
    assert localize_figures(text, "de", "en") == text


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("fr", "1\u202f234,5; 15:30; 28/11/2026"),
        ("pl", "1\u00a0234,5; 15:30; 28.11.2026"),
        ("pt-BR", "1.234,5; 15:30; 28/11/2026"),
        ("fi", "1\u00a0234,5; 15.30; 28.11.2026"),
        ("ja", "1,234.5; 15:30; 2026-11-28"),
        ("xx", "1,234.5; 3:30 pm; 11/28/2026"),
        ("en-GB", "1,234.5; 3:30 pm; 11/28/2026"),
    ],
)
def test_each_language_has_its_notation(target: str, wanted: str) -> None:
    assert localize_figures("1,234.5; 3:30 pm; 11/28/2026", "en", target) == wanted


def test_a_figure_that_is_a_version_elsewhere_stays() -> None:
    localization = find_localization("Python 3.11 costs $3.11, and a pen 3.11 dollars or 1.50", "en", "de")
    assert localization is not None
    assert dict(localization.conversions) == {"$3.11": "$3,11", "1.50": "1,50"}


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**6) | st.none(), st.sampled_from(["de", "fr", "pl", "es"]))
def test_numbers_come_back(whole: int, fraction: int | None, language: str) -> None:
    number = f"{whole:,}" + ("" if fraction is None else f".{fraction}")
    there = localize_figures(f"a {number} b", "en", language)
    assert localize_figures(there, language, "en") == f"a {number} b"


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load("en-de", num_threads=1, max_slots=8)


def test_translations_have_the_notation_if_asked(translator: Translator) -> None:
    text = "It costs $1,234,567.50 at 3:30 p.m. today. Use Python 3.11.\n€ 1,234.50\nThe price is 1,234.50."
    (as_it_is,) = translator.translate(text, "de", source_language="en")
    assert as_it_is.text == translator.translate(text, "de", source_language="en", localize_figures=False)[0].text
    assert "$1,234,567.50" in as_it_is.text
    (localized,) = translator.translate(text, "de", source_language="en", localize_figures=True, return_attention=True)
    first, second, third = localized.text.split("\n")
    for part in ("$1.234.567,50", "15:30 Uhr", " 3.11"):
        assert part in first
    assert (second, "1.234,50" in third) == ("€ 1.234,50", True)
    assert not localized.warnings
    (aligned,) = translator.translate(text, "de", source_language="en", return_attention=True)
    assert localized.hypotheses[0].alignment == aligned.hypotheses[0].alignment != ()


def test_without_words_or_without_protection_too(translator: Translator) -> None:
    found = translator.translate(["€ 1,234.50", "1.2.3"], "de", source_language="en", localize_figures=True)
    assert [one.text for one in found] == ["€ 1.234,50", "1.2.3"]
    (found_plain,) = translator.translate(
        "It weighs 2.5 kg.", "de", source_language="en", localize_figures=True, protect=False
    )
    assert "2,5 kg" in found_plain.text
    (kept,) = translator.translate("Das kostet 1.234 Euro im Jahr.", "de", source_language="en", localize_figures=True)
    assert "1.234" in kept.text


def test_what_is_shown_while_it_is_decoded_is_final(translator: Translator) -> None:
    prepared = translator.prepare("It costs 1,234.50 today.", EN_DE, SearchOptions(), localize_figures=True)
    assert translator.partial_text(prepared, [None], {}) == ("", "")
    (draft,) = prepared.drafts
    assert draft.changes[0] == prepared.figures
