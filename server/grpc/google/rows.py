"""The texts of files for batch translation, and the files that their translations go to; all of it blocks."""

import csv
import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from dragoman.model.errors import InvalidInputError
from dragoman.server.grpc.google.errors import FailedPreconditionError
from dragoman.server.grpc.google.files import InputFile, open_input, open_output, open_to_append, remove, replace_beside

MAX_HTML_LENGTH = 1_000_000
"""Characters of an HTML file, which is translated as a whole."""

MAX_ROW_LENGTH = 1_000_000
"""Characters of a TSV file's row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a file. id: of a TSV file's row, as it says itself, or its number from 0; of other files, the number
    too. end: what stands behind the text in the file, such as a line's end. error: why it cannot be translated."""

    id: str
    text: str
    end: str = ""
    error: str = ""


class RowReader:
    """Reads a file in windows of some rows. All raises InvalidInputError where the file is at fault as a whole."""

    def __init__(self, file: InputFile, max_length: int) -> None:
        """max_length: of a text, in characters; for HTML files MAX_HTML_LENGTH holds. The first `read` opens it."""
        self._path = file.path
        self._name = file.path.name
        self._max_length = MAX_HTML_LENGTH if file.path.suffix == ".html" else max_length
        self._file: TextIO | None = None
        self._rows: Iterator[Row] = iter(())

    def close(self) -> None:
        """May be called twice."""
        if self._file is not None:
            self._file.close()

    def read(self, max_rows: int, max_characters: int) -> list[Row]:
        """The next rows; none at the end. Stops behind the first row that is too much."""
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
        except csv.Error as error:
            raise InvalidInputError(f"{self._name}: {error}") from error
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
        lines = _BoundedLines(file)
        for number, columns in enumerate(csv.reader(lines, delimiter="\t")):
            lines.begin_row()
            row_id, text = (columns[0], columns[1]) if len(columns) == 2 else (str(number), "\t".join(columns))
            if len(columns) > 2:
                yield Row(row_id, text, error=f"the row has {len(columns)} columns, but must have one or two")
            elif len(text) > self._max_length:
                yield Row(row_id, text, error=f"has {len(text)} characters, but at most {self._max_length} are allowed")
            else:
                yield Row(row_id, text)


class _BoundedLines:
    """Lines for the csv module, which bounds its fields but neither what it is given nor a row: a quoted field goes on
    in the next line, and so may any number of them."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._num_left = MAX_ROW_LENGTH

    def begin_row(self) -> None:
        """A row is whole."""
        self._num_left = MAX_ROW_LENGTH

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(csv.field_size_limit()):
            self._num_left -= len(line)
            if self._num_left < 0:
                raise csv.Error(f"a row has more than {MAX_ROW_LENGTH} characters")
            yield line


class OutputFile:
    """A file that appears under its name only when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.part")
        self._file: TextIO | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return self._file is None

    def write(self, text: str) -> None:
        """Raises FailedPreconditionError, as on a full disk."""
        if self._file is None:
            self._file = open_output(self._partial)
        try:
            self._file.write(text)
        except OSError as error:
            raise FailedPreconditionError(f"{self.path.name}: cannot be written: {error.strerror}") from error

    def write_row(self, *columns: str) -> None:
        """A row of a TSV file (RFC 4180, but for the line's end)."""
        _tsv_writer(self).writerow(columns)

    def finish(self) -> bool:
        """Gives it its name, unless there is nothing in it; whether it did. Raises FailedPreconditionError."""
        if self._file is None:
            return False
        try:
            self._file.close()
            replace_beside(self._partial, self.path.name)
        except OSError as error:
            raise FailedPreconditionError(f"{self.path.name}: cannot be written: {error.strerror}") from error
        return True

    def discard(self) -> None:
        """Leaves nothing of it, unless it is finished; may be called twice."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):  # its folder may be gone
                remove(self._partial)
            self._file = None


def _tsv_writer(output: OutputFile) -> Any:  # its type has no public name
    return csv.writer(output, delimiter="\t", lineterminator="\n")


def append_index_row(path: Path, columns: list[str]) -> None:
    """To the index of outputs, made by the first. Raises FailedPreconditionError."""
    try:
        with open_to_append(path) as file:
            csv.writer(file, lineterminator="\n").writerow(columns)
    except OSError as error:
        raise FailedPreconditionError(f"{path.name}: cannot be written: {error.strerror}") from error
