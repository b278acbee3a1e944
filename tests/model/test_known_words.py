"""The words that a model met in training."""

from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import NO_KNOWN_WORDS, WORDS_FILE, KnownWords, read_known_words, write_known_words


def test_words_come_back_from_a_file(tmp_path: Path) -> None:
    words = KnownWords.of(
        {"en": ["dog", "Straße"], "de": []}, {"en": ["Tom"]}, {"en": ["French"]}, {"de": ["Deutsche Bahn"]}
    )
    write_known_words(tmp_path, words)
    read = read_known_words(tmp_path)
    assert read == words
    for some in (words, read):
        assert some.knows("STRASSE", "en")
        assert not some.knows("cat", "en")
        assert (some.has("en"), some.has("de"), some.has("fr")) == (True, False, False)
        assert not some.knows("dog", "de")
        assert some.translates_phrase("Deutsche Bahn", "de")


def test_words_of_two_files_are_joined(tmp_path: Path) -> None:
    first, second = KnownWords.of({"en": ["dog"]}, {"en": ["Tom", "Ann"]}), KnownWords.of({"en": ["cat", "tom"]})
    write_known_words(tmp_path / "1", first)
    write_known_words(tmp_path / "2", second)
    both = read_known_words(tmp_path / "1").joined(read_known_words(tmp_path / "2"))
    assert both == KnownWords.of({"en": ["dog", "cat", "tom"]}, {"en": ["Ann"]})


def test_a_bundle_may_lack_them(tmp_path: Path) -> None:
    assert read_known_words(tmp_path) == NO_KNOWN_WORDS


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / WORDS_FILE).write_bytes(b"nothing")
    with pytest.raises(InvalidInputError, match=WORDS_FILE):
        read_known_words(tmp_path)
