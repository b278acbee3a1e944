"""Texts of SpreadsheetML (.xlsx): shared and inline strings, comments, and the names of tables' columns.

ECMA-376 part 1, chapter 18. Formulas, numbers, and the names of sheets, which formulas use, stay as they are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy

from lxml import etree

from dragoman.translation.documents.office.items import Item, Style
from dragoman.translation.documents.office.paragraphs import Paragraph
from dragoman.translation.documents.office.units import (
    ParagraphUnit,
    Unit,
    as_runs,
    clean_text,
    read_lines,
    read_plain,
)
from dragoman.translation.documents.office.xml import XML_SPACE, local_name

MAX_CELL_CHARACTERS = 32_767
"""With more the program finds the file damaged."""

_STRINGS = ("{*}si", "{*}is", "{*}text")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_COLUMN_LABELS = ("name", "totalsRowLabel")
_COLUMN_REFERENCE = re.compile(rb"<(?:\w+:)?(?:f|calculatedColumnFormula|totalsRowFormula|definedName)\b[^<]*\[[^\]\d]")
"""A formula that names a table's column."""


def read_units(root: "etree._Element", kept: frozenset[str]) -> Iterator[Unit]:
    """What a part has to translate, without the texts of `kept`, which other parts refer to."""
    for string in root.iter(*_STRINGS):
        if any(local_name(child) in ("t", "r") for child in string) and read_string(string) not in kept:
            yield ParagraphUnit(string, Paragraph(list(_read(string))), _write)
        elif local_name(string) == "text" and not len(string):  # of a comment that is part of a thread
            yield read_plain(string)


def read_string(string: "etree._Element") -> str:
    """A string's text without its looks."""
    parts = (child if local_name(child) == "t" else _text_element(child) for child in string)
    return "".join(unescape(part.text or "") for part in parts if part is not None)


def unescape(text: str) -> str:
    """Characters that are written as _x000D_."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def has_column_references(data: bytes) -> bool:
    """Whether a formula in this part names a table's column."""
    return _COLUMN_REFERENCE.search(data) is not None


def read_columns(root: "etree._Element") -> list[str]:
    """The texts of a table's columns that must equal those of their cells."""
    return [
        unescape(column.get(label))
        for column in root.iter("{*}tableColumn")
        for label in _COLUMN_LABELS
        if column.get(label)
    ]


def rename_columns(root: "etree._Element", translations: Mapping[str, str]) -> bool:
    """Gives a table's columns the texts that their cells have now; returns whether any differs."""
    is_changed = False
    for column in root.iter("{*}tableColumn"):
        for label in _COLUMN_LABELS:
            text = unescape(column.get(label) or "")
            if translations.get(text, text) != text:
                column.set(label, escape(translations[text]))
                is_changed = True
    return is_changed


def escape(text: str) -> str:
    """The inverse of `unescape`, for attributes, where line breaks are written so, too."""
    text = _ESCAPE.sub(lambda match: f"_x005F{match[0]}", text)
    return clean_text(re.sub(r"[\n\r\t]", lambda match: f"_x{ord(match[0]):04x}_", text))


def _read(string: "etree._Element") -> Iterator[Item]:
    for child in string:
        if local_name(child) == "t":
            yield from read_lines(unescape(child.text or ""), Style("", None))
        elif local_name(child) == "r":
            text = _text_element(child)
            if text is not None:
                yield from read_lines(unescape(text.text or ""), _look(child))


def _text_element(run: "etree._Element") -> "etree._Element | None":
    return next((child for child in run if local_name(child) == "t"), None)


def _look(run: "etree._Element") -> Style:
    properties = next((child for child in run if local_name(child) == "rPr"), None)
    return Style("" if properties is None else etree.tostring(properties, with_tail=False).decode(), run)


def _write(string: "etree._Element", items: Sequence[Item]) -> None:
    """Puts items into a string instead of what it holds, unless they are too long for a cell; how its words are
    pronounced is no longer known."""
    if sum(len(run.text) for run in as_runs(items)) > MAX_CELL_CHARACTERS:
        return
    tags = {local_name(child): child.tag for child in string}
    for child in list(string):
        if local_name(child) in ("t", "r", "rPh"):
            string.remove(child)
    text_tag = f"{{{etree.QName(string).namespace}}}t"
    last: tuple[str, etree._Element] | None = None
    place = 0
    for run in as_runs(items):
        if last is None or last[0] != run.style.key:
            parent = string
            if "r" in tags and run.style.node is not None:
                parent = etree.Element(tags["r"])
                parent.extend(deepcopy(child) for child in run.style.node if local_name(child) == "rPr")
                string.insert(place, parent)
                place += 1
                text = etree.SubElement(parent, text_tag)
            else:
                text = etree.Element(text_tag)
                string.insert(place, text)
                place += 1
            text.text = ""
            last = run.style.key, text
        text = last[1]
        text.text += _escape_text(run.text)
        if text.text != text.text.strip() or "\n" in text.text:
            text.set(XML_SPACE, "preserve")


def _escape_text(text: str) -> str:
    text = _ESCAPE.sub(lambda match: f"_x005F{match[0]}", text)
    return clean_text(text.replace("\r", "_x000D_"))
