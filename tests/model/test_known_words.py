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
    assert read_known_words(tmp_path) == words
    assert words.knows("STRASSE", "en")
    assert not words.knows("cat", "en")
    assert (words.has("en"), words.has("de"), words.has("fr")) == (True, False, False)


def test_a_bundle_may_lack_them(tmp_path: Path) -> None:
    assert read_known_words(tmp_path) == NO_KNOWN_WORDS


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / WORDS_FILE).write_bytes(b"nothing")
    with pytest.raises(InvalidInputError, match=WORDS_FILE):
        read_known_words(tmp_path)
