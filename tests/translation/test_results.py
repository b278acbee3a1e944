"""What a translator returns."""

import numpy as np

from dragoman.model.decoding.request import TokenHypothesis
from dragoman.translation.results import Hypothesis, Translation


def test_hypotheses_compare_by_what_they_say_and_their_score() -> None:
    attention = np.ones((2, 3), np.float32)
    assert TokenHypothesis((5,), -1.0, (-0.5, -0.5), attention) == TokenHypothesis((5,), -1.0)
    assert Hypothesis("a", -1.0, ("a",), (-0.5, -0.5), attention, ((0, 0),)) == Hypothesis("a", -1.0)
    assert hash(TokenHypothesis((5,), -1.0, (), attention)) == hash(TokenHypothesis((5,), -1.0))


def test_a_translation_is_its_best_hypothesis() -> None:
    translation = Translation("Hi", (Hypothesis("Hallo", -0.5), Hypothesis("Tach", -2.0)))
    assert (translation.text, translation.score) == ("Hallo", -0.5)
