"""What has no words is not translated."""

import pytest

from dragoman.translation.normalizing.untranslatable import has_words

SIGNS = "... | !!! | (2) | € 20 | 🌷🌷 | --- | 1. | * * * | 25 °C | 3.5 km | 120×80 cm | 16 GB | a) | (b) | IV. | B."
WORDS = "Hi | I | a | Ja. | 5 Uhr | no | 3 cats | i.e. | Vol. | 你好 | 2 apples | Mix."


@pytest.mark.parametrize("text", SIGNS.split(" | "))
def test_figures_signs_and_measures_have_none(text: str) -> None:
    assert not has_words(text)


@pytest.mark.parametrize("text", WORDS.split(" | "))
def test_words_are_words(text: str) -> None:
    assert has_words(text)
