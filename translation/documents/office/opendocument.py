"""Paragraphs of OpenDocument (.odt, .odp, .ods): spans, links, notes, comments, fields, tracked changes.

OASIS OpenDocument 1.3, part 3. Deleted text, fields, numbers, formulas and templates stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree

from dragoman.translation.documents.office.formulas import find_literals
from dragoman.translation.documents.office.items import NUM_PAGES, PAGE, Close, Item, Kind, Open, Run, Style, Thing
from dragoman.translation.documents.office.languages import is_same_language, split_language
from dragoman.translation.documents.office.paragraphs import Paragraph
from dragoman.translation.documents.office.units import ParagraphUnit, Unit, clean_text, read_plain
from dragoman.translation.documents.office.xml import local_name

URN = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT = f"{{{URN}text:1.0}}"
_TABLE = f"{{{URN}table:1.0}}"
_OFFICE = f"{{{URN}office:1.0}}"
_STYLE = f"{{{URN}style:1.0}}"
_FO = f"{{{URN}xsl-fo-compatible:1.0}}"
_PRESENTATION = f"{{{URN}presentation:1.0}}"
_SVG = f"{{{URN}svg-compatible:1.0}}"
_LIBREOFFICE = "{http://openoffice.org/2009/office}"

_PARAGRAPHS = (f"{_TEXT}p", f"{_TEXT}h")
_HEADERS = frozenset(f"{_STYLE}{name}{which}" for name in ("header", "footer") for which in ("", "-left", "-first"))
_CONTAINERS = frozenset((f"{_TEXT}a", f"{_TEXT}meta", f"{_TEXT}meta-field"))
_RANGES = re.compile(
    r"(bookmark|reference-mark|change|annotation|toc-mark|alphabetical-index-mark|user-index-mark)(-start|-end)?"
)
_POINTS = frozenset((f"{_TEXT}note", f"{_TEXT}ruby", f"{_TEXT}number", f"{_TEXT}change", f"{_TEXT}bookmark"))
_PAGE_NUMBERS = {"page-number": PAGE, "page-count": NUM_PAGES}
_SPACES = re.compile(r"[ \t\n\r]+")
_MAX_DEPTH = 100
"""Spans in spans, and elements around a paragraph that are looked at."""


def read_units(root: "etree._Element") -> Iterator[Unit]:
    """What a part has to translate."""
    looks = _Looks(root)
    literals = _find_literals(root)
    for paragraph in root.iter(*_PARAGRAPHS):
        if _is_translated(paragraph) and not (literals and _is_referred_to(paragraph, literals)):
            items = list(_Reader(looks).read(paragraph))
            yield ParagraphUnit(paragraph, Paragraph(items), _write_paragraph)
    for declaration in root.iter(f"{_PRESENTATION}header-decl", f"{_PRESENTATION}footer-decl"):
        yield read_plain(declaration)
    for body in root.iter(f"{_OFFICE}body"):
        for description in body.iter(f"{_SVG}title", f"{_SVG}desc"):
            yield read_plain(description)


def set_language(root: "etree._Element", source_language: str, target_language: str) -> bool:
    """Marks text in the source language as text in the target language; returns whether there was any."""
    is_changed = False
    language, region = split_language(target_language)
    for properties in root.iter(f"{_STYLE}text-properties"):
        if is_same_language(properties.get(f"{_FO}language"), source_language):
            properties.set(f"{_FO}language", language)
            properties.set(f"{_FO}country", region or "none")
            is_changed = True
    return is_changed


def _is_translated(paragraph: "etree._Element") -> bool:
    """Whether it is in the body, in a header or in a footer; what else there is are templates."""
    for element in paragraph.iterancestors():
        if element.tag == f"{_TEXT}tracked-changes":
            return False
        if element.tag == f"{_TABLE}table-cell" and (
            element.get(f"{_TABLE}formula") or element.get(f"{_OFFICE}value-type", "string") != "string"
        ):
            return _is_in_comment(paragraph)
        if element.tag in _HEADERS or element.tag == f"{_OFFICE}body":
            return True
    return False


def _find_literals(root: "etree._Element") -> set[str]:
    """The texts in the formulas of a spreadsheet."""
    attributes = (f"{_TABLE}formula", f"{_TABLE}condition")
    elements = root.iter(f"{_TABLE}table-cell", f"{_TABLE}content-validation")
    formulas = (element.get(attribute) for element in elements for attribute in attributes)
    return {literal for formula in formulas if formula and '"' in formula for literal in find_literals(formula)}


def _is_referred_to(paragraph: "etree._Element", literals: set[str]) -> bool:
    return paragraph.getparent().tag == f"{_TABLE}table-cell" and "".join(paragraph.itertext()) in literals


def _is_in_comment(paragraph: "etree._Element") -> bool:
    return next(paragraph.iterancestors(f"{_OFFICE}annotation"), None) is not None


class _Looks:
    """What the styles of spans mean."""

    def __init__(self, root: "etree._Element") -> None:
        self._keys: dict[str, str] = {}
        for style in root.iter(f"{_STYLE}style"):
            if style.get(f"{_STYLE}family") == "text" and local_name(style.getparent()) == "automatic-styles":
                self._keys[style.get(f"{_STYLE}name") or ""] = self._describe(style)

    def of(self, spans: Sequence["etree._Element"]) -> Style:
        """The look of text in these spans, the outermost first."""
        keys = [self._of_span(span) for span in spans]
        shown = [span for span, key in zip(spans, keys, strict=True) if key]
        return Style("\n".join(filter(None, keys)), shown)

    def _of_span(self, span: "etree._Element") -> str:
        name = span.get(f"{_TEXT}style-name") or ""
        return self._keys.get(name, name) + (span.get(f"{_TEXT}class-names") or "")

    @staticmethod
    def _describe(style: "etree._Element") -> str:
        """Empty for what only notes in which session of the program a text was written."""
        parts = [style.get(f"{_STYLE}parent-style-name") or ""]
        for properties in style:
            ignored = (f"{_LIBREOFFICE}rsid", f"{_LIBREOFFICE}paragraph-rsid")
            attributes = sorted(item for item in properties.attrib.items() if item[0] not in ignored)
            parts += [str(attributes)] if attributes else []
            parts += [etree.tostring(child, with_tail=False).decode() for child in properties]
        return " ".join(filter(None, parts))


class _Reader:
    """Reads one paragraph; white space is one space, and none at its begin, as the standard says."""

    def __init__(self, looks: _Looks) -> None:
        self._looks = looks
        self._is_after_space = True

    def read(self, element: "etree._Element", spans: tuple["etree._Element", ...] = ()) -> Iterator[Item]:
        """The items in an element."""
        style = self._looks.of(spans)
        yield from self._read_text(element.text, style)
        for child in element:
            yield from self._read_child(child, spans, style)
            yield from self._read_text(child.tail, style)

    def _read_text(self, text: str | None, style: Style) -> Iterator[Item]:
        if not text:
            return
        text = _SPACES.sub(" ", text)
        if self._is_after_space:
            text = text.removeprefix(" ")
        if text:
            self._is_after_space = text.endswith(" ")
            yield Run(text, style)

    def _read_child(self, child: "etree._Element", spans: tuple["etree._Element", ...], style: Style) -> Iterator[Item]:
        name = local_name(child)
        node = child, style
        if child.tag == f"{_TEXT}span":
            yield from self.read(child, (*spans, child))
        elif child.tag in _CONTAINERS:
            yield Open(child)
            yield from self.read(child, spans)
            yield Close(child)
        elif child.tag == f"{_TEXT}s":
            if (child.get(f"{_TEXT}c") or "1") == "1":
                yield Run(" ", style)
            else:
                yield Thing(node, Kind.BORDER)
            self._is_after_space = False
        elif name == "tab" or name == "line-break":
            yield Thing(node, Kind.BORDER if name == "tab" else Kind.BREAK)
            self._is_after_space = False
        elif name == "soft-page-break" or not name:
            return
        elif found := _RANGES.fullmatch(name):
            yield Thing(node, *_range_of(child, found))
        elif child.tag.startswith(_TEXT) and child.tag not in _POINTS:
            shown = _PAGE_NUMBERS.get(name) or " ".join("".join(child.itertext()).split())
            yield Thing(node, Kind.KEPT, shown)
            self._is_after_space = False
        else:
            yield Thing(node)
            self._is_after_space = False


def _range_of(child: "etree._Element", found: "re.Match[str]") -> tuple[Kind, str, str]:
    """Kind, shown words and pair of one end of a range, or of a point."""
    names = (f"{_TEXT}name", f"{_OFFICE}name", f"{_TEXT}change-id", f"{_TEXT}id")
    name = next(filter(None, map(child.get, names)), "")
    kinds = {"-start": Kind.FIRST, "-end": Kind.LAST}
    kind = kinds.get(found[2], Kind.FIRST if found[1] == "annotation" and name else Kind.POINT)
    return kind, "", f"{found[1]} {name}"


def _write_paragraph(paragraph: "etree._Element", items: Sequence[Item]) -> None:
    """Puts items into a paragraph instead of what it holds."""
    cell = next(paragraph.iterancestors(f"{_TABLE}table-cell"), None)
    if cell is not None:
        cell.attrib.pop(f"{_OFFICE}string-value", None)
    writer = _Writer(paragraph)
    for item in items:
        writer.write(item)


class _Writer:
    """Makes elements of items, the innermost open element last in `_path`."""

    def __init__(self, paragraph: "etree._Element") -> None:
        self._path = [_empty(paragraph)]
        self._slot: Any = None  # for what has the look of what was written last
        self._key = ""
        self._is_after_space = True

    def write(self, item: Item) -> None:
        """Appends an item."""
        if isinstance(item, Run):
            self._write_text(clean_text(item.text), item.style)
        elif isinstance(item, Thing):
            element, style = item.node
            element.tail = None
            self._find_slot(style).append(element)
            self._is_after_space = item.kind is not Kind.POINT and local_name(element) in ("tab", "line-break")
        elif isinstance(item, Open):
            item.node.tail = None
            self._path[-1].append(item.node)
            self._path.append(_empty(item.node))
            self._slot = None
        else:
            self._path.pop()
            self._slot = None

    def _find_slot(self, style: Style) -> Any:
        """The element for text of a look: spans like those that it had."""
        if self._slot is None or self._key != style.key:
            self._slot, self._key = self._path[-1], style.key
            for span in style.node:
                self._slot = etree.SubElement(self._slot, span.tag, span.attrib)
        return self._slot

    def _write_text(self, text: str, style: Style) -> None:
        slot = self._find_slot(style)
        for part in re.split(r"( +)", text):
            spaces = len(part) if part.startswith(" ") else 0
            if not spaces:
                _append_text(slot, part)
                self._is_after_space = self._is_after_space and not part
                continue
            if not self._is_after_space:
                _append_text(slot, " ")
                spaces -= 1
            if spaces:
                space = etree.SubElement(slot, f"{_TEXT}s")
                if spaces > 1:
                    space.set(f"{_TEXT}c", str(spaces))
            self._is_after_space = True


def _append_text(element: "etree._Element", text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text


def _empty(element: "etree._Element") -> "etree._Element":
    for child in list(element):
        element.remove(child)
    element.text = None
    return element
