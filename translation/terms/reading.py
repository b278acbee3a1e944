"""Glossaries from files: tables with tabs or commas between their columns, and TBX (ISO 30042)."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.languages import as_tag
from dragoman.translation.terms.glossary import KEPT, Entry, Glossary, check_forms, make_entry

MAX_BYTES = 16 * 1024 * 1024
"""Largest file."""

CASE_COLUMN, NOTE_COLUMNS = "case", ("note", "comment", "description")
EXACT = "exact"
"""In the column of the case: a source must have the same capitals."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_ENTRIES, _LANGUAGES = ("termEntry", "conceptEntry"), ("langSet", "langSec", "langGroup")
_STATUSES = ("termNote", "termStatus")
_REFUSED_STATUS = re.compile(r"deprecated|superseded|obsolete", re.IGNORECASE)


def read_glossary(path: Path) -> Glossary:
    """The glossary in a file, by the ending of its name: .tsv or .txt, .csv, or .tbx or .xml.

    Raises NotFoundError if it cannot be read, and InvalidInputError naming the file and the line for what is wrong.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}") from error
    return parse_glossary(content, path.name, str(path))


def parse_glossary(content: bytes, name: str, origin: str) -> Glossary:
    """See `read_glossary`. origin: what errors name."""
    if len(content) > MAX_BYTES:
        raise InvalidInputError(f"{origin}: is larger than {MAX_BYTES >> 20} MiB")
    kind = name.lower().rpartition(".")[2]
    if kind in ("tbx", "xml"):
        entries = _read_tbx(content, origin)
    elif kind in ("tsv", "txt", "csv"):
        entries = list(_read_table(content, "," if kind == "csv" else "\t", origin))
    else:
        raise InvalidInputError(f"{origin}: a glossary's name ends in .tsv, .csv or .tbx")
    if not entries:
        raise InvalidInputError(f"{origin}: has no terms")
    return Glossary(tuple(entries))


def _read_table(content: bytes, delimiter: str, origin: str) -> Iterator[Entry]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"{origin}, line {number}: is not UTF-8") from error
    quoting: Any = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    columns: list[str] | None = None
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if columns is None:
                columns = _read_header(row, delimiter)
            elif (entry := _read_row(columns, row)) is not None:
                yield entry
    except (csv.Error, InvalidInputError) as error:
        raise InvalidInputError(f"{origin}, line {rows.line_num}: {error}") from error


def _read_header(row: Sequence[str], delimiter: str) -> list[str]:
    columns = [as_tag(cell.strip()).lower() for cell in row]
    languages = [column for column in columns if column not in (CASE_COLUMN, *NOTE_COLUMNS)]
    if len(languages) < 2 or not all(map(_LANGUAGE.fullmatch, languages)):
        example = delimiter.join(("en", "de"))
        raise InvalidInputError(
            f"the first line must name the languages of the columns, such as {example!r}, not {delimiter.join(row)!r}"
        )
    if len(set(columns)) < len(columns):
        raise InvalidInputError("two columns have the same name")
    return [column.replace("_", "-") if column in languages else column for column in columns]


def _read_row(columns: Sequence[str], row: Sequence[str]) -> Entry | None:
    if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
        raise InvalidInputError(f"{len(row)} columns, but the first line names {len(columns)}")
    cells = dict(zip(columns, row, strict=False))
    case = cells.pop(CASE_COLUMN, "").strip().lower()
    if case not in ("", EXACT):
        raise InvalidInputError(f'the column "{CASE_COLUMN}" has "{case}", but must be empty or "{EXACT}"')
    for column in NOTE_COLUMNS:
        cells.pop(column, None)
    return make_entry(cells, is_exact=case == EXACT)


class _TbxReader:
    """What expat calls: collects the terms of each entry by language."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._forms: dict[str, list[str]] = {}
        self._language = ""
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local in _ENTRIES:
            self._forms = {}
        elif local in _LANGUAGES:
            self._language = attributes.get("xml:lang", "").lower().replace("_", "-")
        elif local == "term":
            self._text = []
        elif local in _STATUSES:
            kind = attributes.get("type", "administrativeStatus")
            self._text = [] if kind.endswith("Status") else None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        local, text = name.rpartition(":")[2], " ".join("".join(self._text or ()).split())
        if local == "term":
            self._forms.setdefault(self._language, []).append(text)
            self._text = None
        elif local in _STATUSES and self._text is not None:
            forms = self._forms.get(self._language)
            if forms and _REFUSED_STATUS.search(text):
                forms.pop()
            self._text = None
        elif local in _ENTRIES:
            found = {language: tuple(dict.fromkeys(filter(None, terms))) for language, terms in self._forms.items()}
            for terms in found.values():
                check_forms(terms)
            found = {language: terms for language, terms in found.items() if language and terms}
            if found:
                self.entries.append(Entry(found))


def _read_tbx(content: bytes, origin: str) -> list[Entry]:
    reader, parser = _TbxReader(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.data

    def refuse(*_: object) -> None:
        raise InvalidInputError("has entities of its own, which are not read")

    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, InvalidInputError) as error:
        reason = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)
        raise InvalidInputError(f"{origin}, line {parser.CurrentLineNumber}: {reason}") from error
    return reader.entries


def write_table(glossary: Glossary) -> str:
    """The glossary as a table with tabs, which `read_glossary` reads."""
    languages = glossary.languages
    lines = ["\t".join((*languages, CASE_COLUMN))]
    for entry in glossary.entries:
        cells = [" | ".join(entry.forms.get(language, ())) for language in languages]
        if entry.is_kept:
            kept = [language for language in languages if language in entry.forms]
            cells = [
                cell if language == kept[0] or language not in kept else KEPT
                for language, cell in zip(languages, cells, strict=True)
            ]
        lines.append("\t".join((*cells, EXACT if entry.is_exact else "")))
    return "\n".join(lines) + "\n"
