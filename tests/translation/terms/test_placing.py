"""Where the terms stand in translations of the shipped bundle."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Finished, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.translation.drafts import PreparedText, Round
from dragoman.translation.results import Translation
from dragoman.translation.terms.matching import TermFinder
from dragoman.translation.terms.placing import place_terms
from dragoman.translation.terms.reading import parse_glossary
from dragoman.translation.translator import Translator

TABLE = """en\tde
dog\tVierbeiner|Vierbeinern|Vierbeiners
doctor\tMediziner
school\tLehranstalt
teacher\tLehrkraft
important\tmaßgeblich
picture\tLichtbild
Quibbleworks\t=
"""
GLOSSARY = parse_glossary(TABLE.encode(), "terms.tsv", "terms.tsv")
EN_DE = Direction("en", "de")


@pytest.fixture(scope="module")
def translator() -> Iterator[Translator]:
    loaded = Translator.load("en-de", num_threads=1, max_slots=8)
    yield loaded
    loaded.close()


def translate(translator: Translator, text: str) -> Translation:
    (translation,) = translator.translate([text], "de", source_language="en", terms=GLOSSARY)
    assert all(one.is_met for one in translation.hypotheses[0].terms), translation.text
    return translation


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("The dog is old.", "Der Vierbeiner ist alt."),
        ("You should go to the doctor.", "Du solltest zum Mediziner gehen."),
        ("That is important.", "Das ist maßgeblich."),
        ("He fell asleep at school.", r".* in der Lehranstalt\b.*\."),
        ("\U0001f600 The dog is old!", "\U0001f600 Der Vierbeiner ist alt!"),
        ("Tom and his teacher were talking to each other.", r"Tom und sein Lehrkraft .* miteinander\."),
        ("Dogs are old.", r"Vierbeiner sind alt\."),
        ('"The dog is old," he said.', ".*Vierbeiner.*"),
        ("THE DOG IS OLD.", "DER VIERBEINER IST ALT."),
        ("Ask {name} about the dog.", r".*\{name\}.*Vierbeiner\."),
    ],
)
def test_a_term_stands_where_its_words_are_translated(translator: Translator, source: str, wanted: str) -> None:
    assert re.fullmatch(wanted, translate(translator, source).text), translate(translator, source).text


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("Our dog is bigger than your dog.", "Unser Vierbeiner ist größer als dein Vierbeiner."),
        ("The dog sees the other dogs.", r"Der Vierbeiner sieht .* Vierbeinern?\."),
        ("The doctor asked another doctor.", "Der Mediziner fragte einen anderen Mediziner."),
        ("Dogs are dogs.", "Vierbeiner sind Vierbeiner."),
        ("The dog saw itself.", r"Der Vierbeiner [^V]*"),
    ],
)
def test_a_term_stands_wherever_its_words_are_translated(translator: Translator, source: str, wanted: str) -> None:
    translation = translate(translator, source)
    assert re.fullmatch(wanted, translation.text), translation.text
    assert len(translation.hypotheses[0].terms) == 1


def test_no_term_stands_behind_its_sentence(translator: Translator) -> None:
    sources = [
        "I have always been afraid of the dog.",
        "The teacher went to school with the doctor.",
        "It is important that you show me the picture.",
        "The picture of the dog is beautiful.",
        "The doctor has a dog. The teacher has a picture.",
    ]
    for source in sources:
        translation = translate(translator, source)
        behind = re.search(
            r"[.!?]\W+(?:Vierbeiner\w*|Mediziner|Lehranstalt|Lehrkraft|maßgeblich|Lichtbild)", translation.text
        )
        assert behind is None, translation.text
        for known in ("Hund", "Arzt", "Bild", "Schule"):
            assert not re.search(rf"\b{known}\b", translation.text), translation.text


def test_the_form_is_the_one_like_the_word_in_its_place(translator: Translator) -> None:
    assert "Vierbeinern" in translate(translator, "I am afraid of dogs.").text


def test_a_term_that_the_model_does_not_know_is_kept_once(translator: Translator) -> None:
    translation = translate(translator, "We work with Quibbleworks every day.")
    assert translation.text.count("Quibbleworks") == 1


def test_attention_is_given_to_those_who_ask(translator: Translator) -> None:
    texts = ["The dog is old.", "The picture of the dog is beautiful."]
    for asked in (False, True):
        options = SearchOptions(return_attention=asked)
        for translation in translator.stream(texts, EN_DE, options, terms=GLOSSARY):
            best = translation.hypotheses[0]
            assert (best.attention is not None) == asked
            assert bool(best.alignment) == asked
            assert best.score < 0
            assert len(best.token_log_probs) == len(best.pieces) + 1


def test_what_is_shown_while_a_sentence_is_translated_may_change_for_a_term(translator: Translator) -> None:
    finder = TermFinder(GLOSSARY, "en", "de")
    prepared = translator.prepare("The dog is old.", EN_DE, SearchOptions(), terms=finder)
    plain = translator.prepare("The dog is old.", EN_DE, SearchOptions())
    assert [prepared.drafts[0].is_provisional, plain.drafts[0].is_provisional] == [True, False]
    assert not prepared.segments[0].terms
    assert prepared.segments[0].options.return_attention


def test_the_given_beginning_stays(translator: Translator) -> None:
    options = SearchOptions(target_prefix="Das Tier")
    (translation,) = translator.stream(["The dog is old."], EN_DE, options, terms=GLOSSARY)
    assert translation.text.startswith("Das Tier")
    assert translation.hypotheses[0].terms[0].is_met


def search(translator: Translator, request: Request) -> tuple[TokenHypothesis, ...]:
    assert isinstance(translator.engine, Engine)
    translator.engine.admit([replace(request, id=0)])
    while True:
        for event in translator.engine.step():
            if isinstance(event, Finished):
                return event.hypotheses


def test_terms_whose_words_cannot_be_found_are_left_to_the_beam(translator: Translator) -> None:
    finder = TermFinder(GLOSSARY, "en", "de")
    prepared = translator.prepare("The dog is old.", EN_DE, SearchOptions(), terms=finder)
    (request,) = prepared.segments
    found = [search(translator, replace(request, options=SearchOptions()))]  # without attention

    def place(text: PreparedText, check: Callable[[Request], None]) -> Round | None:
        return place_terms(text, found, translator.vocabulary, forbidden_ids=(), check=check)

    def refuse(_: Request) -> None:
        raise InvalidInputError("too wide")

    again = place(prepared, translator.engine.check)
    assert again is not None
    (constrained,) = again.prepared.segments
    assert constrained.terms
    assert constrained.options.beam_size >= 4
    assert "Vierbeiner" in translator.finish(again.prepared, [search(translator, constrained)]).text
    assert place(again.prepared, translator.engine.check) is None
    assert place(prepared, refuse) is None


def test_terms_and_sampling_exclude_each_other(translator: Translator) -> None:
    with pytest.raises(InvalidInputError, match="terms need beam search"):
        translator.translate("Nothing.", to="de", terms=GLOSSARY, sampling_temperature=1.0)
