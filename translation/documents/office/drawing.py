"""Paragraphs of DrawingML: slides, notes, tables of slides, charts' titles, diagrams, text boxes of sheets.

ECMA-376 part 1, chapter 21.1.2.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from lxml import etree

from dragoman.translation.documents.office.items import PAGE, Item, Kind, Run, Style, Thing
from dragoman.translation.documents.office.languages import full_tag, is_same_language
from dragoman.translation.documents.office.paragraphs import Paragraph
from dragoman.translation.documents.office.units import ParagraphUnit, Unit, clean_text, read_plain
from dragoman.translation.documents.office.xml import local_name

NAMESPACES = (
    "http://schemas.openxmlformats.org/drawingml/2006/main",
    "http://purl.oclc.org/ooxml/drawingml/main",
)
_FINE_SPACING = 100
"""Hundredths of a point between letters up to which a reader does not see it: converters from PDF fit each run so."""

_CHART_TEXTS = ("{*}strCache", "{*}multiLvlStrCache", "{*}strLit")
"""Names of a chart's series and categories, as they were in its table when it was drawn."""

_NO_LOOK = frozenset(("lang", "altLang", "dirty", "err", "smtClean", "smtId", "noProof", "bmk", "kern"))


def read_units(root: "etree._Element") -> Iterator[Unit]:
    """What a part has to translate: paragraphs, and descriptions of pictures for who cannot see them."""
    for paragraph in root.iter(*(f"{{{namespace}}}p" for namespace in NAMESPACES)):
        yield ParagraphUnit(paragraph, Paragraph(list(_read(paragraph))), _write)
    for properties in root.iter("{*}cNvPr"):
        for attribute in ("title", "descr"):
            if properties.get(attribute):
                yield read_plain(properties, attribute)
    for texts in root.iter(*_CHART_TEXTS):
        for text in texts.iter("{*}v"):
            yield read_plain(text)


def set_language(root: "etree._Element", source_language: str, target_language: str) -> bool:
    """Marks text in the source language as text in the target language; returns whether there was any."""
    is_changed = False
    names = ("rPr", "defRPr", "endParaRPr")
    for properties in root.iter(*(f"{{{namespace}}}{name}" for namespace in NAMESPACES for name in names)):
        if is_same_language(properties.get("lang"), source_language):
            properties.set("lang", full_tag(target_language))
            is_changed = True
    return is_changed


def _read(paragraph: "etree._Element") -> Iterator[Item]:
    for child in paragraph:
        name = local_name(child)
        if name == "r":
            yield Run(_read_text(child), _look(child))
        elif name == "br":
            yield Thing(child, Kind.BREAK)
        elif name == "fld":
            is_page = child.get("type") == "slidenum"
            yield Thing(child, Kind.KEPT, PAGE if is_page else _read_text(child).strip())
        elif name not in ("pPr", "endParaRPr"):
            yield Thing(child)


def _read_text(run: "etree._Element") -> str:
    return next((child.text or "" for child in run if local_name(child) == "t"), "")


def _look(run: "etree._Element") -> Style:
    properties = next((child for child in run if local_name(child) == "rPr"), None)
    if properties is None:
        return Style("", run)
    attributes = sorted(
        (key, value)
        for key, value in properties.attrib.items()
        if key not in _NO_LOOK
        and not (key == "spc" and value.lstrip("-").isdigit() and abs(int(value)) <= _FINE_SPACING)
    )
    inner = b"".join(etree.tostring(child, with_tail=False) for child in properties).decode()
    return Style(f"{attributes}{inner}" if attributes or inner else "", run)


def _write(paragraph: "etree._Element", items: Sequence[Item]) -> None:
    """Puts items into a paragraph instead of what it holds."""
    end = None
    for child in list(paragraph):
        if local_name(child) == "endParaRPr":
            end = child
        if local_name(child) != "pPr":
            paragraph.remove(child)
    last: tuple[str, Any] | None = None
    for item in items:
        if isinstance(item, Thing):
            item.node.tail = None
            paragraph.append(item.node)
            last = None
        elif isinstance(item, Run) and (text := clean_text(item.text)):
            if last is not None and last[0] == item.style.key:
                last[1].text += text
                continue
            last = item.style.key, _append_run(paragraph, item.style.node)
            last[1].text = text
    if end is not None:
        paragraph.append(end)


def _append_run(paragraph: "etree._Element", model: "etree._Element") -> Any:
    """The text element of a new run like the model."""
    run = etree.SubElement(paragraph, model.tag, model.attrib)
    run.extend(deepcopy(child) for child in model if local_name(child) == "rPr")
    return etree.SubElement(run, f"{{{etree.QName(model).namespace}}}t")
