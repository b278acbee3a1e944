"""Which words a corpus teaches."""

import shutil
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import read_known_words
from dragoman.training.corpus.known_words import (
    MIN_FREQUENT,
    TaughtWords,
    add_known_words,
    known_words,
)


def count(sources: list[str], targets: list[str]) -> TaughtWords:
    words = TaughtWords()
    words.count(sources, targets)
    return words


def test_rare_words_that_are_copied_are_names() -> None:
    sources = ["Ask Mumbai about Tom.", "Mumbai is in August."] + ["Tom is here."] * MIN_FREQUENT
    targets = ["Frag Mumbai nach Tom.", "Mumbai ist im Sommer."] + ["Tom ist hier."] * MIN_FREQUENT
    words = count(sources, targets)
    taught = set(words.words())
    assert "mumbai" not in taught
    assert {"ask", "about", "tom", "august"} <= taught
    assert set(words.names()) == {"mumbai", "tom"}


def test_a_word_that_is_copied_now_and_then_is_a_name_only_if_it_is_rare() -> None:
    sources, targets = ["Buy a Docker."] * 6, ["Kauf Docker."] * 2 + ["Kauf es."] * 4
    assert set(count(sources, targets).names()) == {"docker"}
    assert set(count(2 * sources, 2 * targets).names()) == set()


def test_words_with_a_capital_within_sentences_are_proper_unless_the_language_writes_most_so() -> None:
    english = count(["they told us where we speak French and met the Prime Minister on the last day"], ["Wir sprechen"])
    assert set(english.proper()) == {"french", "prime", "minister"}
    assert english.phrases == {"prime minister"}
    german = count(["Der Hund und die Katze", "Ein Haus im Sommer"], ["the dog", "a house"])
    assert german.proper() == []


def test_what_a_bundle_keeps_is_of_each_language() -> None:
    words = known_words({"en": count(["we speak French to Priya in the last week of all"], ["Priya"])})
    assert words.knows("french", "en")
    assert words.is_proper("French", "en")
    assert words.copies("Priya", "en")
    assert words.has_proper("en")
    assert not words.copies("French", "en")
    assert not words.translates_phrase("prime minister", "en")


def test_words_go_into_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    source.write_text("The dog.\n")
    target.write_text("Der Hund und die Katze.\n")
    assert add_known_words(str(bundle), [(source, target)], ("en", "de")) == {"en": 2, "de": 5}
    assert read_known_words(bundle).knows("Katze", "de")
    with pytest.raises(InvalidInputError, match="between en and fr"):
        add_known_words(str(bundle), [(source, target)], ("en", "fr"))
