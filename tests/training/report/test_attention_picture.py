"""Attention as a picture: every weight at the crossing of its pieces."""

from pathlib import Path

import numpy as np

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.training.report.attention_picture import END, NUM_PICTURES, draw_attention, picture_attention
from dragoman.translation.results import Hypothesis, Translation
from dragoman.translation.translator import Translator
from tests.training.report.made_up_run import SOURCES

EN_DE = Direction("en", "de")


def translation(attention: np.ndarray | None, pieces: tuple[str, ...] = ("▁Der", "▁Hund")) -> Translation:
    hypothesis = Hypothesis("Der Hund", -1.0, pieces=pieces, attention=attention)
    return Translation("The dog", (hypothesis,), source_pieces=("<2de>", "▁The", "▁dog", "</s>"))


def test_every_weight_stands_where_its_pieces_cross() -> None:
    weights = np.array([[0.0, 0.9, 0.1, 0.0], [0.02, 0.08, 0.9, 0.0], [0.0, 0.0, 0.25, 0.75]], np.float32)
    picture = draw_attention(EN_DE, translation(weights))
    assert picture is not None
    assert picture.columns == ("<2de>", "▁The", "▁dog", "</s>")
    assert picture.rows == (
        ("▁Der", (None, 0.9, 0.1, None)),
        ("▁Hund", (None, 0.08, 0.9, None)),
        (END, (None, None, 0.25, 0.75)),
    )
    assert picture.summary == (
        "▁Der looks at ▁The most (0.90); ▁Hund looks at ▁dog most (0.90); </s> looks at </s> most (0.75)"
    )


def test_a_translation_that_was_cut_off_has_no_row_for_its_end() -> None:
    picture = draw_attention(EN_DE, translation(np.full((2, 4), 0.25, np.float32)))
    assert picture is not None
    assert [piece for piece, _ in picture.rows] == ["▁Der", "▁Hund"]


def test_without_attention_there_is_no_picture() -> None:
    assert draw_attention(EN_DE, translation(None)) is None


def test_a_few_short_sentences_are_chosen(tiny_bundle: Path) -> None:
    translator = Translator.load(tiny_bundle)
    sources = ["The dog sees the house. " * 10, *SOURCES, *SOURCES]
    pictures = list(picture_attention(translator, EN_DE, sources, SearchOptions(return_attention=True)))
    assert len(pictures) == NUM_PICTURES
    assert {picture.source for picture in pictures} <= set(SOURCES)
    for picture in pictures:
        assert picture.columns[0] == "<2de>"
        assert any(weight for _, weights in picture.rows for weight in weights)
