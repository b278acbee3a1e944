"""The filter that asks language models."""

import math
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import Vocabulary
from dragoman.training.cleaning.cleaner import make_filters
from dragoman.training.cleaning.fluency import Unlikely
from dragoman.training.cleaning.options import CleaningOptions
from dragoman.training.cleaning.pairs import Pair
from dragoman.translation.scoring.fluency import LanguageScorer
from tests.language_models import write_language_model

GERMAN = ["Der Hund sieht das Haus.", "Haus Haus Haus Baum", "Die Frau"]


@pytest.fixture
def model(tiny_vocabulary: Vocabulary, tmp_path: Path) -> Path:
    return write_language_model(tmp_path / "lm", tiny_vocabulary)


def test_sides_above_the_perplexity_are_removed(model: Path) -> None:
    pairs = [Pair(number, "The dog.", text) for number, text in enumerate(GERMAN)]
    scores = LanguageScorer.load(model).score(GERMAN)
    by_word = [math.exp(-score.log_prob / (len(text.split()) + 1)) for text, score in zip(GERMAN, scores, strict=True)]
    bound = sorted(by_word)[1]
    faults = Unlikely([str(model)], ("en", "de"), bound * 1.001).find_faults(pairs)
    assert [fault is not None for fault in faults] == [value > bound * 1.001 for value in by_word]
    (fault,) = filter(None, faults)
    assert fault == f"target has a perplexity of {max(by_word):,.0f} by word"


def test_it_is_on_where_a_model_is_given(model: Path) -> None:
    options = CleaningOptions(language_models=(str(model),), off=("language", "mojibake"))
    assert options.filters[-1] == "fluency"
    assert make_filters(options, "en", "de")[-1].meaning == "a target of a perplexity above 10000 by word"
    assert "fluency" not in CleaningOptions().filters


def test_what_is_missing_is_told(model: Path) -> None:
    with pytest.raises(InvalidInputError, match="the filter fluency needs a language model"):
        make_filters(CleaningOptions(on=("fluency",), off=("language",)))
    with pytest.raises(InvalidInputError, match="give --from and --to"):
        make_filters(CleaningOptions(language_models=(str(model),), off=("language",)))
    with pytest.raises(InvalidInputError, match="lm is a model of de, which neither side is"):
        Unlikely([str(model)], ("en", "fr"), 5.0)
