"""Records with named columns: JSON lines and Parquet. The translation of one column becomes another; the rest stays."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import open_output
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.results import Translation

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

    from dragoman.translation.batch.job import TranslateStream

ROWS = 1024
"""Rows of a Parquet file that are read at once."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The column of the texts, and that of their translations, which is new."""

    source: str
    target: str = "translation"


def is_json_lines(path: Path) -> bool:
    """By its name: .jsonl or .ndjson, or one of these in .gz."""
    return path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def is_parquet(path: Path) -> bool:
    """By its name: .parquet."""
    return path.suffix.lower() == ".parquet"


def read_text(line: str, columns: Columns) -> str:
    """The text of a line of JSON; a blank line has a blank text, as null has.

    Raises InvalidInputError, which names neither file nor line.
    """
    if not line.strip():
        return ""
    record = _read_record(line)
    if columns.target in record:
        raise InvalidInputError(f'has a "{columns.target}" already; name another column by --into')
    if columns.source not in record:
        raise InvalidInputError(f'has no "{columns.source}"{_known(record)}')
    text = record[columns.source]
    if text is not None and not isinstance(text, str):
        raise InvalidInputError(f'"{columns.source}" is {json.dumps(text)[:40]}, not a text')
    return text or ""


def write_record(line: str, translation: Translation, columns: Columns) -> str:
    """The line with the translation, null where the text is null; a blank line stays."""
    if not line.strip():
        return ""
    record = _read_record(line)
    record[columns.target] = None if record[columns.source] is None else translation.text
    written = json.dumps(record, ensure_ascii=False)
    return written if _is_unicode(written) else json.dumps(record)  # half of a surrogate pair passes as an escape


def sample_records(path: Path, columns: Columns) -> Iterator[str]:
    """The texts of a file of records, for their language: of Parquet the first ones, of JSON lines all."""
    if is_parquet(path):
        with _open_parquet(path, columns) as file:
            for batch in file.iter_batches(ROWS, columns=[columns.source]):
                yield from (text for text in batch.column(0).to_pylist() if text)
                return
    else:
        for number, line in enumerate(read_lines(path), start=1):
            try:
                yield read_text(line, columns)
            except InvalidInputError as error:
                raise InvalidInputError(f"{path}, line {number}: {error}") from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise InvalidInputError('is not a JSON object, such as {"text": "Hello"}')
    return record


def _known(names: "Iterator[str] | dict[str, Any] | list[str]") -> str:
    listed = ", ".join(list(names)[:10])
    return f", only {listed}" if listed else ""


def translate_parquet(
    input_path: Path,
    output_path: Path,
    translate_stream: "TranslateStream",
    columns: Columns,
    on_rows: Callable[[int, int], None] | None = None,
) -> int:
    """Write the Parquet file with the column of translations, and return its number of rows.

    on_rows: called with the rows so far and their number.

    Raises InvalidInputError for a file that is no Parquet and for columns that are not there or of another type; what
    the translator raises; DragomanError if the disk is full.
    """
    import pyarrow
    from pyarrow import parquet

    with _open_parquet(input_path, columns) as file:
        schema = file.schema_arrow
        written = schema.append(pyarrow.field(columns.target, pyarrow.string()))
        waiting: deque[Any] = deque()
        total, num_rows = file.metadata.num_rows, 0

        def read() -> Iterator[str]:
            for batch in file.iter_batches(ROWS):
                waiting.append(batch)
                yield from (text or "" for text in batch.column(columns.source).to_pylist())

        translations = translate_stream(read())
        with open_output(output_path) as output, parquet.ParquetWriter(output, written) as writer:
            while num_rows < total:
                first = next(translations)  # the batch that it belongs to has been read
                batch = waiting.popleft()
                rest = [next(translations).text for _ in range(batch.num_rows - 1)]
                texts = batch.column(columns.source).to_pylist()
                found = [
                    None if text is None else translation
                    for text, translation in zip(texts, [first.text, *rest], strict=True)
                ]
                arrays = [*batch.columns, pyarrow.array(found, pyarrow.string())]
                writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=written))
                num_rows += batch.num_rows
                if on_rows is not None:
                    on_rows(num_rows, total)
    return num_rows


def _open_parquet(path: Path, columns: Columns) -> "parquet.ParquetFile":
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise InvalidInputError(f"{path}: is no readable Parquet file: {error}") from error
    try:
        _check_schema(path, file.schema_arrow, columns)
    except BaseException:
        file.close()
        raise
    return file


def _check_schema(path: Path, schema: "pyarrow.Schema", columns: Columns) -> None:
    import pyarrow

    if columns.source not in schema.names:
        raise InvalidInputError(f'{path}: has no column "{columns.source}"{_known(cast(list[str], schema.names))}')
    kind = schema.field(columns.source).type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise InvalidInputError(f'{path}: the column "{columns.source}" is of type {kind}, not of texts')
    if columns.target in schema.names:
        raise InvalidInputError(f'{path}: has a column "{columns.target}" already; name another by --into')
