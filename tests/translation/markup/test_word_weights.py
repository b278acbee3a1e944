"""What the words of a translation come from, read off attention between pieces."""

import numpy as np
import pytest

from dragoman.translation.markup.word_weights import word_weights
from dragoman.translation.results import Hypothesis, Translation


def translation(
    source: str, source_pieces: str, text: str, pieces: str, attention: list[list[float]] | None
) -> Translation:
    matrix = None if attention is None else np.array(attention, np.float32)
    hypothesis = Hypothesis(text, 0.0, tuple(pieces.split()), (), matrix)
    return Translation(source, (hypothesis,), tuple(source_pieces.split()))


def test_pieces_add_up_to_words_without_tags_ends_and_punctuation() -> None:
    found = word_weights(
        translation(
            "red house.",
            "<2de> ▁re d ▁house . </s>",
            "rotes Haus.",
            "▁rote s ▁Haus .",
            [
                [0.2, 0.3, 0.3, 0.2, 0.0, 0.0],
                [0.0, 0.4, 0.0, 0.0, 0.0, 0.6],
                [0.1, 0.0, 0.1, 0.5, 0.2, 0.1],
                [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],  # a full stop's look is left out
                [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],  # the end of sentence's, too
            ],
        )
    )
    assert found is not None
    assert found == pytest.approx(np.array([[1.0 / 1.2, 0.2 / 1.2], [0.1 / 0.8, 0.7 / 0.8]]))


def test_a_word_of_punctuation_has_its_own_weights() -> None:
    found = word_weights(
        translation("a –", "<2de> ▁a ▁– </s>", "– a", "▁– ▁a", [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    )
    assert found is not None
    assert found.tolist() == [[0, 1], [1, 0]]


def test_words_that_look_at_nothing_are_unknown() -> None:
    found = word_weights(translation("a", "<2de> ▁a </s>", "b", "▁b", [[1, 0, 0], [0, 0, 1]]))
    assert found is not None
    assert found.tolist() == [[0]]


def test_without_attention_nothing_is_told() -> None:
    assert word_weights(translation("a", "<2de> ▁a </s>", "b", "▁b", None)) is None


@pytest.mark.parametrize(
    ("source", "text", "due"), [("a b", "b", [[1, 0]]), ("a", "b c", [[1], [0]]), ("x y", "u v", [[0.5, 0.5]] * 2)]
)
def test_words_are_matched_with_those_that_the_model_read(source: str, text: str, due: list[list[float]]) -> None:
    found = word_weights(translation(source, "<2de> ▁a </s>", text, "▁b", [[0, 1, 0]]))
    assert found is not None
    assert found.tolist() == due


def test_sentences_are_counted_through() -> None:
    """As `translation.combining` joins them: each has its tag and its end, and looks at no other."""
    attention = np.zeros((7, 9))
    attention[0, 1] = attention[1, 2] = attention[3, 5] = attention[4, 6] = attention[5, 7] = 1
    found = word_weights(
        translation(
            "a. b c.",
            "<2de> ▁a . </s> <2de> ▁b ▁c . </s>",
            "A. B C.",
            "▁A . ▁B ▁C .".replace("▁B", "▁ B"),
            attention.tolist(),
        )
    )
    assert found is not None
    assert found.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
