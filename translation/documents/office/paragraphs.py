"""A paragraph as a row of items, whatever the format: what of it is translated, and the row with the translation.

A paragraph is divided at tabs, at gaps that lay out a form, and at line breaks that end a unit; what lies between is
translated as a whole. There, text that looks alike is joined however the program has stored it; the look that most of
it has needs no tag, and every other look, link or object is a tag in `Content`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import groupby
from typing import Any, TypeAlias

from dragoman.translation.markup.content import Content, Role, Tag
from dragoman.translation.markup.segments import MAX_INLINE_TAGS, MAX_KEPT_WORDS


@dataclass(frozen=True, slots=True)
class Style:
    """A look of text. key: equal for looks that a reader cannot tell apart. node: the format's own."""

    key: str
    node: Any = None


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one look."""

    text: str
    style: Style


class Kind(Enum):
    """What an object means for the text around it.

    POINT:  nothing; it stays beside the word that it touches.
    FIRST, LAST: the begin and the end of a range, such as a comment's.
    KEPT:   it shows words that are not translated.
    BREAK:  a line break. One before a small letter is taken to be within a sentence.
    BORDER: no sentence crosses it.
    """

    POINT = auto()
    FIRST = auto()
    LAST = auto()
    KEPT = auto()
    BREAK = auto()
    BORDER = auto()


@dataclass(frozen=True, slots=True)
class Thing:
    """An object in a paragraph. shown: the words of a KEPT one. pair: equal for the two ends of a range."""

    node: Any
    kind: Kind = Kind.POINT
    shown: str = ""
    pair: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """The begin of an element that holds text, such as a link."""

    node: Any


@dataclass(frozen=True, slots=True)
class Close:
    """The end of the element that was begun last. node: the same as of its `Open`."""

    node: Any


Item: TypeAlias = Run | Thing | Open | Close

_GAP = re.compile(r"(\t+|[ \u00a0]{3,}|_{3,}|[.\u2026]{5,})")
"""What lays out a form within a line."""

_SPACES = re.compile(r"[ \t\n\r]+")
_SOFT_HYPHEN = "\u00ad"
_SENTENCE_ENDS = (".", "!", "?", ":", ";", "。", "！", "？")


class Paragraph:
    """A paragraph taken apart: `contents` are to be translated, and `replace` gives the items with translations."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._parts: list[list[Item] | _Segment] = []
        for is_border, part in _divide(list(_split_gaps(items))):
            if not is_border and any(isinstance(item, Run) and any(map(str.isalpha, item.text)) for item in part):
                lead, inner, trail = _trim(_pair_ranges(part))
                self._parts += _unpair_ranges(lead), _Segment(inner), _unpair_ranges(trail)
            else:
                self._parts.append(part)

    @property
    def contents(self) -> list[Content]:
        """What is to be translated, in order."""
        return [part.content for part in self._parts if isinstance(part, _Segment)]

    def replace(self, contents: Sequence[Content]) -> list[Item] | None:
        """The items with these contents instead; None if nothing differs."""
        remaining = iter(contents)
        items: list[Item] = []
        is_changed = False
        for part in self._parts:
            if isinstance(part, _Segment):
                content = next(remaining)
                if _read_text(content) == _read_text(part.content):
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
    """Ranges that neither cross others nor leave these items become elements."""
    paired: dict[int, Item] = {}
    opened: list[int] = []
    for place, item in enumerate(items):
        if isinstance(item, Open) or (isinstance(item, Thing) and item.kind is Kind.FIRST):
            opened.append(place)
        elif isinstance(item, Close):
            while isinstance(items[opened.pop()], Thing):
                pass
        elif isinstance(item, Thing) and item.kind is Kind.LAST:
            for depth in range(len(opened) - 1, -1, -1):
                begin = items[opened[depth]]
                if isinstance(begin, Open):
                    break
                if isinstance(begin, Thing) and begin.pair == item.pair:
                    paired |= {opened[depth]: Open(begin), place: Close(item)}
                    del opened[depth:]  # ranges that began since then cross this one
                    break
    return [paired.get(place, item) for place, item in enumerate(items)]


def _unpair_ranges(items: Sequence[Item]) -> list[Item]:
    """The inverse of `_pair_ranges`."""
    return [item.node if isinstance(item, Open | Close) and isinstance(item.node, Thing) else item for item in items]


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


def _read_text(content: Content) -> str:
    """The text with the words that its tags show."""
    return "".join(map(_shown, content))


class _Segment:
    """A stretch that is translated as a whole: `content`, made of `items`."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = _unpair_ranges(items)
        self._base = _most_common(items) or next(item.style for item in items if isinstance(item, Run))
        self._begin()
        self._read(list(items), self._base)
        if len(self._pieces) - sum(isinstance(piece, str) for piece in self._pieces) > MAX_INLINE_TAGS:
            # Rather no look than no translation.
            self._begin()
            self._read(
                [replace(item, style=self._base) if isinstance(item, Run) else item for item in items], self._base
            )
        self.content: Content = tuple(self._pieces)

    def _begin(self) -> None:
        self._tags: dict[str, Item | Style] = {}
        self._bases: dict[str, Style] = {}  # the look of the text in an element, by its first tag
        self._pieces: list[str | Tag] = []
        self._last = ""  # character of the text

    def _tag(self, item: Item | Style, role: Role, shown: str = "") -> Tag:
        tag = Tag(f"{role.name.lower()} {len(self._tags)}", role, shown)
        self._tags[tag.raw] = item
        self._pieces.append(tag)
        return tag

    def _add_text(self, text: str) -> None:
        text = _SPACES.sub(" ", text.replace(_SOFT_HYPHEN, ""))
        if self._last in ("", " "):
            text = text.lstrip(" ") if self._last else text
        if text:
            self._last = text[-1]
            self._pieces.append(text)

    def _read(self, items: list[Item], base: Style) -> None:
        """Reads the items of one element."""
        place = 0
        while place < len(items):
            item = items[place]
            if isinstance(item, Open):
                end = _find_close(items, place)
                inner = items[place + 1 : end]
                inner_base = _most_common(inner) or base
                self._bases[self._tag(item, Role.OPEN).raw] = inner_base
                self._read(inner, inner_base)
                self._tag(items[end], Role.CLOSE)
                place = end + 1
            elif isinstance(item, Run) and item.style.key != base.key and item.text.strip():
                end = _find_end_of_look(items, place)
                self._bases[self._tag(item.style, Role.OPEN).raw] = item.style
                for inner_item in items[place:end]:
                    self._read_flat(inner_item)
                self._tag(item.style, Role.CLOSE)
                place = end
            else:
                self._read_flat(item)
                place += 1

    def _read_flat(self, item: Item) -> None:
        if isinstance(item, Run):
            self._add_text(item.text)
        elif isinstance(item, Thing):
            if item.kind is Kind.BREAK:
                self._add_text(" ")
            shown = item.shown if len(item.shown.split()) <= MAX_KEPT_WORDS else ""
            self._tag(item, Role.SINGLE, shown)
            self._last = shown[-1:] or self._last

    def write(self, content: Content) -> list[Item]:
        """The items of a translation."""
        items: list[Item] = []
        looks = [self._base]
        for piece in _separate(content, self.content):
            if isinstance(piece, str):
                items.append(Run(piece, looks[-1]))
                continue
            tagged = self._tags[piece.raw]
            if not isinstance(tagged, Style):
                items.append(tagged)
            if piece.role is Role.OPEN:
                looks.append(self._bases[piece.raw])
            elif piece.role is Role.CLOSE:
                looks.pop()
        return _strip_beside_breaks(_unpair_ranges(items))


def _separate(content: Content, source: Content) -> Iterator[str | Tag]:
    """The content with a space between words and what is kept, where the source has one and it has none."""
    free = {
        piece.raw: [not character or character.isspace() for character in _neighbours(source, place)]
        for place, piece in enumerate(source)
        if isinstance(piece, Tag) and piece.shown
    }
    for place, piece in enumerate(content):
        is_joined = [False, False]
        if isinstance(piece, Tag) and piece.raw in free:
            neighbours = _neighbours(content, place)
            is_joined = [is_free and near.isalnum() for is_free, near in zip(free[piece.raw], neighbours, strict=True)]
        if is_joined[0]:
            yield " "
        yield piece
        if is_joined[1] and not _is_kept_next(content, place):
            yield " "


def _neighbours(content: Content, place: int) -> tuple[str, str]:
    """The characters that a reader sees before and behind a tag; empty where there are none."""
    before = (content[other] for other in range(place - 1, -1, -1))
    behind = (content[other] for other in range(place + 1, len(content)))
    return next(filter(None, map(_shown, before)), "")[-1:], next(filter(None, map(_shown, behind)), "")[:1]


def _is_kept_next(content: Content, place: int) -> bool:
    """Whether the next words that a reader sees are kept ones, which have their own space before them."""
    return isinstance(next((piece for piece in content[place + 1 :] if _shown(piece)), ""), Tag)


def _shown(piece: str | Tag) -> str:
    return piece if isinstance(piece, str) else piece.shown


def _most_common(items: Sequence[Item]) -> Style | None:
    """The look of most of the text that lies in no further element; the first one of equals."""
    counts: Counter[str] = Counter()
    looks: dict[str, Style] = {}
    depth = 0
    for item in items:
        if isinstance(item, Open | Close):
            depth += 1 if isinstance(item, Open) else -1
        elif isinstance(item, Run) and not depth:
            looks.setdefault(item.style.key, item.style)
            counts[item.style.key] += len(item.text.strip())
    return looks[counts.most_common(1)[0][0]] if counts else None


def _find_close(items: Sequence[Item], place: int) -> int:
    depth = 0
    for end in range(place, len(items)):
        depth += 1 if isinstance(items[end], Open) else -1 if isinstance(items[end], Close) else 0
        if not depth:
            return end
    raise ValueError("an element without end")


def _find_end_of_look(items: Sequence[Item], place: int) -> int:
    """Behind the last text of the same look; points and white space between do not end it."""
    first = items[place]
    end = place + 1
    for other in range(place + 1, len(items)):
        item = items[other]
        if isinstance(item, Open | Close):
            break
        if isinstance(item, Run) and item.text.strip():
            if not isinstance(first, Run) or item.style.key != first.style.key:
                break
            end = other + 1
    return end


def _strip_beside_breaks(items: list[Item]) -> list[Item]:
    """A line break takes the place of a space."""
    for place, item in enumerate(items):
        if isinstance(item, Thing) and item.kind is Kind.BREAK:
            before = items[place - 1] if place else None
            behind = items[place + 1] if place + 1 < len(items) else None
            if isinstance(before, Run):
                items[place - 1] = replace(before, text=before.text.rstrip(" "))
            if isinstance(behind, Run):
                items[place + 1] = replace(behind, text=behind.text.lstrip(" "))
    return items
