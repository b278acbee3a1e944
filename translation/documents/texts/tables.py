"""Tables in text: comma-separated values and their like. Fields are quoted as they were."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions, decode_text, make_segment, refusal
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.tags import read_tags, write_tags
from dragoman.translation.markup.content import Content

_DELIMITERS = "\t;,|"
_SAMPLE_LINES = 20


@dataclass(frozen=True, slots=True)
class _Field:
    begin: int
    end: int
    value: str
    is_quoted: bool


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open a UTF-8 table. `options.columns` says which columns to translate: by the names in the first row, which is
    then no text, or by numbers from 1."""
    text = decode_text(content)
    begin = len(text) - len(text.removeprefix("\ufeff"))
    delimiter = _find_delimiter(text[begin:])
    rows = list(_read_rows(text, begin, delimiter))
    header = [field.value.strip() for field in rows[0]] if rows else []
    columns = _find_columns(header, options.columns)
    has_header = any(name in header for name in options.columns)
    places = [
        _place(row[column], delimiter, header[column] if has_header and column < len(header) else "")
        for row in (rows[1:] if has_header else rows)
        for column in columns
        if column < len(row)
    ]
    return SplicedDocument(text, places)


def _find_columns(header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    names = ", ".join(header[:20])
    if not wanted:
        raise InvalidInputError(f"name the columns to translate by names or numbers, of: {names}")
    found: set[int] = set()
    for column in wanted:
        if column in header:
            found.add(header.index(column))
        elif column.isdecimal() and 1 <= int(column) <= len(header):
            found.add(int(column) - 1)
        else:
            raise InvalidInputError(f'line 1: there is no column "{column}", but: {names}')
    return sorted(found)


def _find_delimiter(text: str) -> str:
    """The one that divides the most of the first lines into equally many fields; a comma may as well be in a text."""
    lines = [re.sub(r'"[^"]*"', "", line) for line in text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES] if line.strip()]

    def rate(delimiter: str) -> int:
        counts = Counter(line.count(delimiter) for line in lines)
        count, times = max(
            ((count, times) for count, times in counts.items() if count), default=(0, 0), key=lambda x: x[1]
        )
        return times if count else 0

    return max(_DELIMITERS, key=rate) if lines else ","


def _read_rows(text: str, place: int, delimiter: str) -> Iterator[list[_Field]]:
    quoted = re.compile(r'"((?:[^"]|"")*)"')
    plain = re.compile(rf"[^{re.escape(delimiter)}\r\n]*")
    row: list[_Field] = []
    while place < len(text) or row:
        match = quoted.match(text, place)
        if match is None and text.startswith('"', place):
            raise refusal(text, place, "a quotation mark is not closed")
        if match:
            row.append(_Field(*match.span(), match[1].replace('""', '"'), True))
        else:
            match = plain.match(text, place)
            assert match is not None  # it may be empty
            row.append(_Field(*match.span(), match[0], False))
        place = match.end()
        if text.startswith(delimiter, place):
            place += 1
            if place == len(text):
                row.append(_Field(place, place, "", False))
            continue
        if place < len(text) and text[place] not in "\r\n":
            raise refusal(text, place, "a field goes on behind its quotation mark")
        yield row
        row = []
        place += 2 if text.startswith("\r\n", place) else 1


def _place(field: _Field, delimiter: str, context: str) -> Place:
    def write(content: Content) -> str:
        value = write_tags(content)
        if field.is_quoted or any(character in value for character in f'"{delimiter}\r\n'):
            doubled = value.replace('"', '""')
            return f'"{doubled}"'
        return value

    return Place(field.begin, field.end, make_segment(read_tags(field.value), context=context), write)
