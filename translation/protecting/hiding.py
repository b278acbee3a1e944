"""Spans hidden behind one private character each, so that nothing on the way to the model and back can harm them."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.translation.protecting.spans import Role, Span

FIRST = 0xF0000
LAST = 0xFFFFD
"""Unicode's private characters of plane 15. Those that a text has itself are spans of it."""

_NEUTRAL = {Role.NAME: "X", Role.NUMBER: "1", Role.MARK: "\u25cf", Role.BREAK: "\u25cf"}


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text with private characters for its spans. raw: the spans, that of FIRST + i at i; spans: likewise."""

    text: str
    raw: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()

    def reveal(self, text: str) -> str:
        """Any text with the spans for their private characters: of `self.text`, the original."""
        if not self.raw:
            return text
        return "".join(self.raw[ord(character) - FIRST] if is_hidden(character) else character for character in text)

    def span(self, character: str) -> Span:
        """The span of a private character."""
        return self.spans[ord(character) - FIRST]

    @property
    def neutral(self) -> str:
        """The text with a letter for each name and a digit for each number: as long, but ordinary."""
        if not self.spans:
            return self.text
        return "".join(
            _NEUTRAL[self.span(character).role] if is_hidden(character) else character for character in self.text
        )


@dataclass(frozen=True, slots=True)
class Hiding:
    """The change of a sentence into `text`, in which private characters stand for its spans."""

    hidden: Hidden
    text: str

    def undo(self, target: str) -> str:
        """The text with the spans."""
        return self.hidden.reveal(target)


def is_hidden(character: str) -> bool:
    """Whether a character stands for a span."""
    return "\U000f0000" <= character <= "\U000ffffd"


def hide(text: str, spans: Sequence[Span]) -> Hidden:
    """A text without its spans. Of more than there are private characters, the last ones stay."""
    if not spans:
        return Hidden(text)
    spans = spans[: LAST - FIRST + 1]
    parts: list[str] = []
    place = 0
    for number, span in enumerate(spans):
        parts += text[place : span.begin], chr(FIRST + number)
        place = span.end
    parts.append(text[place:])
    return Hidden("".join(parts), tuple(text[span.begin : span.end] for span in spans), tuple(spans))
