"""A paragraph as a row of items, whatever the format: what of it is translated, and the row with the translation.

A paragraph is divided at tabs, at gaps that lay out a form, and at line breaks that end a unit; what lies between is
translated as a whole, see `stretches`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from dragoman.translation.documents.office.items import Close, Item, Kind, Open, Run, Thing
from dragoman.translation.documents.office.stretches import Stretch, read_text, unpair_ranges
from dragoman.translation.markup.content import Content

_GAP = re.compile(r"(\t+|[ \u00a0]{3,}|_{3,}|[.\u2026]{5,})")
"""What lays out a form within a line."""

_MAX_DEPTH = 100
"""Elements within each other up to which ranges become such."""

_SENTENCE_ENDS = (".", "!", "?", ":", ";", "。", "！", "？")


class Paragraph:
    """A paragraph taken apart: `contents` are to be translated, and `replace` gives the items with translations."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._parts: list[list[Item] | Stretch] = []
        for is_border, part in _divide(list(_split_gaps(items))):
            if not is_border and any(isinstance(item, Run) and any(map(str.isalpha, item.text)) for item in part):
                lead, inner, trail = _trim(_pair_ranges(part))
                self._parts += unpair_ranges(lead), Stretch(inner), unpair_ranges(trail)
            else:
                self._parts.append(part)

    @property
    def contents(self) -> list[Content]:
        """What is to be translated, in order."""
        return [part.content for part in self._parts if isinstance(part, Stretch)]

    def replace(self, contents: Sequence[Content]) -> list[Item] | None:
        """The items with these contents instead; None if nothing differs."""
        remaining = iter(contents)
        items: list[Item] = []
        is_changed = False
        for part in self._parts:
            if isinstance(part, Stretch):
                content = next(remaining)
                if read_text(content) == read_text(part.content):
                    items += part.items
                else:
                    is_changed = True
                    items += part.write(content)
            else:
                items += part
        return _order_ranges(items) if is_changed else None


def _split_gaps(items: Sequence[Item]) -> Iterator[Item]:
    """Runs without gaps inside; a gap is a run of its own."""
    for item in items:
        if isinstance(item, Run):
            for text in filter(None, _GAP.split(item.text)):
                yield replace(item, text=text)
        else:
            yield item


def _divide(items: list[Item]) -> Iterator[tuple[bool, list[Item]]]:
    """The stretches between borders, and the borders, with whether it is these. An element with a border inside is one
    itself."""
    borders: set[int] = set()
    opened: list[int] = []
    broken: set[int] = set()
    for place, item in enumerate(items):
        if isinstance(item, Open):
            opened.append(place)
        elif isinstance(item, Close):
            begin = opened.pop()
            if begin in broken:
                borders |= {begin, place}
        elif _is_border(items, place):
            borders.add(place)
            broken |= set(opened)
    for is_border, group in groupby(range(len(items)), borders.__contains__):
        yield is_border, [items[place] for place in group]


def _is_border(items: Sequence[Item], place: int) -> bool:
    item = items[place]
    if isinstance(item, Run):
        return _GAP.fullmatch(item.text) is not None
    if not isinstance(item, Thing) or item.kind is not Kind.BREAK:
        return isinstance(item, Thing) and item.kind is Kind.BORDER
    before = next(_read_texts(items[other] for other in range(place - 1, -1, -1)), "").rstrip()
    behind = next(_read_texts(items[other] for other in range(place + 1, len(items))), "").lstrip()
    return not behind[:1].islower() or before.endswith(_SENTENCE_ENDS)


def _read_texts(items: Iterable[Item]) -> Iterator[str]:
    return (item.text for item in items if isinstance(item, Run) and item.text.strip())


def _pair_ranges(items: Sequence[Item]) -> list[Item]:
    """Ranges with words inside that neither cross others nor leave these items become elements."""
    last_words = -1  # place
    paired: dict[int, Item] = {}
    opened: list[int] = []
    for place, item in enumerate(items):
        is_first = isinstance(item, Thing) and item.kind is Kind.FIRST
        if isinstance(item, Open) or (is_first and len(opened) < _MAX_DEPTH):
            opened.append(place)
        elif isinstance(item, Close):
            while isinstance(items[opened.pop()], Thing):
                pass
        elif isinstance(item, Run) or item.kind is Kind.KEPT:
            last_words = place if not isinstance(item, Run) or item.text.strip() else last_words
        elif isinstance(item, Thing) and item.kind is Kind.LAST:
            for depth in range(len(opened) - 1, -1, -1):
                begin = items[opened[depth]]
                if isinstance(begin, Open):
                    break
                if isinstance(begin, Thing) and begin.pair == item.pair:
                    if opened[depth] < last_words:
                        paired |= {opened[depth]: Open(begin), place: Close(item)}
                    del opened[depth:]  # ranges that began since then cross this one
                    break
    return [paired.get(place, item) for place, item in enumerate(items)]


def _trim(items: list[Item]) -> tuple[list[Item], list[Item], list[Item]]:
    """White space and points at both ends, and what is between."""
    begin, end = 0, len(items)
    while begin < end and _is_blank(items[begin]):
        begin += 1
    while begin < end and _is_blank(items[end - 1]):
        end -= 1
    lead, inner, trail = items[:begin], items[begin:end], items[end:]
    if inner and isinstance(first := inner[0], Run) and first.text != (text := first.text.lstrip()):
        lead.append(replace(first, text=first.text[: -len(text)]))
        inner[0] = replace(first, text=text)
    if inner and isinstance(last := inner[-1], Run) and last.text != (text := last.text.rstrip()):
        trail.insert(0, replace(last, text=last.text[len(text) :]))
        inner[-1] = replace(last, text=text)
    return lead, inner, trail


def _is_blank(item: Item) -> bool:
    if isinstance(item, Run):
        return not item.text.strip()
    return isinstance(item, Thing) and item.kind is not Kind.KEPT


def _order_ranges(items: list[Item]) -> list[Item]:
    """Words may change places, but no range may end before it begins."""
    ends: dict[str, int] = {}
    for place, item in enumerate(items):
        if isinstance(item, Thing) and item.kind is Kind.LAST:
            ends[item.pair] = place
        elif isinstance(item, Thing) and item.kind is Kind.FIRST and item.pair in ends:
            other = ends.pop(item.pair)
            items[other], items[place] = item, items[other]
    return items
