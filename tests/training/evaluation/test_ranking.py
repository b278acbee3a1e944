"""BLEU decides which validation is the best, and where it is near 0 the dev loss."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.training.evaluation.ranking import TOO_MUCH, decisive_score, name_of_decisive, rank

Values = Mapping[str, float]


def ranked(values: Values) -> tuple[float, float]:
    return rank(decisive_score(values), values)


@pytest.mark.parametrize(
    "ascending",
    [
        [{"bleu": 0.3, "loss en→de": 6.0}, {"bleu": 0.1, "loss en→de": 5.5}, {"bleu": 0.0, "loss en→de": 5.0}],
        [{"bleu": 0.99, "loss en→de": 3.0}, {"bleu": 1.0, "loss en→de": 4.0}, {"bleu": 1.1, "loss en→de": 5.0}],
        [{"bleu": 0.0, "loss a": 6.0, "loss b": 4.0}, {"bleu": 0.0, "loss a": 3.0, "loss b": 6.0}],
        [{"bleu": 0.1}, {"bleu": 0.2}, {"bleu": 5.0}],
        [{"bleu": -5.0, TOO_MUCH: 2.0, "loss a": 1.0}, {"bleu": -3.0, TOO_MUCH: 1.0, "loss a": 2.0}],
        [{"perplexity": 60.0, "loss en": 1.0}, {"perplexity": 50.0, "loss en": 2.0}, {"perplexity": 0.9}],
    ],
    ids=["near 0", "from 1 on", "mean", "without losses", "beyond limits", "perplexity"],
)
def test_validations_from_the_worst_to_the_best(ascending: list[Values]) -> None:
    assert all(ranked(one) < ranked(other) for one, other in pairwise(ascending))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"bleu": st.floats(0, 3), "loss en→de": st.floats(0, 9) | st.just(float("nan"))},
            optional={TOO_MUCH: st.floats(0.1, 2)},
        ),
        min_size=2,
    )
)
def test_what_has_a_bleu_beats_what_has_none(measured: list[Values]) -> None:
    best = max(measured, key=ranked)
    assert best["bleu"] >= 1 or max(values["bleu"] for values in measured) < 1
    if best["bleu"] >= 1:
        assert best["bleu"] == max(values["bleu"] for values in measured)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"bleu": 0.3, "loss en→de": 6.0}, "dev loss"),
        ({"bleu": 0.3}, "BLEU"),
        ({"bleu": 7.0, "loss en→de": 6.0}, "BLEU"),
        ({"perplexity": 7.0, "loss en": 6.0}, "perplexity"),
    ],
)
def test_what_decides_has_a_name(values: Values, name: str) -> None:
    assert name_of_decisive(decisive_score(values), values) == name
