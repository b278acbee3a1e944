"""Tables in spreadsheets, whose columns must be named as the cells in their first rows are."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lxml import etree

from dragoman.translation.documents.office.formulas import find_all_literals
from dragoman.translation.documents.office.package import Package
from dragoman.translation.documents.office.sheets import (
    has_column_references,
    read_columns,
    read_string,
    rename_columns,
    unescape,
)
from dragoman.translation.documents.office.xml import Part, parse_part, write_part

_MAX_NAME = 255
"""Characters of a column's name."""

_TABLE = re.compile(r"spreadsheetml\.table\+xml$")
_PIVOT = re.compile(r"spreadsheetml\.pivotCacheDefinition\+xml$")
_FORMULAS = re.compile(r"spreadsheetml\.(worksheet|table|(sheet|template)\.main)\+xml$|ms-excel\..*\.main\+xml$")


class TableColumns:
    """The columns' names of all tables. kept: texts that must stay, because formulas or pivot tables refer to them."""

    def __init__(self, tables: tuple[Part, ...] = (), kept: frozenset[str] = frozenset()) -> None:
        self._tables = tables
        self.kept = kept
        self._names = {name for table in tables for name in read_columns(table.root)} - kept
        self._watched: list[tuple[Any, Any, str]] = []  # string, its copy, its text

    @classmethod
    def find(cls, package: Package, content_types: Mapping[str, str]) -> "TableColumns":
        """Those of a package."""
        tables: list[Part] = []
        kept: set[str] = set()
        is_named = False
        for name, media_type in content_types.items():
            if _TABLE.search(media_type):
                tables.append(parse_part(name, package.read(name)))
            elif _PIVOT.search(media_type):
                root = parse_part(name, package.read(name)).root
                kept.update(unescape(field.get("name") or "") for field in root.iter("{*}cacheField"))
            if _FORMULAS.search(media_type):
                data = package.read(name)
                kept |= find_all_literals(data)
                is_named = is_named or has_column_references(data) or b"inlineStr" in data
        if is_named:
            kept.update(name for table in tables for name in read_columns(table.root))
        return cls(tuple(tables), frozenset(kept))

    def watch(self, root: "etree._Element") -> None:
        """Notes the strings that are columns' names, before they are translated."""
        for string in root.iter("{*}si") if self._names else ():
            text = read_string(string)
            if text in self._names:
                self._watched.append((string, deepcopy(string), text))

    def follow(self) -> dict[str, bytes]:
        """Renames the columns as the strings are named now, and gives the tables that differ. Where two columns of a
        table would have one name, all of these strings become what they were instead."""
        renamed: dict[str, str] = {}
        is_clear = True
        for string, _, text in self._watched:
            is_clear &= renamed.setdefault(text, read_string(string)) == read_string(string)
        for table in self._tables:
            names = [" ".join(renamed.get(name, name).casefold().split()) for name in read_columns(table.root)]
            is_clear &= len(set(names)) == len(names) and all(0 < len(name) <= _MAX_NAME for name in names)
        if not is_clear:
            for string, copy, _ in self._watched:
                copy.tail = string.tail
                string.getparent().replace(string, copy)
            return {}
        return {table.name: write_part(table) for table in self._tables if rename_columns(table.root, renamed)}
