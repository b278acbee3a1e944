"""The estimate of a translation's quality."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.checks.quality import estimate_quality, lowered_by
from dragoman.translation.results import TranslationWarning, WarningKind


def warn(*kinds: WarningKind) -> tuple[TranslationWarning, ...]:
    return tuple(TranslationWarning(kind, (0, 1), (0, 1)) for kind in kinds)


def estimate(*log_probs: float, warnings: tuple[TranslationWarning, ...] = (), pieces: int = 4) -> float:
    return estimate_quality("Where is my umbrella?", "Wo ist mein Schirm?", log_probs, pieces, "en", "de", warnings)


def test_the_formula_is_the_documented_one() -> None:
    probabilities = [0.9, 0.5, 0.8, 0.7, 0.6]
    log_probs = [math.log(probability) for probability in probabilities]
    lowest = math.sqrt(-(math.log(0.5) + math.log(0.6) + math.log(0.7)) / 3)
    ratio = abs(math.log((19 + 5) / (21 + 5)))
    logit = -3.216 + 5.744 * 0.7 - 0.829 * lowest - 0.308 * math.log(6 / 4) - 0.176 * math.log(4 / 4) - 0.585 * ratio
    assert estimate(*log_probs, pieces=6) == pytest.approx(1 / (1 + math.exp(-logit)))


def test_surer_is_better_and_rare_words_are_worse() -> None:
    assert estimate(-0.1, -0.1) > estimate(-0.1, -1.0) > estimate(-1.0, -1.0) > estimate(-1.0, -1.0, pieces=12)


def test_each_kind_of_warning_lowers_it_once() -> None:
    plain = estimate(-0.1, -0.2)
    assert estimate(-0.1, -0.2, warnings=warn("figure_differs", "figure_differs")) == pytest.approx(0.7 * plain)
    assert estimate(-0.1, -0.2, warnings=warn("repeats", "cut_off")) == pytest.approx(0.15 * plain)
    assert lowered_by(()) == 1.0


def test_without_probabilities_only_warnings_are_known() -> None:
    assert estimate() == 1.0
    assert estimate(warnings=warn("untranslated")) == 0.3


@given(
    source=st.text(max_size=9),
    target=st.text(max_size=9),
    log_probs=st.lists(st.floats(-100, 0), max_size=9),
    pieces=st.integers(0, 9),
    languages=st.sampled_from([("en", "de"), ("ja", "zh"), ("x", "")]),
)
def test_it_lies_between_0_and_1(
    source: str, target: str, log_probs: list[float], pieces: int, languages: tuple[str, str]
) -> None:
    assert 0 <= estimate_quality(source, target, log_probs, pieces, *languages) <= 1
