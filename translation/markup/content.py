"""Text with tags, as a format's reader finds it and as its writer wants it: the seam between formats and placement.

A reader gives `Content`: pieces of text as they are shown, without escapes, and `Tag`s whose raw text only the format
knows. `read_content` makes of it the text that is translated and the inline elements in it; `Placement.place` finds
where these belong in the translation and gives `Content` again, with each tag in it once and pairs nested.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

from dragoman.translation.markup.segments import Inline


class Role(Enum):
    """Whether a tag begins an element, ends the one that was begun last, or stands alone."""

    OPEN = auto()
    CLOSE = auto()
    SINGLE = auto()


@dataclass(frozen=True, slots=True)
class Tag:
    """Something in a text that is not translated.

    raw:   the format's own: what it writes, or a key of what it keeps elsewhere. Not empty.
    shown: of a single one, such as a piece of code, the words that a reader sees there: the translation of the rest
           needs them, and they are not translated.
    """

    raw: str
    role: Role = Role.SINGLE
    shown: str = ""


Content: TypeAlias = tuple[str | Tag, ...]
"""Pieces of text, and the tags between them."""


def pair_tags(pieces: Sequence[tuple[str | Tag, str]]) -> Content:
    """Pieces, each with a key that both tags of an element have; those without a properly nested other half become
    single ones. A text's key does not matter."""
    opened: list[int] = []
    num_opened: Counter[str] = Counter()
    paired: set[int] = set()
    for place, (piece, key) in enumerate(pieces):
        if isinstance(piece, str) or piece.role is Role.SINGLE:
            continue
        if piece.role is Role.OPEN:
            opened.append(place)
            num_opened[key] += 1
        elif num_opened[key]:
            while True:
                start = opened.pop()
                num_opened[pieces[start][1]] -= 1
                if pieces[start][1] == key:
                    break
            paired |= {start, place}
    return tuple(
        replace(piece, role=Role.SINGLE) if isinstance(piece, Tag) and place not in paired else piece
        for place, (piece, _) in enumerate(pieces)
    )


def merge_kept(content: Iterable[str | Tag]) -> Content:
    """Content in which an element around nothing but a single tag is one with it, as a link of a picture or bold code.
    For formats whose raw texts can be put together."""
    merged: list[str | Tag] = []
    for piece in content:
        merged.append(piece)
        while len(merged) > 2:
            first, inner, last = merged[-3:]
            if not (isinstance(first, Tag) and isinstance(inner, Tag) and isinstance(last, Tag)):
                break
            if (first.role, inner.role, last.role) != (Role.OPEN, Role.SINGLE, Role.CLOSE):
                break
            merged[-3:] = [Tag(first.raw + inner.raw + last.raw, shown=inner.shown)]
    return tuple(merged)


def read_content(content: Iterable[str | Tag]) -> tuple[str, tuple[Inline, ...]]:
    """The text with the words of its tags, and the elements in it. A tag whose other half is missing stands alone."""
    pieces = tuple(content)
    paired = _find_paired(pieces)
    elements: list[Inline] = []
    path = [elements]
    opened: list[Inline] = []
    parts: list[str] = []
    length = 0
    trailed: Inline | None = None  # a single tag behind white space, which that behind it belongs to
    for place, piece in enumerate(pieces):
        if isinstance(piece, str):
            rest = piece if trailed is None else piece.lstrip(" ")
            if trailed is not None:
                trailed.trail, trailed = piece[: len(piece) - len(rest)], None
            parts.append(rest)
            length += len(rest)
        elif place not in paired:
            single = Inline(piece.raw, "", length, length + len(piece.shown), kept_text=piece.shown or None)
            path[-1].append(single)
            is_between = not piece.shown and parts and parts[-1].endswith(" ")
            trailed = single if is_between else None
            parts.append(piece.shown)
            length += len(piece.shown)
        elif piece.role is Role.OPEN:
            trailed = None
            opened.append(Inline(piece.raw, first=length))
            path[-1].append(opened[-1])
            path.append(opened[-1].children)
        else:
            trailed = None
            path.pop()
            element = opened.pop()
            element.end, element.last = piece.raw, length
    return "".join(parts), tuple(elements)


def write_content(text: str, elements: Sequence[Inline]) -> Content:
    """The inverse of `read_content`, but for the division of the text into pieces."""
    return tuple(piece for piece in _write(text, elements, 0, len(text)) if piece)


def _write(text: str, elements: Sequence[Inline], place: int, end: int) -> Iterable[str | Tag]:
    for element in elements:
        yield text[place : element.first]
        yield Tag(element.start, Role.OPEN if element.end else Role.SINGLE, element.kept_text or "")
        if element.end:
            yield from _write(text, element.children, element.first, element.last)
            yield Tag(element.end, Role.CLOSE)
        yield element.trail
        place = element.last
    yield text[place:end]


def _find_paired(pieces: Sequence[str | Tag]) -> set[int]:
    """The places of the tags that begin an element or end one."""
    paired: set[int] = set()
    opened: list[int] = []
    for place, piece in enumerate(pieces):
        if isinstance(piece, Tag) and piece.role is Role.OPEN:
            opened.append(place)
        elif isinstance(piece, Tag) and piece.role is Role.CLOSE and opened:
            paired |= {opened.pop(), place}
    return paired
