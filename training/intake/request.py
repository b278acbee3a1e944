"""The languages that are wanted of a team's files, and the notes that reading them leaves for people."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from dragoman.model.errors import InvalidInputError
from dragoman.translation.languages import LanguageIdentifier, means_language

PairTexts = tuple[str, str]
"""A source and a target text."""

_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_SHOWN_LANGUAGES = 8


@cache
def _load_identifier() -> LanguageIdentifier:
    return LanguageIdentifier()


class NoPairError(InvalidInputError):
    """A file of a known format without a pair of the wanted languages."""


@dataclass(slots=True)
class Request:
    """source, target: languages. columns: of tables, by name or by number from 1; empty: to be found.

    notes: sentences for people, about what was left out or guessed.
    """

    source: str
    target: str
    columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def identifier(self) -> LanguageIdentifier:
        """Loaded on first use, once."""
        return _load_identifier()

    def side_of(self, label: str | None) -> int | None:
        """0 for a name of the source language, 1 for one of the target language, None for anything else."""
        if not label:
            return None
        found = [means_language(label, language) for language in (self.source, self.target)]
        return found.index(True) if sum(found) == 1 else None

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def lacks(self, name: str, found: set[str]) -> NoPairError:
        """The error for a file without pairs of the wanted languages; found: the languages that it has."""
        if {self.side_of(language) for language in found} >= {0, 1}:
            return NoPairError(f"{name}: has {self.source} and {self.target}, but no text with its translation")
        shown = ", ".join(sorted(filter(None, found))[:_SHOWN_LANGUAGES]) or "no language"
        return NoPairError(f"{name}: has no pair of {self.source} and {self.target}; it has {shown}")


def one_line(text: str) -> str:
    """A text without line breaks, control characters, and white space around it."""
    return _BREAKS.sub(" ", text).strip()


def never_empty(pairs: Iterator[PairTexts], name: str, request: Request, languages: set[str]) -> Iterator[PairTexts]:
    """The same pairs. Raises InvalidInputError at the end if there was none; languages: those that the file has."""
    is_empty = True
    for pair in pairs:
        is_empty = False
        yield pair
    if is_empty:
        raise request.lacks(name, languages)
