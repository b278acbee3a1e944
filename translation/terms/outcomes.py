"""What became of a sentence's terms in its translation."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dragoman.translation.terms.matching import WantedTerm

NO_ROOM = "the translation has no room for it"
NO_PIECES = "the model's vocabulary cannot write it"
TOO_MANY = "the sentence has too many terms"
NOT_FOUND = "the translation lacks it"


@dataclass(frozen=True, slots=True)
class TermOutcome:
    """A term of a source, and whether the translation has it.

    source: its words in the source.
    target: the form that the translation has; empty if it has none.
    span:   where, in characters of the translation; None if it is absent, or if that is unknown, as in HTML.
    reason: why it is absent, in one line; empty if it is there.
    """

    source: str
    target: str = ""
    span: tuple[int, int] | None = None
    reason: str = ""

    @property
    def is_met(self) -> bool:
        return bool(self.target)

    def moved(self, distance: int) -> "TermOutcome":
        """The outcome in a text in which `distance` characters come before."""
        return self if self.span is None else replace(self, span=(self.span[0] + distance, self.span[1] + distance))


def find_outcomes(terms: Sequence[WantedTerm], text: str) -> tuple[TermOutcome, ...]:
    """The outcome of each term of a sentence, in order. text: of its translation."""
    taken: list[tuple[int, int]] = []
    outcomes = []
    for term in terms:
        span = _find(term.forms, text, taken)
        if span is None:
            outcomes.append(TermOutcome(term.source, reason=term.reason or NOT_FOUND))
            continue
        taken.append(span)
        outcomes.append(TermOutcome(term.source, text[slice(*span)], span))
    return tuple(outcomes)


def _find(forms: Sequence[str], text: str, taken: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The first place of a form, as whole words, that is not taken; with its capitals if possible."""
    longest_first = sorted(forms, key=len, reverse=True)
    for find in (_places, _places_in_any_case):
        for form in longest_first:
            for begin, end in find(form, text):
                if all(end <= first or last <= begin for first, last in taken):
                    return begin, end
    return None


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    if len(form.split()) > 1:
        yield from (match.span() for match in re.finditer(_whole_words(form), text))
        return
    word = form.strip()  # by hand: compiling a pattern takes a twentieth of a sentence's translation
    begin = text.find(word)
    while begin >= 0:
        end = begin + len(word)
        is_whole = not (
            (form[:1].isalnum() and _continues_word(text[begin - 1 : begin]))
            or (form[-1:].isalnum() and _continues_word(text[end : end + 1]))
        )
        if is_whole:
            yield begin, end
        begin = text.find(word, end if is_whole else begin + 1)


def _continues_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _places_in_any_case(form: str, text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in re.finditer(_whole_words(form), text, re.IGNORECASE))


def _whole_words(form: str) -> str:
    words = r"\s+".join(map(re.escape, form.split()))
    return (r"(?<!\w)" if form[:1].isalnum() else "") + words + (r"(?!\w)" if form[-1:].isalnum() else "")
