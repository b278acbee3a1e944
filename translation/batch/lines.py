"""Text files with one text a line, as training, evaluation and batch jobs read them.

Only a line feed, alone or after a carriage return, ends a line: an exotic separator inside a sentence must not shift
the two sides of a corpus, or a translation and its source, against each other.
"""

import gzip
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import STANDARD_STREAM, is_packed

if TYPE_CHECKING:
    from dragoman.translation.batch.shards import Shard

MAX_LINE_BYTES = 1 << 20
"""Longest line of a batch job in bytes; a longer one is no sentence, and might not fit into memory."""

_CHUNK_BYTES = 1 << 16

_SIGNAL_SECONDS = 0.2
"""Longest time until Ctrl-C is seen while nothing arrives."""


class LineInput:
    """Reads lines as bytes, with their "\\n" if they have one. Nothing else ends a line, neither U+2028 nor a lone
    "\\r".

    A file whose name ends in .gz is decompressed. A context manager.

    Raises NotFoundError for a missing file and InvalidInputError for an unreadable one.
    """

    def __init__(
        self, path: Path, *, max_line_bytes: int | None = MAX_LINE_BYTES, shard: "Shard | None" = None
    ) -> None:
        """max_line_bytes: a longer line is an error; None takes lines of any length. shard: takes only its lines, not
        of a compressed file."""
        self.name = "standard input" if path == STANDARD_STREAM else str(path)
        """Its name in error messages."""
        self.is_resumable = path != STANDARD_STREAM and path.is_file()
        """Whether a second run can read the same lines; a pipe gives its content only once."""
        self.path = path
        self._max_line_bytes = max_line_bytes
        self._stack = ExitStack()
        if shard is not None and path.exists() and (not self.is_resumable or is_packed(path)):
            raise InvalidInputError(f"{self.name}: only a file that is not compressed can be divided into shards")
        try:
            if path == STANDARD_STREAM:
                if sys.stdin is None:
                    raise InvalidInputError("standard input: is closed")
                self._raw: BinaryIO = sys.stdin.buffer
            else:
                self._raw = self._stack.enter_context(path.open("rb"))
        except FileNotFoundError as error:
            raise NotFoundError(f"{path}: no such file") from error
        except OSError as error:
            raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
        self._lines: BinaryIO | gzip.GzipFile | _ArrivingLines = self._raw
        if is_packed(path):
            self._lines = self._stack.enter_context(gzip.GzipFile(fileobj=self._raw, mode="rb"))
        elif not self.is_resumable and _arrives_in_time(self._raw):
            self._lines = _ArrivingLines(self._raw)
        self._number = 0
        self._position = 0
        self._first = 0
        self._end: int | None = None
        if shard is not None:
            self._first, self._end = shard.span(self.num_file_bytes)
            self.name = f"{self.name}, shard {shard}"
            self._seek_line(self._first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def num_file_bytes(self) -> int:
        """Size of the whole file on the disk."""
        return os.fstat(self._raw.fileno()).st_size

    @property
    def num_bytes(self) -> int | None:
        """Size of the file on the disk, or of its shard; None for a pipe."""
        if self._end is not None:
            return self._end - self._first
        return self.num_file_bytes if self.is_resumable else None

    @property
    def num_bytes_read(self) -> int:
        """Bytes read so far out of `num_bytes`, the read-ahead included; 0 for a pipe."""
        if self._end is not None:
            return max(0, min(self._position, self._end) - self._first)
        return self._raw.tell() if self.is_resumable else 0

    def __iter__(self) -> Iterator[bytes]:
        """The remaining lines. Raises InvalidInputError for a line that is too long and for damaged gzip data."""
        while line := self._read_line():
            yield line

    def is_ready(self) -> bool:
        """Whether reading would not wait: a line, or the end, has arrived. Always True for compressed input."""
        try:
            return not isinstance(self._lines, _ArrivingLines) or self._lines.is_ready()
        except OSError:  # reading will raise it
            return True

    def decode(self, line: bytes, number: int) -> str:
        """The text of line `number`, which counts from 1. Raises InvalidInputError naming file and line."""
        try:
            return decode_line(line, is_first=number == 1 and self._first == 0)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.name}, line {number}: {error}") from error

    def _read_line(self) -> bytes:
        if self._end is not None and self._position >= self._end:
            return b""
        self._number += 1
        limit = self._max_line_bytes
        try:
            line = self._lines.readline(-1 if limit is None else limit + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidInputError(f"{self.name}, line {self._number}: the gzip data are damaged: {error}") from error
        except OSError as error:
            reason = error.strerror or error
            raise DragomanError(f"{self.name}, line {self._number}: cannot be read: {reason}") from error
        if limit is not None and len(line) > limit:
            raise InvalidInputError(f"{self.name}, line {self._number}: is longer than {limit} bytes")
        self._position += len(line)
        return line

    def _seek_line(self, position: int) -> None:
        """Goes to the first line that begins at this byte or after it."""
        if position == 0:
            return
        self._raw.seek(position - 1)
        self._position = position - 1
        while chunk := self._raw.readline(_CHUNK_BYTES):
            self._position += len(chunk)
            if chunk.endswith(b"\n"):
                return


class _ArrivingLines:
    """Lines of a pipe or a terminal, which knows whether one has arrived."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        self._buffer = b""
        self._has_ended = False

    def readline(self, limit: int = -1) -> bytes:
        while b"\n" not in self._buffer and not self._has_ended and not 0 <= limit <= len(self._buffer):
            self._read()
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        if limit >= 0:
            end = min(end, limit)
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        return line

    def is_ready(self) -> bool:
        while b"\n" not in self._buffer and not self._has_ended:
            if not select.select([self._descriptor], [], [], 0)[0]:
                return False
            self._read()
        return True

    def _read(self) -> None:
        # A signal that comes just before a read would wait for its end: Python looks at signals between two calls.
        while not select.select([self._descriptor], [], [], _SIGNAL_SECONDS)[0]:
            pass
        chunk = os.read(self._descriptor, _CHUNK_BYTES)
        self._buffer += chunk
        self._has_ended = not chunk


def _arrives_in_time(file: BinaryIO) -> bool:
    """Whether a file is a pipe, a socket or a terminal on Unix, which can say whether data have arrived."""
    try:
        mode = os.fstat(file.fileno()).st_mode
    except OSError:
        return False
    return os.name == "posix" and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 text file, decompressed if its name ends in .gz, without their line ends.

    A byte order mark at the start of the file is dropped. Raises NotFoundError, or InvalidInputError naming the file
    and, for invalid UTF-8 and damaged gzip data, the line.
    """
    # "-" means a file of that name here: a corpus is read twice, which standard input cannot do.
    with LineInput(path.absolute() if path == STANDARD_STREAM else path, max_line_bytes=None) as source:
        for number, line in enumerate(source, start=1):
            yield source.decode(line, number)


def decode_line(line: bytes, *, is_first: bool = False) -> str:
    """The text of a line, without its line end and, for a file's first line, without a byte order mark.

    Raises InvalidInputError for invalid UTF-8; the message names neither file nor line.
    """
    try:
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"invalid UTF-8 at byte {error.start + 1} of the line") from error
    return text.removeprefix("\ufeff") if is_first else text


def encode_line(text: str) -> bytes:
    """One line of output. Line breaks within the text become spaces, so that input and output lines correspond."""
    return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ").encode() + b"\n"
