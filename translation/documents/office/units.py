"""What a part of an office document offers to translate: paragraphs, attributes and plain texts."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lxml import etree

from dragoman.translation.documents.office.items import Item, Kind, Run, Style, Thing
from dragoman.translation.documents.office.paragraphs import Paragraph
from dragoman.translation.markup.content import Content

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


class Unit(Protocol):
    """Something to translate, in a tree. contents: its texts."""

    @property
    def contents(self) -> list[Content]:
        """Its texts."""

    def replace(self, contents: Sequence[Content]) -> bool:
        """Puts these into the tree instead; False if nothing differs, and the tree is as it was."""


@dataclass(frozen=True)
class ParagraphUnit:
    """A paragraph and the function that writes items into its element."""

    element: "etree._Element"
    paragraph: Paragraph
    write: "Callable[[etree._Element, list[Item]], None]"

    @property
    def contents(self) -> list[Content]:
        """Its stretches between borders."""
        return self.paragraph.contents

    def replace(self, contents: Sequence[Content]) -> bool:
        """See `Unit`."""
        items = self.paragraph.replace(contents)
        if items is None:
            return False
        self.write(self.element, items)
        return True


@dataclass(frozen=True)
class PlainUnit:
    """The text of an element, or of its attribute if one is named."""

    element: "etree._Element"
    attribute: str | None
    paragraph: Paragraph

    @property
    def contents(self) -> list[Content]:
        """Its lines, if they have letters."""
        return self.paragraph.contents

    def replace(self, contents: Sequence[Content]) -> bool:
        """See `Unit`."""
        items = self.paragraph.replace(contents)
        if items is None:
            return False
        text = clean_text("".join(run.text for run in as_runs(items)))
        if self.attribute is None:
            self.element.text = text
        else:
            self.element.set(self.attribute, text)
        return True


def read_plain(element: "etree._Element", attribute: str | None = None) -> PlainUnit:
    """An element's text, or that of its attribute."""
    text = (element.text if attribute is None else element.get(attribute)) or ""
    return PlainUnit(element, attribute, Paragraph(read_lines(text, Style(""))))


def read_lines(text: str, style: Style) -> list[Item]:
    """Plain text as items; each line break is a thing."""
    items: list[Item] = []
    for part in re.split(r"(\r?\n|\r)", text):
        if part.strip("\r\n"):
            items.append(Run(part, style))
        elif part:
            items.append(Thing(Run(part, style), Kind.BREAK))
    return items


def as_runs(items: Sequence[Item]) -> Iterator[Run]:
    """The inverse of `read_lines`, but for the division of the text into runs."""
    for item in items:
        run = item.node if isinstance(item, Thing) else item
        if isinstance(run, Run) and run.text:
            yield run


def clean_text(text: str) -> str:
    """Without characters that XML cannot hold."""
    return _NO_XML.sub("", text)
