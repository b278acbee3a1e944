"""Aligned words of whole texts with the bundled model, whatever stands around, between and within their sentences."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.markup.alignment import aligned_spans, word_spans
from dragoman.translation.results import Translation
from dragoman.translation.terms.glossary import Entry, Glossary
from dragoman.translation.translator import Translator

EN_DE = Direction("en", "de")
OPTIONS = SearchOptions(beam_size=1, return_attention=True)

SENTENCES = (
    "Good morning!",
    "The dog sleeps.",
    "Open {name} and press %s.",
    "Write to anna@example.org today.",
    "SAVE ALL CHANGES NOW",
    "Can\u00adcel the mee\u200bting.",
    "The cafe\u0301 is closed.",
    "It\u00b4s 3:30\u00a0p.m. already.",
    "Run `make test` first, and then read the log, because it says what has failed and where it was.",
    "I have 1,234 books.",
    "The\x00 house is\ufeff big.",
    "We go home \U0001f600\U0001f600 now",
    "- [ ] Buy some milk",
    "Der Hund schl\u00e4ft.",
    "...",
    "\U0001f337\U0001f337",
    "Ask O'Brien about Kubernetes.",
    "The house\n> is too far away for us all to walk there in the evening, so that we take the\n> bus.",
    "\u4f60\u597d",
    "lol lol lol lol lol lol lol lol",
    "The server is down\u2026 again?!",
    "(See the house.)",
    "<b>The dog</b> is &amp; was old.",
    "The « dog »\u00a0! is ,,old'' ; he said « %1 ».",
    '\u2039\u202fOpen\u202f\u203a the `door\' and the " house ".',
    "The \u201cbig \u2018red\u2019 house\u201d is 'old.'",
)
GAPS = ("", " ", "  ", "\n", "\r\n", "\n\n", " \u2003", "\t", " \U0001f600 ", "\u2060 ", " - ", "\ufeff", "\x00")
NUM_MIXED = 60


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load("en-de")


def mixed_texts() -> list[str]:
    """Sentences alone, with something before or behind, and several of them."""
    choose = random.Random(16)
    texts = [*SENTENCES, *(f"\U0001f600 {sentence}" for sentence in SENTENCES)]
    for _ in range(NUM_MIXED):
        parts = [choose.choice(GAPS)]
        for _ in range(choose.randint(1, 3)):
            parts += choose.choice(SENTENCES), choose.choice(GAPS)
        texts.append("".join(parts))
    return texts


def word_pairs(translation: Translation) -> list[tuple[str, str]]:
    best = translation.hypotheses[0]
    return [
        (translation.source[slice(*one)], best.text[slice(*other)])
        for one, other in aligned_spans(translation.source, best.text, best.alignment)
    ]


Way = Callable[[Translator, list[str]], Iterable[Translation]]

WAYS: dict[str, Way] = {
    "as usual": lambda translator, texts: translator.stream(texts, EN_DE, OPTIONS),
    "several": lambda translator, texts: translator.stream(
        texts[::4], EN_DE, replace(OPTIONS, beam_size=3, n_best=3), localize_figures=True
    ),
    "bare": lambda translator, texts: translator.stream(texts[1::4], EN_DE, OPTIONS, protect=False),
    "by line": lambda translator, texts: translator.stream(texts[2::4], EN_DE, OPTIONS, join_lines=False),
    "whole": lambda translator, texts: translator.stream(texts[3::4], EN_DE, OPTIONS, split_sentences=False),
    "nonsense": lambda translator, texts: translator.stream(
        texts[::4], EN_DE, replace(OPTIONS, sampling_temperature=1.5, seed=3, n_best=2)
    ),
    "cut off": lambda translator, texts: translator.stream(texts[1::4], EN_DE, replace(OPTIONS, max_target_length=4)),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_translated_text_has_its_words_aligned(translator: Translator, way: str) -> None:
    for translation in WAYS[way](translator, mixed_texts()):
        text = translation.source
        for hypothesis in translation.hypotheses:
            spans = aligned_spans(text, hypothesis.text, hypothesis.alignment)
            assert len(spans) == len(hypothesis.alignment)
            assert spans == sorted(set(spans))
            assert {source for source, _ in spans} <= set(word_spans(text))
            assert {target for _, target in spans} <= set(word_spans(hypothesis.text))
            # Nothing is aligned only where the model translated nothing.
            assert bool(spans) == bool(hypothesis.finish_reason), text


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("\U0001f600 Good morning!", "morning!", "Morgen!"),
        ("\u2060\ufeff The dog sleeps.", "dog", "Hund"),
        ("The dog sleeps. \U0001f600 The house is old.", "house", "Haus"),
        ("[x] The dog sleeps.", "dog", "Hund"),
        ("- The dog sleeps.\n- \x00 The house is old.", "house", "Haus"),
        ("Ask {the name} about the dog.", "dog.", "Hund."),
        ("THE DOG IS OLD.", "DOG", "HUND"),
    ],
)
def test_words_are_aligned_to_their_translations(translator: Translator, text: str, source: str, target: str) -> None:
    (translation,) = translator.stream([text], EN_DE, OPTIONS)
    assert (source, target) in word_pairs(translation), (translation.text, word_pairs(translation))


def test_words_of_a_given_term_are_aligned(translator: Translator) -> None:
    glossary = Glossary((Entry({"en": ("dog",), "de": ("Vierbeiner",)}),))
    texts = ["\U0001f600 The dog sleeps.", "dog", "\U0001f600 dog"]
    for translation in translator.stream(texts, EN_DE, OPTIONS, terms=glossary):
        assert ("dog", "Vierbeiner") in [(source, target.strip(".")) for source, target in word_pairs(translation)]
