"""From a document's tokens to the stretches of text that belong together, and the tags inside each.

Everything except inline tags is a border between two segments: tags of blocks, such as paragraphs and cells, but also
inline tags that are unpaired or cross another pair, so that no translation can put an end before its start.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape

from dragoman.translation.markup.tokens import Kind, Token, find_foreign, tokenize

MAX_INLINE_TAGS = 400
"""Inline tags of a segment; where there are more, each is a border. Bounds the work, and how deep they are nested."""

MAX_KEPT_WORDS = 8
"""Words of an inline element that must not be translated, up to which it takes part in its sentence: the translation
needs to know that there is a name. Longer ones, such as lines of code, would only confuse."""

# fmt: off
BLOCK_ELEMENTS = frozenset((
    "address", "article", "aside", "audio", "base", "blockquote", "body", "button", "canvas", "caption", "center",
    "col", "colgroup", "dd", "details", "dialog", "dir", "div", "dl", "dt", "embed", "fieldset", "figcaption",
    "figure", "footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup",
    "hr", "html", "iframe", "legend", "li", "link", "listing", "main", "menu", "meta", "nav", "noframes",
    "noscript", "object", "ol", "optgroup", "option", "p", "param", "plaintext", "pre", "search", "section",
    "select", "source", "style", "summary", "table", "tbody", "td", "template", "textarea", "tfoot", "th", "thead",
    "title", "tr", "track", "ul", "video", "xmp",
))
# fmt: on
"""Elements that no sentence crosses. All others are inline, also those that the HTML standard does not know."""

KEPT_ELEMENTS = frozenset(("code", "math", "script", "style", "svg"))
"""Elements whose content is never translated."""

_PREFORMATTED_ELEMENTS = frozenset(("listing", "pre", "textarea"))
_SPACES = re.compile(r"[ \t\n\f\r]+")
_WHITE = " \t\n\f\r"


@dataclass(slots=True)
class Inline:
    """An inline element in a segment, or a single tag or comment.

    start, end: the raw tags; of a single one, all of it is `start`.
    first, last: the characters of the segment's text that lie in it, the last one excluded; none for a single tag.
    kept_text: of an element that is not translated, whose raw text is `start`: what it contributed to the text.
    is_space: whether it is a line break that a space stands for in the text.
    trail: white space behind it that the text does not have, since there is some before it.
    """

    start: str
    end: str = ""
    first: int = 0
    last: int = 0
    children: list["Inline"] = field(default_factory=list)
    kept_text: str | None = None
    is_space: bool = False
    trail: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text with the inline elements in it; lead and trail are white space around it, as it was.
    raw: all of it as it stands in the document."""

    text: str
    elements: tuple[Inline, ...]
    lead: str
    trail: str
    raw: str


@dataclass(frozen=True, slots=True)
class _Item:
    """Of a segment: a text, a tag, a comment, or an element that is kept, with the text that it contributes."""

    token: Token
    kept_text: str | None = None
    is_preformatted: bool = False

    @property
    def is_tag(self) -> bool:
        return self.token.kind in (Kind.START, Kind.END) and self.kept_text is None and not self.token.is_void


def read_segments(html: str) -> Iterator[str | Segment]:
    """A document as segments to translate, and raw texts between them that stay as they are."""
    run: list[_Item] = []
    for item in _find_items(list(tokenize(html))):
        if isinstance(item, _Item):
            run.append(item)
        else:
            yield from _read_run(run)
            run = []
            yield item
    yield from _read_run(run)


def _find_items(tokens: Sequence[Token]) -> Iterator[_Item | str]:
    """What may belong to a segment, and the raw borders between."""
    ends = _match_ends(tokens)
    num_preformatted = place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.is_kept or (token.kind is Kind.START and token.name in KEPT_ELEMENTS):
            end = _end_of_kept(tokens, place, ends)
            yield _keep(tokens[place:end])
            place = end
            continue
        if token.name in _PREFORMATTED_ELEMENTS:
            num_preformatted = max(0, num_preformatted + (1 if token.kind is Kind.START else -1))
        if token.kind is Kind.RAW or token.name in BLOCK_ELEMENTS:
            yield token.raw
        else:
            yield _Item(token, is_preformatted=num_preformatted > 0)
        place += 1


def _match_ends(tokens: Sequence[Token]) -> dict[int, int]:
    """For each start tag that has one, the place of its end: the next that no other of the same name claims."""
    ends: dict[int, int] = {}
    open_tags: dict[str, list[int]] = {}
    for place, token in enumerate(tokens):
        if token.kind is Kind.START and not token.is_void:
            open_tags.setdefault(token.name, []).append(place)
        elif token.kind is Kind.END and open_tags.get(token.name):
            ends[open_tags[token.name].pop()] = place
    return ends


def _end_of_kept(tokens: Sequence[Token], start: int, ends: dict[int, int]) -> int:
    """The place behind an element; one without an end tag, as <p> may be, ends before the next block."""
    if tokens[start].is_void:
        return start + 1
    if start in ends:
        return ends[start] + 1
    for place in range(start + 1, len(tokens)):
        if tokens[place].name in BLOCK_ELEMENTS:
            return place
    return len(tokens)


def _keep(tokens: Sequence[Token]) -> _Item | str:
    raw = "".join(token.raw for token in tokens)
    shown = [token for token, is_foreign in zip(tokens, find_foreign(tokens), strict=True) if not is_foreign]
    if any(token.name in BLOCK_ELEMENTS - {"script", "style"} for token in shown):
        return raw
    text = ""
    if tokens[0].name not in KEPT_ELEMENTS - {"code"}:
        text = _SPACES.sub(" ", unescape("".join(token.raw for token in shown if token.kind is Kind.TEXT))).strip()
        if len(text.split()) > MAX_KEPT_WORDS:
            text = ""
    return _Item(Token(Kind.COMMENT, raw), kept_text=text)


def _read_run(run: Sequence[_Item]) -> Iterator[str | Segment]:
    """The segments between two blocks; what has nothing to translate stays raw."""
    borders = _find_unpaired(run)
    begin = 0
    for end in (*borders, len(run)):
        items = run[begin:end]
        if any(item.token.kind is Kind.TEXT and any(map(str.isalnum, unescape(item.token.raw))) for item in items):
            yield _Builder(items).build()
        else:
            yield "".join(item.token.raw for item in items)
        if end < len(run):
            yield run[end].token.raw
        begin = end + 1


def _find_unpaired(run: Sequence[_Item]) -> list[int]:
    """The places of the tags that have no other half, or have such tags between them and it."""
    tags = [place for place, item in enumerate(run) if item.is_tag]
    if len(tags) > MAX_INLINE_TAGS:
        return tags
    unpaired: list[int] = []
    open_tags: list[int] = []
    broken = {-1}  # open tags with something unpaired inside; -1 is around all
    for place in tags:
        name = run[place].token.name
        if run[place].token.kind is Kind.START:
            open_tags.append(place)
        elif all(run[other].token.name != name for other in open_tags):
            unpaired.append(place)
            broken.add(open_tags[-1] if open_tags else -1)
        else:
            is_broken = False
            while run[start := open_tags.pop()].token.name != name:
                unpaired.append(start)
                is_broken = True
            if is_broken or start in broken:
                unpaired += start, place
                broken.add(open_tags[-1] if open_tags else -1)
    return sorted(unpaired + open_tags)


class _Builder:
    """Collects the text of a segment whose tags are paired.

    White space that the text does not keep, at its ends and beside what shows no text, stays beside its tag.
    """

    def __init__(self, items: Sequence[_Item]) -> None:
        self._items = items
        self._parts: list[str] = []
        self._length = 0
        self._last = ""  # character; empty at the begin
        self._needs_space: _Edge | None = None  # the tag that shows something behind the last white space
        self._opened: list[Inline] = []
        self._edges: list[_Edge] = []
        self._leading: list[tuple[str, _Edge]] = []  # white space before the text, and the tag that it follows
        self._lead = ""
        self._breaks: set[int] = set()  # places of the spaces that stand for a line break

    def build(self) -> Segment:
        """Elements may also hold the white space that was at the text's end."""
        elements: list[Inline] = []
        path = [elements]
        for item in self._items:
            token = item.token
            if token.kind is Kind.TEXT:
                self._add_text(unescape(token.raw), item.is_preformatted)
            elif not item.is_tag:
                path[-1].append(self._add_single(item))
            elif token.kind is Kind.START:
                element = Inline(token.raw, first=self._length)
                path[-1].append(element)
                path.append(element.children)
                self._pass_tag(element, is_end=False)
                self._opened.append(element)
            else:
                element = self._opened.pop()
                element.end, element.last = token.raw, self._length
                self._pass_tag(element, is_end=True)
                path.pop()
                if element.first == element.last:  # it may show something all the same, such as an icon
                    self._needs_space = self._edges[-1]
        text = "".join(self._parts)
        kept = text.rstrip(_WHITE)
        lead = self._lead + self._place_leading(kept)
        raw = "".join(item.token.raw for item in self._items)
        return Segment(kept, tuple(elements), lead, self._place_trailing(text, kept), raw)

    def _pass_tag(self, element: Inline, *, is_end: bool) -> None:
        self._edges.append(_Edge(element, is_end, self._length, tuple(self._opened)))

    def _place_leading(self, kept: str) -> str:
        """White space before the text goes back behind its tag; returns it where that tag may move."""
        lead = ""
        for white, edge in self._leading:
            if edge.stays(kept, is_before=False):
                edge.append(white)
            else:
                lead += white
        return lead

    def _place_trailing(self, text: str, kept: str) -> str:
        """White space behind the text goes back before its tag; returns what has none, or one that may move."""
        trail = ""
        place = len(kept)
        for edge in self._edges:
            if edge.place > place:
                white = self._white(text, place, edge.place)
                place = edge.place
                if edge.stays(kept, is_before=True):
                    edge.prepend(white)
                else:
                    trail += white
        return trail + self._white(text, place, len(text))

    def _white(self, text: str, begin: int, end: int) -> str:
        return "".join(text[place] for place in range(begin, end) if place not in self._breaks)

    def _add_text(self, text: str, is_preformatted: bool) -> None:
        """White space is one space, as a browser shows it, unless the text is preformatted."""
        rest = text.lstrip(_WHITE)
        white = text[: len(text) - len(rest)]
        if white and self._needs_space and (not self._last or (self._last in _WHITE and not is_preformatted)):
            self._needs_space.append(white)
        elif not self._last:
            if not self._edges:
                self._lead = white
            elif white:
                self._leading.append((white, self._edges[-1]))
        elif self._last not in _WHITE or is_preformatted:
            rest = text
        if text:
            self._needs_space = None
        if not is_preformatted:
            rest = _SPACES.sub(" ", rest)
        if rest:
            self._parts.append(rest)
            self._length += len(rest)
            self._last = rest[-1]

    def _add_single(self, item: _Item) -> Inline:
        first = self._length
        if item.kept_text:
            self._add_text(item.kept_text, False)
            kept = Inline(item.token.raw, "", first, self._length, kept_text=item.kept_text)
            self._pass_tag(kept, is_end=True)
            return kept
        is_break = item.token.name == "br"
        is_space = is_break and self._last not in ("", " ")
        single = Inline(item.token.raw, "", first, first, is_space=is_space)
        self._pass_tag(single, is_end=False)
        if is_space:
            self._breaks.add(first)
            self._add_text(" ", False)
        self._needs_space = None if is_break else self._edges[-1]
        return single


@dataclass(frozen=True, slots=True)
class _Edge:
    """A tag at a place of the text. is_end: whether it is an end tag. around: the open elements beside its own."""

    element: Inline
    is_end: bool
    place: int
    around: tuple[Inline, ...]

    def stays(self, text: str, *, is_before: bool) -> bool:
        """Whether what is before or behind the tag belongs there wherever the translation puts it: before a picture, or
        in elements that hold all of the text or nothing of it, which stay at the ends of the translation."""
        if is_before and not self.is_end and not self.element.end:
            return True
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        is_inside = self.element.end and self.is_end == is_before
        around = (*self.around, self.element) if is_inside else self.around
        return all(
            element.first >= last or element.last <= first or (element.first <= first and element.last >= last)
            for element in around
        )

    def append(self, white: str) -> None:
        """White space behind the tag."""
        if self.is_end and self.element.kept_text is None:
            self.element.end += white
        else:
            self.element.start += white

    def prepend(self, white: str) -> None:
        """White space before the tag."""
        if self.is_end and self.element.kept_text is None:
            self.element.end = white + self.element.end
        else:
            self.element.start = white + self.element.start
