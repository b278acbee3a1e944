"""Terms in translations of the shipped bundle."""

from collections.abc import Iterator

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.batch.formats import translation_to_json
from dragoman.translation.terms.reading import parse_glossary
from dragoman.translation.translator import Translator

TABLE = "en\tde\nhouse\tGebäude\nFirefox\t=\nletter\tSchreiben\ncold\tSchnupfen\n"
GLOSSARY = parse_glossary(TABLE.encode(), "terms.tsv", "terms.tsv")


@pytest.fixture(scope="module")
def translator() -> Iterator[Translator]:
    loaded = Translator.load("en-de", num_threads=1, max_slots=8)
    yield loaded
    loaded.close()


def test_every_term_is_there_and_its_place_is_known(translator: Translator) -> None:
    texts = ["I sold the house. He wrote a letter.", "I like Firefox.", "Nothing.", "\nThe house is\n\n big."]
    translations = translator.translate(texts, to="de", terms=GLOSSARY)
    assert [[one.source for one in translation.hypotheses[0].terms] for translation in translations] == [
        ["house", "letter"],
        ["Firefox"],
        [],
        ["house"],
    ]
    for translation in translations:
        for one in translation.hypotheses[0].terms:
            assert one.span is not None
            assert translation.text[slice(*one.span)] == one.target
    assert [one.target for one in translations[0].hypotheses[0].terms] == ["Gebäude", "Schreiben"]
    assert '"terms": [{"source": "Firefox", "target": "Firefox", "span": [' in translation_to_json(translations[1])
    assert "terms" not in translation_to_json(translations[2])


def test_texts_without_terms_are_translated_as_ever(translator: Translator) -> None:
    texts = ["Nothing helps.", "I am tired."]
    found = translator.translate(texts, to="de", terms=GLOSSARY)
    assert [(one.text, one.score) for one in found] == [
        (one.text, one.score) for one in translator.translate(texts, to="de")
    ]


def test_a_wrapped_text_has_the_places_of_its_own_lines(translator: Translator) -> None:
    text = (
        "> I have always wanted to live in a\n> very large house with a garden, but\n> I never had enough money for it."
    )
    (translation,) = translator.translate(text, to="de", terms=GLOSSARY)
    assert translation.text.startswith("> ")
    (one,) = translation.hypotheses[0].terms
    assert one.span is not None
    assert translation.text[slice(*one.span)] == one.target == "Gebäude"


def test_a_term_without_room_or_pieces_is_reported(translator: Translator) -> None:
    (translation,) = translator.translate("The house", to="de", terms=GLOSSARY, max_target_length=1)
    assert [one.reason for one in translation.hypotheses[0].terms] == ["the translation has no room for it"]
    glossary = parse_glossary(b"en\tde\nhouse\t\x07\n", "a.tsv", "a.tsv")
    (translation,) = translator.translate("The house", to="de", terms=glossary)
    assert [one.reason for one in translation.hypotheses[0].terms] == ["the model's vocabulary cannot write it"]


def test_terms_and_sampling_exclude_each_other(translator: Translator) -> None:
    with pytest.raises(InvalidInputError, match="terms need beam search"):
        translator.translate("The house", to="de", terms=GLOSSARY, sampling_temperature=1.0)


def test_a_sentence_that_is_a_term_is_translated_as_the_glossary_has_it(translator: Translator) -> None:
    terms = parse_glossary(b"en\tde\tcase\nprize\tgewinn\t\nApple\tapfel\t\nSpelt\t=\t\n", "a.tsv", "a.tsv")
    text = "prize\nPrize\nApple\nSpelt"
    (found,) = translator.translate([text], "de", source_language="en", terms=terms)
    assert found.text == "gewinn\nGewinn\napfel\nSpelt"
    assert [one.span for one in found.hypotheses[0].terms] == [(0, 6), (7, 13), (14, 19), (20, 25)]
    (begun,) = translator.translate(["prize"], "de", source_language="en", terms=terms, target_prefix="Der")
    assert begun.text.startswith("Der")
