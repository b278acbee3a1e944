"""Which source languages are possible."""

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.server.translating.languages import UnknownLanguageError, find_sources

DIRECTIONS = frozenset({Direction("en", "de"), Direction("fr", "de"), Direction("de", "en")})


def test_sources_that_are_possible() -> None:
    assert find_sources(DIRECTIONS, "en", "de") == (("en",), "de")
    assert find_sources(DIRECTIONS, "fr-CA", "de-DE") == (("fr",), "de")
    assert find_sources(DIRECTIONS, "", "de") == (("en", "fr"), "de")


def test_what_is_not_known_is_named_with_what_there_is() -> None:
    with pytest.raises(InvalidInputError, match="target_language_code: is empty"):
        find_sources(DIRECTIONS, "en", "")
    with pytest.raises(UnknownLanguageError, match=r'target_language_code: nothing .* into "it"; there is de, en$'):
        find_sources(DIRECTIONS, "en", "it")
    with pytest.raises(UnknownLanguageError, match=r'from "de" to "de"; there is de→en, en→de, fr→de$'):
        find_sources(DIRECTIONS, "de", "de")
