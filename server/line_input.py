"""The input of a batch job: lines of UTF-8 from a plain or gzip file, read as a stream."""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Self

from model.errors import DragomanError, InvalidInputError, NotFoundError

MAX_LINE_BYTES = 1 << 20
"""Longest line that is read; what is longer is no sentence, and might not fit into memory."""

STANDARD_INPUT = Path("-")
"""Stands for standard input, also where a file has that name."""


class LineInput:
    """Reads lines as bytes, with their "\\n" if they have one. Nothing else ends a line, no U+2028 and no lone "\\r".

    A file whose name ends in .gz is decompressed. A context manager.

    Raises NotFoundError if there is no such file and InvalidInputError if it is none that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = "standard input" if path == STANDARD_INPUT else str(path)
        """What error messages call it."""
        self.is_resumable = path != STANDARD_INPUT and path.is_file()
        """Whether a second run will read the same again; a pipe gives its content only once."""
        self.path = path
        self._stack = ExitStack()
        try:
            self._raw: BinaryIO = (
                sys.stdin.buffer if path == STANDARD_INPUT else self._stack.enter_context(path.open("rb"))
            )
        except FileNotFoundError as error:
            raise NotFoundError(f"{path}: there is no such file") from error
        except OSError as error:
            raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
        self._lines: BinaryIO = self._raw
        if path.suffix == ".gz":
            self._lines = self._stack.enter_context(gzip.GzipFile(fileobj=self._raw, mode="rb"))  # type: ignore[assignment]
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def num_bytes(self) -> int | None:
        """Size of the file as it lies on the disk; None for a pipe."""
        return os.fstat(self._raw.fileno()).st_size if self.is_resumable else None

    @property
    def num_bytes_read(self) -> int:
        """Bytes read so far out of `num_bytes`, the read-ahead included; 0 for a pipe."""
        return self._raw.tell() if self.is_resumable else 0

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are left. Raises InvalidInputError for one that is too long and for damaged gzip data."""
        while line := self._read_line():
            yield line

    def _read_line(self) -> bytes:
        self._number += 1
        try:
            line = self._lines.readline(MAX_LINE_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidInputError(f"{self.name}, line {self._number}: the gzip data are damaged: {error}") from error
        except OSError as error:
            raise DragomanError(f"{self.name}, line {self._number}: cannot be read: {error.strerror}") from error
        if len(line) > MAX_LINE_BYTES:
            raise InvalidInputError(f"{self.name}, line {self._number}: is longer than {MAX_LINE_BYTES} bytes")
        return line


def decode_line(line: bytes, *, is_first: bool = False) -> str:
    """The text of a line, without its line end and, if it is a file's first, without a byte order mark.

    Raises InvalidInputError, which does not name file and line.
    """
    try:
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode()
        return text.removeprefix("\ufeff") if is_first else text
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"not valid UTF-8: byte 0x{line[error.start]:02x} at position {error.start}") from error


def encode_line(text: str) -> bytes:
    """One line of output. A line break within the text becomes a space, or the lines would no longer correspond."""
    return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ").encode() + b"\n"
