"""Tables: TSV, CSV, XLSX, and JSON lines. Two columns hold the languages; their names, or their texts, show which."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TextIO
from zipfile import BadZipFile

from dragoman.model.errors import InvalidInputError
from dragoman.training.intake.inputs import InputFile
from dragoman.training.intake.request import PairTexts, Request, never_empty, one_line

SAMPLE_ROWS = 200
"""Rows by which columns are judged."""

MAX_JSON_CHARACTERS = 256 << 20
"""A list is held in memory."""

_MAX_CELL = 1 << 20
_SOURCE_WORDS = frozenset(("source", "src"))
_TARGET_WORDS = frozenset(("target", "tgt", "trg", "translation"))
_SEPARATORS = re.compile(r"[^\w-]+|_")
_DELIMITERS = "\t;,|"

Row = Sequence[str]


def read_tsv(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The pairs of a table with tabs. Quotes are text, except around a cell that doubles those within."""
    with file.open_text(request) as text:
        rows = ([_unquote(cell) for cell in line.rstrip("\r\n").split("\t")] for line in text)
        yield from _pairs_of_rows(rows, file.name, request)


def read_csv(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The pairs of a table with commas, semicolons, bars or tabs."""
    csv.field_size_limit(_MAX_CELL)
    with file.open_text(request) as text:
        sample = list(islice(text, SAMPLE_ROWS))
        delimiter = _find_delimiter(sample)
        try:
            yield from _pairs_of_rows(csv.reader(chain(sample, text), delimiter=delimiter), file.name, request)
        except csv.Error as error:
            raise InvalidInputError(f"{file.name}: is no table: {error}") from error


def read_xlsx(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The pairs of each sheet of a workbook. Sheets without the two languages are left out with a note if another has
    them."""
    from openpyxl import load_workbook

    with file.open() as stream:
        try:
            workbook = load_workbook(stream, read_only=True, data_only=True)
        except (KeyError, ValueError, OSError, BadZipFile) as error:
            raise InvalidInputError(f"{file.name}: is no workbook: {error}") from error
        refusal: InvalidInputError | None = None
        is_empty = True
        for sheet in workbook.worksheets:
            rows = (["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True))
            try:
                for pair in _pairs_of_rows(rows, f"{file.name}, sheet {sheet.title}", request):
                    is_empty = False
                    yield pair
            except InvalidInputError as error:
                refusal = refusal or error
        if refusal is not None:
            if is_empty:
                raise refusal
            request.note(f"{refusal}: left out")


def read_json(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The pairs of a file with a JSON object a line, or with one list of objects, which is held in memory; the names of
    nested objects are joined by dots."""
    with file.open_text(request) as text:
        is_list = next((line for line in text if line.strip()), "").lstrip().startswith("[")
    with file.open_text(request) as text:
        objects = map(_flatten, _read_list(text, file.name) if is_list else _read_lines(text, file.name))
        sample = list(islice(objects, SAMPLE_ROWS))
        names = list(dict.fromkeys(name for item in sample for name in item))
        rows = ([item.get(name, "") for name in names] for item in chain(sample, objects))
        yield from _pairs_of_rows(chain([names], rows), file.name, request, has_header=True)


def _read_list(text: TextIO, name: str) -> list[Mapping[str, Any]]:
    content = text.read(MAX_JSON_CHARACTERS + 1)
    if len(content) > MAX_JSON_CHARACTERS:
        raise InvalidInputError(f"{name}: is too large for one list; write an object a line")
    try:
        items = json.loads(content)
    except ValueError as error:
        raise InvalidInputError(f"{name}: is no JSON: {error}") from error
    if not items or not all(isinstance(item, dict) for item in items):
        raise InvalidInputError(f"{name}: should be a list of objects, each with a text of each language")
    return list(items)


def _read_lines(lines: Iterable[str], name: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InvalidInputError(
                f"{name}, line {number}: is no JSON; there should be an object a line, or one list of objects"
            ) from error
        if not isinstance(value, dict):
            raise InvalidInputError(f"{name}, line {number}: should be an object, with a text of each language")
        yield value


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, str):
            texts[prefix + key] = item
        elif isinstance(item, dict):
            texts |= _flatten(item, f"{prefix}{key}.")
    return texts


def _unquote(cell: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in (inner := cell[1:-1]).replace('""', ""):
        return inner.replace('""', '"') if '""' in inner else cell
    return cell


def _find_delimiter(lines: Sequence[str]) -> str:
    """The one that most lines have, equally often."""

    def regularity(delimiter: str) -> int:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        counts.pop(1, None)
        return max(counts.values(), default=0)

    return max(_DELIMITERS, key=regularity)


def _pairs_of_rows(
    rows: Iterable[Row], name: str, request: Request, *, has_header: bool = False
) -> Iterator[PairTexts]:
    rows = iter(rows)
    sample = [row for row in islice(rows, SAMPLE_ROWS) if any(cell.strip() for cell in row)]
    if not sample:
        raise InvalidInputError(f"{name}: is empty")
    header = [cell.strip().lstrip("\ufeff") for cell in sample[0]]
    columns = _named(header, name, request)
    if columns is None and (columns := by_header(header, request)) is not None:
        has_header = True
    elif columns is not None:
        has_header = has_header or not any(wanted.isdigit() for wanted in request.columns)
    else:
        has_header = has_header or {request.side_of(cell.lower()) for cell in header} >= {0, 1}
        columns = by_texts(sample[1:] if has_header else sample, header, name, request)
    source, target = columns

    def pairs() -> Iterator[PairTexts]:
        for row in chain(sample[1:] if has_header else sample, rows):
            if len(row) > max(source, target) and (row[source].strip() or row[target].strip()):
                yield one_line(row[source]), one_line(row[target])

    return never_empty(pairs(), name, request, set())


def _named(header: Row, name: str, request: Request) -> tuple[int, int] | None:
    """The columns that the request names."""
    if not request.columns:
        return None
    places = []
    for wanted in request.columns:
        if wanted in header:
            places.append(header.index(wanted))
        elif wanted.isdigit() and 1 <= int(wanted) <= len(header):
            places.append(int(wanted) - 1)
        else:
            raise InvalidInputError(f"{name}: has no column {wanted}; {_describe(header)}")
    return places[0], places[1]


def by_header(header: Row, request: Request) -> tuple[int, int] | None:
    """The columns whose names are, or hold, the languages or words such as "source"; None if there is no such pair."""
    cells = [cell.lower() for cell in header]
    tokens = [set(filter(None, _SEPARATORS.split(cell))) for cell in cells]
    ways = (
        [{side for side in [request.side_of(cell)] if side is not None} for cell in cells],
        [{side for token in words if (side := request.side_of(token)) is not None} for words in tokens],
        [
            {side for side, known in enumerate((_SOURCE_WORDS, _TARGET_WORDS)) if words & known and len(words) <= 3}
            for words in tokens
        ],
    )
    for sides in ways:
        places = [[place for place, found in enumerate(sides) if found == {side}] for side in (0, 1)]
        if len(places[0]) == len(places[1]) == 1:
            return places[0][0], places[1][0]
    return None


def by_texts(rows: Sequence[Row], header: Row, name: str, request: Request) -> tuple[int, int]:
    """The columns whose texts are in the two languages. Raises InvalidInputError that shows the columns if it is not
    clear which these are."""
    width = max(map(len, rows), default=0)
    texts = [[row[place].strip() for row in rows if len(row) > place] for place in range(width)]
    candidates = [place for place in range(width) if _is_text(texts[place])]
    languages = {place: request.identifier.identify("\n".join(texts[place]))[0] for place in candidates}
    sides = [[place for place in candidates if request.side_of(languages[place]) == side] for side in (0, 1)]
    known = [request.identifier.knows(language) for language in (request.source, request.target)]
    for side in (0, 1):  # a language that cannot be identified is what is left
        if not known[side] and len(sides[1 - side]) == 1 and len(candidates) == 2:
            sides[side] = [place for place in candidates if place not in sides[1 - side]]
    if len(sides[0]) == len(sides[1]) == 1:
        request.note(
            f"{name}: column {sides[0][0] + 1} is taken as {request.source}, {sides[1][0] + 1} as {request.target}"
        )
        return sides[0][0], sides[1][0]
    raise InvalidInputError(
        f"{name}: it is not clear which columns hold {request.source} and {request.target}; name them, as in "
        f"--columns 1,2; {_describe(header)}"
    )


def _is_text(cells: Sequence[str]) -> bool:
    """Whether a column holds sentences: mostly letters, few digits, and not the same text in each row."""
    joined = "".join(cells)
    filled = [cell for cell in cells if cell]
    if not filled or len(set(filled)) < min(3, len(filled)):
        return False
    letters = sum(map(str.isalpha, joined))
    digits = sum(map(str.isdigit, joined))
    return letters > 0.5 * len(joined) and digits < 0.1 * len(joined) and not all("://" in cell for cell in filled)


def _describe(header: Row) -> str:
    shown = [
        f"{number} “{cell[:30]}{'…' if len(cell) > 30 else ''}”" for number, cell in enumerate(header[:9], start=1)
    ]
    return f"the first row is {', '.join(shown)}"
