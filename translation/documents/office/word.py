"""Paragraphs of WordprocessingML (.docx): runs, links, fields, content controls, tracked changes.

ECMA-376 part 1, chapter 17. Deleted text, instructions of fields and what a field counts or looks up stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from lxml import etree

from dragoman.translation.documents.office.items import NUM_PAGES, PAGE, Close, Item, Kind, Open, Run, Style, Thing
from dragoman.translation.documents.office.languages import full_tag, is_same_language
from dragoman.translation.documents.office.paragraphs import Paragraph
from dragoman.translation.documents.office.units import ParagraphUnit, Unit, clean_text, read_plain
from dragoman.translation.documents.office.xml import XML_SPACE, local_name

NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"

_CONTAINERS = frozenset(("hyperlink", "smartTag", "customXml", "ins", "moveTo", "dir", "bdo"))
_PROPERTIES = frozenset(("pPr", "smartTagPr", "customXmlPr", "rPr", "sdtPr", "sdtEndPr"))
_DROPPED = frozenset(("proofErr", "lastRenderedPageBreak", "softHyphen"))
"""What a program has noted about the words as they were."""

_RANGES = frozenset(("bookmark", "commentRange", "perm", "moveFromRange", "moveToRange"))
_TRANSLATED_FIELDS = frozenset(("HYPERLINK", "TOC", "TOA", "INDEX", "FORMTEXT", "QUOTE"))
"""Fields that show running text; the others show numbers, dates, names, or are brought up to date by the program."""

_PAGE_NUMBERS = {"PAGE": PAGE, "NUMPAGES": NUM_PAGES, "SECTIONPAGES": NUM_PAGES}
_FIXED_CONTROLS = frozenset(("dropDownList", "comboBox", "date", "checkbox", "equation", "citation", "picture"))
"""Kinds of content controls whose text is one of a list, or means something to the program."""

_TRANSLATED_DATA = re.compile(r":(?:title|subject|description)\b")
"""Properties of the document that are translated where they are kept, too."""

_MAX_DEPTH = 50
"""Fields in fields."""

_NO_LOOK = frozenset(("noProof", "rPrChange", "kern", "snapToGrid", "webHidden"))
"""Properties of runs that no reader sees."""

_COMPLEX_SCRIPT = frozenset(("bCs", "iCs", "szCs"))
"""Properties that count only in runs of Arabic, Hebrew and their like."""

_FINE_SPACING = {"spacing": (0, 20), "w": (100, 10), "position": (0, 2)}
"""Usual value, and the difference up to which a reader does not see it: converters from PDF fit each run so."""


@dataclass(frozen=True)
class _Group:
    """Items that stay together. At the end of an element they are what ends it."""

    items: tuple[Item, ...]
    end: tuple[Item, ...] = ()


def read_units(root: "etree._Element", source_language: str) -> Iterator[Unit]:
    """What a part has to translate."""
    looks = _Looks(source_language)
    for paragraph in root.iter(*(f"{{{namespace}}}p" for namespace in NAMESPACES)):
        if any(map(_is_fixed_control, paragraph.iterancestors("{*}sdt"))):
            continue
        yield ParagraphUnit(paragraph, Paragraph(_fold_fields(list(_read(paragraph, looks)))), _write)
    for properties in root.iter(f"{{{_DRAWING}}}docPr"):
        for attribute in ("title", "descr"):
            if properties.get(attribute):
                yield read_plain(properties, attribute)


def set_language(root: "etree._Element", source_language: str, target_language: str) -> bool:
    """Marks text in the source language as text in the target language; returns whether there was any."""
    is_changed = False
    for namespace in NAMESPACES:
        attribute = f"{{{namespace}}}val"
        for mark in root.iter(f"{{{namespace}}}lang"):
            if is_same_language(mark.get(attribute), source_language):
                mark.set(attribute, full_tag(target_language))
                is_changed = True
    return is_changed


class _Looks:
    """The looks of runs."""

    def __init__(self, source_language: str) -> None:
        self._language = source_language
        self._keys: dict[bytes, str] = {}

    def of(self, run: "etree._Element") -> Style:
        """The look of a run's text."""
        properties = next((child for child in run if local_name(child) == "rPr"), None)
        if properties is None or not len(properties):
            return Style("", run)
        raw = etree.tostring(properties, with_tail=False)
        if raw not in self._keys:
            self._keys[raw] = self._describe(properties)
        return Style(self._keys[raw], run)

    def _describe(self, properties: "etree._Element") -> str:
        parts: list[str] = []
        names = set(map(local_name, properties))
        ignored = _NO_LOOK if names & {"rtl", "cs"} else _NO_LOOK | _COMPLEX_SCRIPT
        for child in properties:
            name = local_name(child)
            attributes = {etree.QName(key).localname: value for key, value in child.attrib.items()}
            if name == "lang" and is_same_language(attributes.get("val", self._language), self._language):
                continue
            attributes.pop("hint", None)
            if not name or name in ignored or (name == "rFonts" and not attributes) or _is_fine(name, attributes):
                continue
            parts.append(f"{name}{sorted(attributes.items())}{b''.join(map(etree.tostring, child)).decode()}")
        return " ".join(sorted(parts))


def _is_fine(name: str, attributes: dict[str, str]) -> bool:
    """Whether it is a change of spacing that a reader does not see."""
    usual, most = _FINE_SPACING.get(name, (0, -1))
    try:
        return abs(int(attributes.get("val", "0").rstrip("%")) - usual) <= most
    except ValueError:
        return False


def _read(parent: "etree._Element", looks: _Looks) -> Iterator[Item]:
    for child in parent:
        name = local_name(child)
        if name in _PROPERTIES or name in _DROPPED:
            continue
        if name == "r":
            yield from _read_run(child, looks)
        elif name in _CONTAINERS or (name == "fldSimple" and _is_translated_field(_attribute(child, "instr"))):
            yield Open(child)
            yield from _read(child, looks)
            yield Close(child)
        elif name == "sdt" and not _is_fixed_control(child):
            yield Open(child)
            for content in child:
                if local_name(content) == "sdtContent":
                    yield from _read(content, looks)
            yield Close(child)
        elif name in ("fldSimple", "sdt"):
            shown = _PAGE_NUMBERS.get(_field_name(_attribute(child, "instr")), _read_shown(child))
            yield Thing((child, None), Kind.KEPT, shown)
        else:
            yield _read_range(child, name)


def _read_range(child: "etree._Element", name: str) -> Thing:
    for suffix, kind in (("Start", Kind.FIRST), ("End", Kind.LAST)):
        stem = name.removesuffix(suffix)
        if stem != name and stem in _RANGES:
            return Thing((child, None), kind, pair=f"{stem} {_attribute(child, 'id')}")
    return Thing((child, None))


def _read_run(run: "etree._Element", looks: _Looks) -> Iterator[Item]:
    style = looks.of(run)
    for child in run:
        name = local_name(child)
        if name == "t":
            yield Run(child.text or "", style)
        elif name == "noBreakHyphen":
            yield Run("-", style)
        elif name in ("tab", "ptab"):
            yield Thing((child, run), Kind.BORDER)
        elif name in ("br", "cr"):
            is_line = _attribute(child, "type") in ("", "textWrapping")
            yield Thing((child, run), Kind.BREAK if is_line else Kind.BORDER)
        elif name not in _PROPERTIES and name not in _DROPPED:
            yield Thing((child, run))


def _attribute(element: "etree._Element", name: str) -> str:
    """An attribute of the element's own namespace."""
    return element.get(f"{{{etree.QName(element).namespace}}}{name}") or ""


def _is_fixed_control(control: "etree._Element") -> bool:
    """Whether its text is not the document's own: one of a list, or that of data elsewhere."""
    return any(
        local_name(property_) in _FIXED_CONTROLS
        or (local_name(property_) == "dataBinding" and not _TRANSLATED_DATA.search(_attribute(property_, "xpath")))
        for child in control
        if local_name(child) == "sdtPr"
        for property_ in child
    )


def _read_shown(element: "etree._Element") -> str:
    return "".join(text.text or "" for text in element.iter() if local_name(text) == "t")


def _field_name(instruction: str) -> str:
    return instruction.strip().split(" ")[0].upper()


def _is_translated_field(instruction: str) -> bool:
    return _field_name(instruction) in _TRANSLATED_FIELDS


def _field_char(item: Item) -> str:
    """Of the characters that divide a field: which one; else empty."""
    if isinstance(item, Thing) and isinstance(item.node, tuple) and local_name(item.node[0]) == "fldChar":
        return _attribute(item.node[0], "fldCharType")
    return ""


def _fold_fields(items: list[Item], depth: int = 0) -> list[Item]:
    """Fields as elements, or as things that are kept; parts of one that goes on in another paragraph are borders.
    depth: of the field around these."""
    fields = _match_fields(items) if depth < _MAX_DEPTH else {}
    folded: list[Item] = []
    place = 0
    while place < len(items):
        item = items[place]
        if place in fields:
            middle, end = fields[place]
            folded += _fold_field(items[place : middle + 1], items[middle + 1 : end], items[end], depth)
            place = end
        elif _field_char(item) and isinstance(item, Thing):
            folded.append(Thing(item.node, Kind.BORDER))
        else:
            folded.append(item)
        place += 1
    return folded


def _fold_field(head: list[Item], result: list[Item], end: Item, depth: int) -> list[Item]:
    instruction = "".join(
        item.node[0].text or "" for item in head if isinstance(item, Thing) and local_name(item.node[0]) == "instrText"
    )
    if _is_translated_field(instruction):
        group = _Group(tuple(head), (end,))
        return [Open(group), *_fold_fields(result, depth + 1), Close(group)]
    shown = "".join(item.text for item in result if isinstance(item, Run))
    shown = _PAGE_NUMBERS.get(_field_name(instruction), shown)
    return [Thing(_Group((*head, *result, end)), Kind.KEPT, " ".join(shown.split()))]


def _match_fields(items: Sequence[Item]) -> dict[int, tuple[int, int]]:
    """For the place of each field's begin: of the last item before its result, and of its end. Not of fields that
    cross an element."""
    fields: dict[int, tuple[int, int]] = {}
    begun: list[tuple[int, int]] = []  # places of fields, and of the elements around them
    middles: dict[int, int] = {}
    path = [-1]
    for place, item in enumerate(items):
        char = _field_char(item)
        if isinstance(item, Open):
            path.append(place)
        elif isinstance(item, Close):
            path.pop()
        elif char == "begin":
            begun.append((place, path[-1]))
        elif char == "separate" and begun and begun[-1][1] == path[-1]:
            middles.setdefault(begun[-1][0], place)
        elif char == "end" and begun:
            begin, element = begun.pop()
            if element == path[-1]:
                fields[begin] = middles.get(begin, place - 1), place
    return fields


def _write(paragraph: "etree._Element", items: Sequence[Item]) -> None:
    """Puts items into a paragraph instead of what it holds."""
    writer = _Writer(paragraph)
    writer.write(items)


class _Writer:
    """Makes elements of items, the innermost open element last in `_path`."""

    def __init__(self, paragraph: "etree._Element") -> None:
        self._path = [_empty(paragraph)]
        self._run: Any = None  # that was written last, and its model
        self._model: Any = None
        self._key = ""

    def write(self, items: Sequence[Item]) -> None:
        """Appends them."""
        for item in items:
            if isinstance(item, Run):
                self._write_text(item)
            elif isinstance(item, Thing):
                self._write_thing(item.node)
            elif isinstance(item.node, _Group):
                self.write(item.node.items if isinstance(item, Open) else item.node.end)
            elif isinstance(item, Open):
                slot = next((child for child in item.node if local_name(child) == "sdtContent"), item.node)
                self._append(item.node)
                self._path.append(_empty(slot))
            else:
                self._path.pop()
                self._run = None

    def _append(self, element: "etree._Element") -> None:
        element.tail = None
        self._path[-1].append(element)
        self._run = None

    def _write_thing(self, node: Any) -> None:
        if isinstance(node, _Group):
            self.write((*node.items, *node.end))
            return
        element, model = node
        if model is None:
            self._append(element)
        else:
            self._begin_run(model, None)
            element.tail = None
            self._run.append(element)

    def _write_text(self, run: Run) -> None:
        text = clean_text(run.text)
        if not text:
            return
        self._begin_run(run.style.node, run.style.key)
        last = self._run[-1] if len(self._run) else None
        if last is None or local_name(last) != "t":
            last = etree.SubElement(self._run, f"{{{etree.QName(self._run).namespace}}}t")
        last.text = (last.text or "") + text
        if last.text != last.text.strip():
            last.set(XML_SPACE, "preserve")
        else:
            last.attrib.pop(XML_SPACE, None)

    def _begin_run(self, model: "etree._Element", key: str | None) -> None:
        """A run like the model; the last one goes on if it is of the same, or of the same look."""
        if self._run is not None and (model is self._model or (key is not None and key == self._key)):
            return
        run = etree.Element(model.tag, model.attrib, nsmap=model.nsmap)
        run.extend(deepcopy(child) for child in model if local_name(child) == "rPr")
        self._append(run)
        self._run, self._model, self._key = run, model, key if key is not None else "\0"


def _empty(element: "etree._Element") -> "etree._Element":
    """The element without what was read from it."""
    for child in list(element):
        if local_name(child) not in _PROPERTIES:
            element.remove(child)
    return element
