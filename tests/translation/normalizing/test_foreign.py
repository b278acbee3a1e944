"""Sentences in the target language, noise and repetitions are known."""

import pytest

from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.normalizing.foreign import find_repeats, is_in_target, is_noise


@pytest.mark.parametrize(
    "sentence", ["Das ist ein schöner Tag.", "Ich gehe nach Hause.", "Schöne Grüße!", "Der Hund schläft."]
)
def test_german_is_known_among_english(sentence: str) -> None:
    assert is_in_target(sentence, "en", "de")
    assert not is_in_target(sentence, "de", "en")


@pytest.mark.parametrize(
    "sentence",
    [
        "Never die!",
        "The band was in Berlin.",
        "Hans Müller is my friend.",
        "War and gift",
        "Boston",
        "MIT DIE",
        "42",
        "",
    ],
)
def test_in_doubt_a_sentence_is_translated(sentence: str) -> None:
    assert not is_in_target(sentence, "en", "de")


def test_unknown_languages_are_never_sure() -> None:
    assert not is_in_target("Das ist ein Tag.", "xx", "de")
    assert not is_in_target("Das ist ein Tag.", "de", "de-AT")


@pytest.mark.parametrize("sentence", ["asdfgh jkl", "aaaaaaaaaa", "hahahahahaha!", "dGhpcyBpcyBhIHRlc3Q5YQ==", "dfghj"])
def test_noise(tiny_vocabulary: Vocabulary, sentence: str) -> None:
    assert is_noise(sentence, tiny_vocabulary.source)


@pytest.mark.parametrize("sentence", ["The dog sees asdfgh.", "", "A cat", "123"])
def test_no_noise(tiny_vocabulary: Vocabulary, sentence: str) -> None:
    assert not is_noise(sentence, tiny_vocabulary.source)


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("no no no no", ("no", 4)),
        ("No, no, no, NO!", ("No,", 4)),
        ("ha ho ha ho ha ho ha ho", ("ha ho", 4)),
        ("no no no", None),
        ("one two three four", None),
    ],
)
def test_repetitions(sentence: str, found: tuple[str, int] | None) -> None:
    assert find_repeats(sentence) == found
