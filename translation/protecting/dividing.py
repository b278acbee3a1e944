"""A sentence with hidden spans, divided into what is translated and what only stands beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dragoman.translation.protecting.hiding import Hidden, is_hidden
from dragoman.translation.protecting.spans import Role

_H = "[\U000f0000-\U000ffffd]"
_LABEL = re.compile(rf"\s*[\"'(\[]?{_H}[\"')\]]?(?:{_H})*\s*(?::|\s[-–—=|])\s+")
"""A span as a label: "%s: no such file"."""

_TRAILING = re.compile(
    rf"(?:(?<=[:=])\s*[\"'(\[]?|(?<=[.!?…])\s+[\"'(\[]?|\s*[(\[]\s?)(?:{_H}[\s,;|/]*)+[\"')\]]*[.!?…]*[\"')\]]*\s*$"
)
"""Spans behind the end of a sentence, behind a colon, or in brackets at the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence. is_gap: whether it is not translated."""

    text: str
    is_gap: bool


def divide(sentence: str, hidden: Hidden, *, at_every_span: bool) -> Iterator[Part]:
    """The parts of a sentence with private characters; joined they are the sentence. Spans at its ends that say nothing
    to a model are gaps, and so are those that separate sentences. at_every_span: whether every span is a gap, and the
    signs around it."""
    begin = 0
    for place, character in enumerate(sentence):
        if is_hidden(character) and (at_every_span or hidden.span(character).role is Role.BREAK):
            yield from _cut(sentence[begin:place]) if at_every_span else _trim(sentence[begin:place], hidden)
            yield Part(character, True)
            begin = place + 1
    yield from _cut(sentence[begin:]) if at_every_span else _trim(sentence[begin:], hidden)


def _cut(text: str) -> Iterator[Part]:
    """A part without spans, and the signs at its ends, but for the end of a sentence."""
    if not has_letters(text):
        if text:
            yield Part(text, True)
        return
    first = next(place for place, character in enumerate(text) if character.isalnum())
    last = next(place for place in range(len(text), 0, -1) if text[place - 1].isalnum())
    while last < len(text) and text[last] in _STOPS:
        last += 1
    for part, is_gap in ((text[:first], True), (text[first:last], False), (text[last:], True)):
        if part:
            yield Part(part, is_gap)


_STOPS = ".!?…"


@dataclass(frozen=True, slots=True)
class Fragment:
    """The change of a part of a sentence into a sentence: a model ends with a stop what had none."""

    text: str

    def undo(self, target: str) -> str:
        """The translation without a stop that the part has not."""
        return target if self.text[-1:] in _STOPS else target.rstrip(_STOPS)


def _trim(text: str, hidden: Hidden) -> Iterator[Part]:
    """A part without breaks, and the gaps at its ends."""
    if not has_letters(text):
        if text:
            yield Part(text, True)
        return
    first, last = _Ends(text, hidden).find_core()
    for part, is_gap in ((text[:first], True), (text[first:last], False), (text[last:], True)):
        if part:
            yield Part(part, is_gap)


class _Ends:
    """The ends of a text with letters: what there is cut off."""

    def __init__(self, text: str, hidden: Hidden) -> None:
        self._text = text
        self._hidden = hidden
        self._places = {hidden.span(one).begin: place for place, one in enumerate(text) if is_hidden(one)}
        self._first = next(place for place, character in enumerate(text) if character.isalpha())
        self._last = next(place for place in range(len(text) - 1, -1, -1) if text[place].isalpha())

    def find_core(self) -> tuple[int, int]:
        """Where the text without marks, labels and white space at its ends begins and ends."""
        return self._find_begin(), self._find_end()

    def _find_begin(self) -> int:
        place = 0
        while True:
            label = _LABEL.match(self._text, place)
            if label and label.end() <= self._last:
                place = label.end()
            elif self._text[place].isspace() or self._is_loose(place):
                place += 1
            else:
                return place

    def _find_end(self) -> int:
        text, end = self._text, len(self._text)
        while True:
            trailing = _TRAILING.search(text, max(self._first, end - _MAX_TRAILING), end)
            stop = end
            while text[stop - 1] in ".!?…,;:":
                stop -= 1
            if trailing and trailing.start() > self._first:
                end = trailing.start()
            elif text[end - 1].isspace() or self._is_loose(end - 1):
                end -= 1
            elif stop < end and self._is_loose(stop - 1):  # a full stop behind an emoji
                end = stop - 1
            else:
                return end

    def _is_loose(self, place: int) -> bool:
        """Whether there is a mark that need not stay at its words: one of a pair has to, unless they hold it all."""
        if not is_hidden(self._text[place]):
            return False
        span = self._hidden.span(self._text[place])
        if span.role is not Role.MARK:
            return False
        partner = None if span.partner is None else self._places.get(span.partner)
        return partner is None or not self._first < partner < self._last


_MAX_TRAILING = 200


def has_letters(text: str) -> bool:
    """Whether there is anything to translate."""
    return any(map(str.isalpha, text))
