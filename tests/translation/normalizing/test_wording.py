"""Sentences as a model reads them, and their translations as the user wrote."""

import pytest

from dragoman.model.config import Direction
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.drafts import Draft
from dragoman.translation.normalizing.wording import Normalizer, heading_end

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")


@pytest.fixture(scope="module")
def normalizer(tiny_vocabulary: Vocabulary) -> Normalizer:
    return Normalizer(tiny_vocabulary)


def undone(normalizer: Normalizer, sentence: str, target: str) -> str | None:
    text, changes = normalizer.normalize(sentence, EN_DE)
    return Draft(sentence, text, changes).restore(target)


def test_capitals_go_down_and_up(normalizer: Normalizer) -> None:
    assert normalizer.normalize("THE DOG SEES THE HOUSE.", EN_DE)[0] == "The dog sees the house."
    assert undone(normalizer, "THE DOG SEES THE HOUSE.", "Der Hund sieht das große Haus.") == (
        "DER HUND SIEHT DAS GROSSE HAUS."
    )


def test_a_heading_without_a_stop_gets_none(normalizer: Normalizer) -> None:
    assert undone(normalizer, "THE DOG", "Der Hund!") == "DER HUND"
    assert undone(normalizer, "The Dog and the House", "Der Hund und das Haus.") == "Der Hund und das Haus"
    assert undone(normalizer, "The dog and the house", "Der Hund und das Haus.") == "Der Hund und das Haus."


def test_a_heading_is_left_where_no_names_are_known(tiny_vocabulary: Vocabulary) -> None:
    normalizer = Normalizer(tiny_vocabulary, lambda language: False)
    assert normalizer.normalize("The Dog Sees the House", EN_DE)[0] == "The Dog Sees the House"
    assert Normalizer(tiny_vocabulary).normalize("The Dog Sees the House", EN_DE)[0] == "The dog sees the house"


def test_repeated_words_are_translated_once(normalizer: Normalizer) -> None:
    assert normalizer.normalize("the dog, the dog, the dog, the dog!", EN_DE)[0] == "the dog"
    assert undone(normalizer, "the dog, the dog, the dog, the dog!", "Der Hund.") == (
        "Der Hund, der Hund, der Hund, der Hund!"
    )


@pytest.mark.parametrize(
    "sentence", ["...", "€ 20", "Der Hund sieht das Haus und ist schön.", "asdfgh jkl", "xqz xqz xqz xqz"]
)
def test_some_sentences_are_their_own_translation(normalizer: Normalizer, sentence: str) -> None:
    assert normalizer.is_kept(sentence, EN_DE)


@pytest.mark.parametrize("sentence", ["The dog.", "dog", "the the the the", "Hans Müller is my friend."])
def test_others_are_translated(normalizer: Normalizer, sentence: str) -> None:
    assert not normalizer.is_kept(sentence, EN_DE)


def test_a_heading_ends_at_its_colon() -> None:
    assert heading_end("WARNING: Do not open!") == 7
    assert heading_end("PLEASE NOTE: the dog") == 11
    assert heading_end("WARNING: DO NOT OPEN") == 0
    assert heading_end("The WARNING: no") == 0
