"""A stretch of a paragraph that is translated as a whole: from its items to `Content`, and back.

Text that looks alike is joined however the program has stored it. The look that most of it has needs no tag; every
other look, link or object is a tag.
"""

import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dragoman.translation.documents.office.items import Close, Item, Kind, Open, Run, Style, Thing
from dragoman.translation.markup.content import Content, Role, Tag
from dragoman.translation.markup.segments import MAX_INLINE_TAGS, MAX_KEPT_WORDS

_SPACES = re.compile(r"[ \t\n\r]+")
_SOFT_HYPHEN = "\u00ad"


class Stretch:
    """A stretch that is translated as a whole: `content`, made of `items`."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = unpair_ranges(items)
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
        # Nothing distinguishes kept words that are equal, so they keep their order.
        alike: dict[str, deque[str]] = {}
        for tag in self.content:
            if isinstance(tag, Tag) and tag.shown:
                alike.setdefault(tag.shown, deque()).append(tag.raw)
        for piece in _separate(content, self.content):
            if isinstance(piece, str):
                items.append(Run(piece, looks[-1]))
                continue
            tagged = self._tags[alike[piece.shown].popleft() if piece.shown else piece.raw]
            if not isinstance(tagged, Style):
                items.append(tagged)
            if piece.role is Role.OPEN:
                looks.append(self._bases[piece.raw])
            elif piece.role is Role.CLOSE:
                looks.pop()
        return _strip_beside_breaks(unpair_ranges(items))


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


def unpair_ranges(items: Sequence[Item]) -> list[Item]:
    """The inverse of `paragraphs._pair_ranges`."""
    return [item.node if isinstance(item, Open | Close) and isinstance(item.node, Thing) else item for item in items]


def read_text(content: Content) -> str:
    """The text with the words that its tags show."""
    return "".join(map(_shown, content))
