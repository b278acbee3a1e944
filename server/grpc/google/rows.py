"""Reading the rows of files for batch translation, and writing their translations; all functions block."""

import csv
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from dragoman.model.errors import InvalidInputError
from dragoman.server.grpc.google.api import FailedPreconditionError
from dragoman.server.grpc.google.files import InputFile, open_input, open_output, open_to_append, remove, replace_beside

MAX_HTML_LENGTH = 1_000_000
"""Maximal number of characters of an HTML file, which is translated as a whole."""

MAX_ROW_LENGTH = 1_000_000
"""Maximal number of characters of a TSV file's row."""

_ROW_TOO_LONG = f"a row has more than {MAX_ROW_LENGTH} characters"


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a file. id: from the TSV file's first column, otherwise the row's number from 0. end: characters
    after the text, such as a line end. error: reason why it cannot be translated."""

    id: str
    text: str
    end: str = ""
    error: str = ""


class RowReader:
    """Reads a file in windows of rows. Raises InvalidInputError if the whole file is faulty."""

    def __init__(self, file: InputFile, max_length: int) -> None:
        """max_length: of a text, in characters; MAX_HTML_LENGTH for HTML files. The first `read` opens the file."""
        self._path = file.path
        self._name = file.path.name
        self._max_length = MAX_HTML_LENGTH if file.path.suffix == ".html" else max_length
        self._file: TextIO | None = None
        self._rows: Iterator[Row] = iter(())
        self.literal_rows: list[int] = []
        """Numbers, from 0, of the rows read so far with a literal quotation mark."""

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._file is not None:
            self._file.close()

    def read(self, max_rows: int, max_characters: int) -> list[Row]:
        """The next rows; none at the end. Stops after the row that reaches a limit."""
        if self._file is None:
            self._file = open_input(self._path)
            rows = {".html": self._whole, ".tsv": self._table, ".txt": self._lines}[self._path.suffix]
            self._rows = rows(self._file)
        window: list[Row] = []
        num_characters = 0
        try:
            for row in itertools.islice(self._rows, max_rows):
                window.append(row)
                num_characters += len(row.text)
                if num_characters >= max_characters:
                    break
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"{self._name}: is not in UTF-8") from error
        except OSError as error:
            raise InvalidInputError(f"{self._name}: {error.strerror}") from error
        return window

    def _whole(self, file: TextIO) -> Iterator[Row]:
        text = file.read(self._max_length + 1)
        if len(text) > self._max_length:
            raise InvalidInputError(f"{self._name}: has more than {self._max_length} characters")
        yield Row("0", text)

    def _lines(self, file: TextIO) -> Iterator[Row]:
        for number in itertools.count():
            line = file.readline(self._max_length + 2)  # a line that never ends must not fill the memory
            if not line:
                return
            text = line.rstrip("\r\n")
            if len(text) > self._max_length:
                raise InvalidInputError(f"{self._name}: line {number + 1} has more than {self._max_length} characters")
            yield Row(str(number), text, line[len(text) :])

    def _table(self, file: TextIO) -> Iterator[Row]:
        for number, (columns, is_literal) in enumerate(_Table(file)):
            if is_literal:
                self.literal_rows.append(number)
            row_id, text = (columns[0], columns[1]) if len(columns) == 2 else (str(number), "\t".join(columns))
            if len(columns) > 2:
                yield Row(row_id, text, error=f"the row has {len(columns)} columns, but must have one or two")
            elif len(text) > self._max_length:
                yield Row(row_id, text, error=f"has {len(text)} characters, but at most {self._max_length} are allowed")
            else:
                yield Row(row_id, text)


class _Table:
    """The rows of a TSV file. A quoted column may contain tabs, line ends and doubled quotation marks (RFC 4180). A
    mark that is never closed, or closed in the middle of a column or of other rows, is literal: otherwise it would
    swallow the rows after it. Memory is bounded, and no character is read more than twice."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._ahead: deque[str] = deque()  # lines that were read and belong to no row yet

    def __iter__(self) -> Iterator[tuple[list[str], bool]]:
        """Each row's columns, and whether it has a literal quotation mark."""
        while line := self._next_line():
            further: list[str] = []
            columns = self._read_row(line, further)
            if columns is not None:
                yield columns, False
            else:
                self._ahead.extendleft(reversed(further))
                yield line.rstrip("\r\n").split("\t"), True

    def _next_line(self) -> str:
        if self._ahead:
            return self._ahead.popleft()
        line = self._file.readline(MAX_ROW_LENGTH + 1)
        if len(line) > MAX_ROW_LENGTH:
            raise InvalidInputError(_ROW_TOO_LONG)
        return line

    def _read_row(self, line: str, further: list[str]) -> list[str] | None:
        """The columns of the row that begins with `line`, or None for an unpaired quotation mark. further: gets the
        row's other lines."""
        columns: list[str] = []
        place = length = 0
        while True:
            if line.startswith('"', place):
                quoted = self._read_quoted(line, place + 1, further)
                if quoted is None:
                    return None
                column, line, place = quoted
            else:
                end = line.find("\t", place)
                column = line[place:end] if end >= 0 else line[place:].rstrip("\r\n")
                place += len(column)
            columns.append(column)
            length += len(column) + 3  # the marks and the tab
            if length > MAX_ROW_LENGTH:
                raise InvalidInputError(_ROW_TOO_LONG)
            if not line.startswith("\t", place):
                return columns
            place += 1

    def _read_quoted(self, line: str, begin: int, further: list[str]) -> tuple[str, str, int] | None:
        """The quoted column whose text begins at `begin`, the line in which it ends, and the place after it."""
        parts: list[str] = []
        length = 0
        while True:
            quote = line.find('"', begin)
            if quote < 0:
                parts.append(line[begin:])
                length += len(line)
                line, begin = self._next_line() if length <= MAX_ROW_LENGTH else "", 0
                if not line:
                    return None
                further.append(line)
            elif line.startswith('"', quote + 1):
                parts.append(line[begin : quote + 1])
                begin = quote + 2
            else:
                parts.append(line[begin:quote])
                break
        column = "".join(parts)
        is_other_rows = "\t" in column and any(end in column for end in "\r\n")
        is_closed = quote + 1 == len(line) or line[quote + 1] in "\t\r\n"
        return (column, line, quote + 1) if is_closed and not is_other_rows else None


class OutputFile:
    """A file that appears under its name only when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.part")
        self._file: TextIO | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been written."""
        return self._file is None

    def write(self, text: str) -> None:
        """Write a text. Raises FailedPreconditionError, for example on a full disk."""
        if self._file is None:
            self._file = open_output(self._partial)
        try:
            self._file.write(text)
        except OSError as error:
            raise FailedPreconditionError(f"{self.path.name}: cannot be written: {error.strerror}") from error

    def write_row(self, *columns: str) -> None:
        """Write a row of a TSV file (RFC 4180 with "\\n" as line end)."""
        _tsv_writer(self).writerow(columns)

    def finish(self) -> bool:
        """Rename the file to its final name, unless it is empty. Returns whether it did. Raises
        FailedPreconditionError."""
        if self._file is None:
            return False
        try:
            self._file.close()
            replace_beside(self._partial, self.path.name)
        except OSError as error:
            raise FailedPreconditionError(f"{self.path.name}: cannot be written: {error.strerror}") from error
        return True

    def discard(self) -> None:
        """Delete the file unless it is finished; may be called twice."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):  # its folder may be gone
                remove(self._partial)
            self._file = None


def _tsv_writer(output: OutputFile) -> Any:  # its type has no public name
    return csv.writer(output, delimiter="\t", lineterminator="\n")


def append_index_row(path: Path, columns: list[str]) -> None:
    """Append a row to the index of outputs, creating it if missing. Raises FailedPreconditionError."""
    try:
        with open_to_append(path) as file:
            csv.writer(file, lineterminator="\n").writerow(columns)
    except OSError as error:
        raise FailedPreconditionError(f"{path.name}: cannot be written: {error.strerror}") from error
