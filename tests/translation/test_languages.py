"""Identifying the language of a text, and the filter of corpora that asks for it."""

import tempfile
from pathlib import Path

import pytest

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.translation.languages import (
    LanguageIdentifier,
    as_tag,
    canonical_language,
    english_name,
    find_language,
    is_in_latin,
    means_language,
    primary_subtag,
)


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        ("de", ["en", "de"], "de"),
        ("DE", ["en", "de"], "de"),
        ("de-DE", ["en", "de"], "de"),
        ("pt_br", ["pt", "pt-BR"], "pt-BR"),
        ("zh-Hant-TW", ["zh", "zh-Hant"], "zh-Hant"),
        ("German", ["en", "de"], "de"),
        ("LUXEMBOURGISH", ["lb"], "lb"),
        ("deutsch", ["en", "de"], "de"),
        ("Русский", ["en", "ru"], "ru"),
        ("Português", ["pt-BR"], None),
        ("German", ["de", "German"], "German"),  # the very same
        ("plain_german_text", ["plain_german_text"], "plain_german_text"),
        ("German-", ["de"], None),
        ("de" + 2_000_000 * "-x", ["de"], None),  # nobody waits for it
        ("Klingon", ["de"], None),
        ("", ["de"], None),
    ],
)
def test_a_language_is_found_by_tag_or_name_in_any_case(wanted: str, known: list[str], found: str | None) -> None:
    assert find_language(wanted, known) == found


def test_the_language_of_a_tag_or_a_name() -> None:
    assert [primary_subtag(wanted) for wanted in ("zh-Hant-TW", "pt_BR", "Chinese")] == ["zh", "pt", "zh"]


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("EN", "en"),
        ("en-us", "en-US"),
        ("PT_br", "pt_BR"),  # as gettext has it
        ("zh-hANT-tw", "zh-Hant-TW"),
        ("German", "de"),
        ("DEUTSCH", "de"),
        ("日本語", "ja"),
        ("eng", "eng"),  # a corpus may be named so
        ("Klingon", "Klingon"),
        ("", ""),
    ],
)
def test_a_tag_is_written_in_the_usual_case(written: str, tag: str) -> None:
    assert as_tag(written) == tag
    assert as_tag(tag) == tag


@pytest.mark.parametrize(
    ("language", "answer"),
    [
        *(("en", True), ("German", True), ("sr-Latn", True), ("zh-Latn", True)),
        *(("chr", False), ("zh-Hant", False), ("ja_JP", False), ("Russian", False), ("sr-Cyrl-RS", False)),
        *(("sr", None), ("xyz", None)),
    ],
)
def test_whether_a_language_is_written_in_latin_letters(language: str, answer: bool | None) -> None:
    assert is_in_latin(language) is answer


def test_the_english_name_of_a_language() -> None:
    assert [english_name(tag) for tag in ("de", "DEU", "pt-BR", "tlh")] == ["German", "German", "pt-BR", "tlh"]


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier()


SENTENCES = {
    "en": "The weather is lovely this morning.",
    "de": "Heute Morgen ist das Wetter wunderschön.",
    "fr": "Il fait un temps magnifique ce matin.",
    "cs": "Děti si hrály venku před domem, když začalo pršet.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_short_sentences_are_identified(identifier: LanguageIdentifier, language: str) -> None:
    found, probability = identifier.identify(SENTENCES[language])
    assert found == language
    assert 0.5 < probability <= 1
    assert identifier.probability(SENTENCES[language], language) == pytest.approx(probability)
    assert all(identifier.probability(SENTENCES[language], other) < 0.01 for other in SENTENCES if other != language)


def test_regions_play_no_part(identifier: LanguageIdentifier) -> None:
    assert all(map(identifier.knows, ["pt-BR", "en_GB", "DE"]))
    assert identifier.is_same("pt", "pt-BR")
    assert not identifier.is_same("en", "de")


def test_klingon_is_not_known(identifier: LanguageIdentifier) -> None:
    assert not identifier.knows("tlh")


def test_all_languages_are_ranked(identifier: LanguageIdentifier) -> None:
    ranking = identifier.rank(SENTENCES["cs"])
    assert ranking[0] == identifier.identify(SENTENCES["cs"])
    assert {language for language, _ in ranking} == identifier.languages
    assert [probability for _, probability in ranking] == sorted((p for _, p in ranking), reverse=True)


def test_a_full_temporary_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """py3langid unpacks its model into a file there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(DragomanError, match=r"cannot be unpacked among the temporary files \(TMPDIR\): No such file"):
        LanguageIdentifier()


@pytest.mark.parametrize(
    ("written", "language"),
    [("EN", "en"), ("deu", "de"), ("ger", "de"), ("German", "de"), ("pt_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"),
     ("eng-US", "en-US"), (" Chinese ", "zh"), ("chr", "chr")],
)  # fmt: skip
def test_a_language_is_written_in_one_way(written: str, language: str) -> None:
    assert canonical_language(written) == language


@pytest.mark.parametrize("written", ["", "Klingonese", "e", "en de", "x" * 300])
def test_what_is_no_language_is_refused(written: str) -> None:
    with pytest.raises(InvalidInputError, match="is no known name of a language"):
        canonical_language(written)


def test_a_kind_of_a_language_means_it() -> None:
    assert means_language("en-US", "en")
    assert means_language("de", "German")
    assert means_language("deu", "de-AT")
    assert not means_language("pt-PT", "pt-BR")
    assert not means_language("den", "de")


def test_three_letters_find_a_direction() -> None:
    assert find_language("deu", ["en", "de"]) == "de"
    assert find_language("ENG", ["en", "de"]) == "en"
