"""XML with the place of every element and text in the file, so that some can be replaced and the rest stays as it is.

expat reads: it checks the whole and gives places, which trees such as lxml's do not. It reads no external entities and
resolves none of the document's own, so there is nothing that could grow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias
from xml.parsers import expat

from dragoman.model.errors import InvalidInputError

MAX_DEPTH = 100
"""Nested elements."""

_NOT_ALLOWED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_DECLARATION = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""")


@dataclass(slots=True)
class Text:
    """Characters, or something else between tags. raw: as in the file. parts: of what it means; None for a
    comment, a processing instruction, or an entity that the document declares."""

    begin: int
    end: int
    raw: str
    parts: list[str] | None

    @property
    def text(self) -> str | None:
        """What it means."""
        return None if self.parts is None else "".join(self.parts)


@dataclass(slots=True)
class Element:
    """begin, inner_begin, inner_end, end: where it and its content begin and end; of "<x/>" the content is empty, and
    inner_begin is its end. name: without prefix. attributes: with prefixes."""

    name: str
    attributes: dict[str, str]
    begin: int
    inner_begin: int = 0
    inner_end: int = 0
    end: int = 0
    is_empty_tag: bool = False
    parent: "Element | None" = None
    children: list["Node"] = field(default_factory=list)

    def elements(self, *names: str) -> Iterator["Element"]:
        """The children of these names, or all."""
        return (child for child in self.children if isinstance(child, Element) and (not names or child.name in names))

    def descendants(self, *names: str) -> Iterator["Element"]:
        """The elements of these names within it, in their order."""
        for child in self.elements():
            if child.name in names:
                yield child
            yield from child.descendants(*names)

    def text(self) -> str:
        """The characters within it, those of its children as well."""
        return "".join(child.text() if isinstance(child, Element) else child.text or "" for child in self.children)


Node: TypeAlias = Element | Text


def parse_xml(content: bytes) -> tuple[str, str, Element]:
    """The text, its encoding, and the root element, whose places are characters of the text.

    Raises InvalidInputError with line and column.
    """
    text, encoding = _decode(content)
    reader = _Reader(text)
    return text, encoding, reader.root


def _decode(content: bytes) -> tuple[str, str]:
    declared = _DECLARATION.match(content.removeprefix(b"\xef\xbb\xbf"))
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = declared[1].decode() if declared else "utf-8"
    try:
        return content.decode(encoding), encoding
    except LookupError:
        raise InvalidInputError(f"its encoding {encoding} is unknown") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"line {line}: is not {encoding}") from None


class _Reader:
    """Collects expat's events."""

    def __init__(self, text: str) -> None:
        self._data = text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")
        self._text = text
        self._root: Element | None = None
        self._open: list[Element] = []
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = False
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add
        self._parser.DefaultHandler = self._other
        self._parser.CommentHandler = self._other
        self._parser.ProcessingInstructionHandler = lambda target, data: self._other("")
        self._parser.StartCdataSectionHandler = lambda: self._other("")
        self._parser.EndCdataSectionHandler = lambda: self._other("")
        self._last: Node | None = None  # whose end is where the next event begins
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise InvalidInputError(f"line {error.lineno}, column {error.offset + 1}: {reason}") from None
        assert self._root is not None  # or expat had refused it
        self.root: Element = self._root
        self._to_characters()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        place = self._step()
        if len(self._open) >= MAX_DEPTH:
            line = self._parser.CurrentLineNumber
            raise InvalidInputError(f"line {line}: more than {MAX_DEPTH} elements are nested")
        parent = self._open[-1] if self._open else None
        element = Element(name.rpartition(":")[2], attributes, place, parent=parent)
        if parent is None:
            self._root = element
        else:
            parent.children.append(element)
        self._open.append(element)
        self._last = element

    def _end(self, _: str) -> None:
        """Of "<x/>" the end comes where the tag ends, without a step before it."""
        place = self._parser.CurrentByteIndex
        element = self._open.pop()
        element.is_empty_tag = self._last is element and self._data.endswith(b"/>", 0, place)
        self._step()
        element.inner_end = place
        element.end = place if element.is_empty_tag else self._data.index(b">", place) + 1

    def _other(self, _: str) -> None:
        self._add(None)

    def _add(self, text: str | None) -> None:
        last = self._last
        place = self._step()
        if isinstance(last, Text) and last.parts is not None and text is not None:
            last.parts.append(text)
            self._last = last  # expat gives a line break and a reference apart
        elif self._open:
            self._last = Text(place, place, "", None if text is None else [text])
            self._open[-1].children.append(self._last)

    def _step(self) -> int:
        """Where an event begins, and what is before it ends."""
        place: int = self._parser.CurrentByteIndex
        if isinstance(self._last, Element):
            self._last.inner_begin = place
        elif self._last is not None:
            self._last.end = place
        self._last = None
        return place

    def _to_characters(self) -> None:
        """From places in UTF-8 to places in the text."""
        nodes: list[Node] = [self.root]
        for node in nodes:
            if isinstance(node, Element):
                nodes += node.children
        places = sorted({place for node in nodes for place in _places(node)})
        found: dict[int, int] = {}
        before, character = 0, len(self._text) - len(self._text.removeprefix("\ufeff"))
        for place in places:
            character += len(self._data[before:place].decode("utf-8", "surrogatepass"))
            found[place] = character
            before = place
        for node in nodes:
            node.begin, node.end = found[node.begin], found[node.end]
            if isinstance(node, Element):
                node.inner_begin, node.inner_end = found[node.inner_begin], found[node.inner_end]
            else:
                node.raw = self._text[node.begin : node.end]


def _places(node: Node) -> tuple[int, ...]:
    if isinstance(node, Element):
        return node.begin, node.inner_begin, node.inner_end, node.end
    return node.begin, node.end


def escape(text: str) -> str:
    """Text as XML. Characters that XML does not allow are left out."""
    text = _NOT_ALLOWED.sub("", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def set_attribute(tag: str, name: str, value: str) -> str:
    """A start tag with an attribute added or changed."""
    pattern = re.compile(rf"""(\s{re.escape(name)}\s*=\s*)("[^"]*"|'[^']*')""")
    quoted = escape(value).replace('"', "&quot;")
    written = f'"{quoted}"'
    if pattern.search(tag):
        return pattern.sub(lambda match: match[1] + written, tag, count=1)
    body = tag.removesuffix(">").removesuffix("/").rstrip()
    return f"{body} {name}={written}{tag[len(body) :].lstrip()}"
