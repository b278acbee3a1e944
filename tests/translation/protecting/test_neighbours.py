"""Names of common words, known by what stands around them."""

import pytest

from dragoman.model.known_words import KnownWords
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.protecting.names import NameFinder

ENGLISH = "i bought it at burger media city penny old president the dog we live in from said main take twice bank his"
GERMAN = "wir waren gestern bei burger media markt im der hund wohnen in bad sankt main montag am ich nahm und"
WORDS = KnownWords.of({"en": ENGLISH.split(), "de": GERMAN.split()})


def names_in(vocabulary: Vocabulary, language: str, text: str) -> list[str]:
    return [text[span.begin : span.end] for span in NameFinder(vocabulary, WORDS, language).find(text)]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("Wir waren gestern bei Media Markt.", ["Media Markt"]),
        ("Wir waren im Zwilch Markt.", ["Zwilch Markt"]),
        ("Wir waren bei Burger Zwilch.", ["Burger Zwilch"]),
        ("Wir waren bei Burger und Media.", []),
        ("Gestern waren Media Markt.", []),  # nothing says that it is a firm
        ("Wir wohnen in Sankt Zwilch.", ["Sankt Zwilch"]),
        ("Wir wohnen in Zwilchfurt am Main.", ["Zwilchfurt am Main"]),
        ("Wir waren in Zwilchfurt am Montag.", ["Zwilchfurt"]),
        ("Notre-Zwilch und Notre-Hund.", ["Notre-Zwilch", "Notre-Hund"]),
        ("Ich nahm Zwilprofen und Ibuprofen.", ["Zwilprofen", "Ibuprofen"]),
    ],
)
def test_german_neighbours(tiny_vocabulary: Vocabulary, text: str, due: list[str]) -> None:
    assert names_in(tiny_vocabulary, "de", text) == due


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("I bought it at Media Zwilch.", ["Media Zwilch"]),
        ("I bought it from President Zwilch.", ["Zwilch"]),
        ("We live in Zwilchfurt am Main.", ["Zwilchfurt am Main"]),
        ("We live in Bad Zwilch.", ["Bad Zwilch"]),
        ("Take Zwilprofen twice.", ["Zwilprofen"]),
        ("Take the Bank twice.", []),
    ],
)
def test_english_neighbours(tiny_vocabulary: Vocabulary, text: str, due: list[str]) -> None:
    assert names_in(tiny_vocabulary, "en", text) == due


def test_a_drug_is_a_name_though_the_model_met_it(tiny_vocabulary: Vocabulary) -> None:
    words = KnownWords.of({"en": ["take", "ibuprofen", "twice"]})
    finder = NameFinder(tiny_vocabulary, words, "en")
    assert [span.kind for span in finder.find("Take Ibuprofen twice.")] == ["name"]
