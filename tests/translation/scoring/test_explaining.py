"""Explanations of a pair against the scorer's numbers."""

import numpy as np
import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.loading import open_model
from dragoman.model.errors import InvalidInputError
from dragoman.translation.scoring.explaining import MAX_PIECES, NUM_NEXT, Explainer, VectorsOf
from dragoman.translation.scoring.scorer import Scorer

EN_DE = Direction("en", "de")
PAIR = ("The dog is too big.", "Der Hund ist zu groß.")


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(open_model(["en-de"]))


def test_it_agrees_with_the_scorer(explainer: Explainer) -> None:
    found = explainer.explain(*PAIR, EN_DE)
    (scored,) = Scorer.load("en-de").score([PAIR], "de", return_attention=True)
    assert found.source_pieces == scored.source_pieces
    assert found.written == (*scored.pieces, "</s>")
    assert found.read[1:] == found.written[:-1]
    np.testing.assert_allclose(np.log(found.probabilities), scored.token_log_probs, atol=1e-3)
    assert scored.attention is not None
    np.testing.assert_allclose(found.trace.cross[-1].weights.mean(axis=0), scored.attention, atol=1e-3)


def test_the_likeliest_pieces_come_first(explainer: Explainer) -> None:
    found = explainer.explain(*PAIR, EN_DE)
    for ranked in found.next_pieces:
        probabilities = [probability for _, probability in ranked]
        assert len(ranked) == NUM_NEXT
        assert probabilities == sorted(probabilities, reverse=True)
    assert found.next_pieces[1][0][0] == "▁Hund"
    assert found.next_pieces[1][0][1] == pytest.approx(found.probabilities[1], rel=1e-6)


def test_fields_are_plain_numbers_of_every_head(explainer: Explainer) -> None:
    found = explainer.explain(*PAIR, EN_DE)
    fields = found.fields()
    assert np.shape(fields["encoder"]) == (8, 4, len(found.source_pieces), len(found.source_pieces))
    assert np.shape(fields["decoder"]) == (2, 4, len(found.read), len(found.read))
    assert np.shape(fields["cross"]) == (2, 4, len(found.read), len(found.source_pieces))
    vectors = found.all_vectors()
    assert vectors["cross"][1][3] == found.vectors(VectorsOf("cross", 1, 3))
    assert np.shape(vectors["cross"][1][3]["queries"]) == (len(found.read), 64)
    assert np.shape(vectors["cross"][1][3]["keys"]) == (len(found.source_pieces), 64)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (" ", "Hund", "the source is blank"),
        ("dog", "", "the target is blank"),
        (MAX_PIECES * "dog ", "Hund", "source: the text has 102 pieces, but at most 100 can be shown"),
        ("dog", MAX_PIECES * "Hund ", "target: the translation has 101 pieces, but at most 100 can be shown"),
    ],
)
def test_what_cannot_be_shown_is_refused(explainer: Explainer, source: str, target: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        explainer.explain(source, target, EN_DE)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (VectorsOf("cross", 2, 0), "vectors.layer: is 2, but cross has 2 layers"),
        (VectorsOf("encoder", 0, -1), "vectors.head: is -1, but there are 4 heads"),
    ],
)
def test_a_head_that_is_not_there_is_named(explainer: Explainer, wanted: VectorsOf, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        explainer.explain(*PAIR, EN_DE).vectors(wanted)


def test_an_ensemble_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="an ensemble has several networks"):
        Explainer(open_model(["en-de", "en-de"]))
