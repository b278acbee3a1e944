"""What has no words is not translated."""

import pytest

from dragoman.translation.normalizing.untranslatable import has_words


@pytest.mark.parametrize(
    "text",
    "... !!! (2) €\u00a020 🌷🌷 --- 1. *\u00a0*\u00a0* 25\u00a0°C 3.5\u00a0km 120×80\u00a0cm 16\u00a0GB a) (b) IV. B. 12:30–14:00".split(
        " "
    ),
)
def test_figures_signs_and_measures_have_none(text: str) -> None:
    assert not has_words(text)


@pytest.mark.parametrize("text", "Hi I a Ja. 5\u00a0Uhr no 3\u00a0cats i.e. Vol. 你好 2\u00a0apples Mix.".split(" "))
def test_words_are_words(text: str) -> None:
    assert has_words(text)
