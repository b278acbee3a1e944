"""Languages of a configuration by code or name, in any case."""

import copy
from typing import Any

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.language_names import name_languages


def test_codes_stand_in_place_of_names() -> None:
    tree: dict[str, Any] = {
        "data": {
            "directions": ["EN-de", "german→PT-br"],
            "train": [{"English": "a.en", "DE": "a.de", "repeat": 2, "directions": ["English-Deutsch"]}],
            "dev": {"German": "dev.de", "EN": "dev.en"},
        }
    }
    name_languages(tree)
    assert tree["data"] == {
        "directions": ["en→de", "de→pt-BR"],
        "train": [{"en": "a.en", "de": "a.de", "repeat": 2, "directions": ["en→de"]}],
        "dev": {"de": "dev.de", "en": "dev.en"},
    }


def test_several_dev_sets_are_named_likewise() -> None:
    tree: dict[str, Any] = {"data": {"dev": {"German": {"EN": "a", "German": "b"}, "EN": "c"}}}
    name_languages(tree)
    assert tree["data"]["dev"] == {"German": {"en": "a", "de": "b"}, "en": "c"}


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"data": 5},
        {"data": {"directions": ["en-de"], "train": [{"en": "a", "de": "b"}], "dev": {"eng": "a", "tlh": "b"}}},
        {"data": {"directions": [1, "nonsense"], "train": ["a", {"en": 1}], "dev": "x"}},
        {"data": {"directions": "en-de", "train": {"en": "a"}}},
    ],
)
def test_everything_else_stays_for_the_check_of_types(tree: dict[str, Any]) -> None:
    before = copy.deepcopy(tree)
    name_languages(tree)
    assert tree == before


def test_a_language_twice_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match=r"^data.dev: has the language de twice, the second time as German$"):
        name_languages({"data": {"dev": {"de": "a", "German": "b"}}})
