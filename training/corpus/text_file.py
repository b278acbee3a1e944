"""Text files: inspected before they are read line by line, and written with a checksum."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import is_packed, pack_into, refuse_to_replace
from dragoman.translation.batch.lines import encode_line

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class TextFile:
    """A corpus file: its SHA-256 checksum, and its lines."""

    path: Path
    checksum: str
    num_lines: int


def inspect_text(path: Path) -> TextFile:
    """Counts the lines of a text file, decompressed if its name ends in .gz, and computes its checksum.

    The checksum is of the file as stored. Raises NotFoundError or InvalidInputError that names the file, the latter
    also for a blank file, and for a pipe or a device, which can be read only once.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InvalidInputError(f"{path}: is not a file on disk, and a corpus is read several times; save it first")
    try:
        checksum = file_checksum(path)
        num_lines, is_blank = _count_lines(path)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInputError(f"{path}: the gzip data are damaged: {error}") from error
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
    if is_blank:
        raise InvalidInputError(f"{path}: the corpus is empty")
    return TextFile(path, checksum, num_lines)


def _count_lines(path: Path) -> tuple[int, bool]:
    """Lines as `translation.batch.lines` counts them, and whether all are blank."""
    num_lines, is_blank, end = 0, True, b"\n"
    with gzip.open(path) if is_packed(path) else path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            num_lines += chunk.count(b"\n")
            is_blank = is_blank and not chunk.decode(errors="replace").strip()
            end = chunk[-1:]
    return num_lines + (end != b"\n"), is_blank


def file_checksum(path: Path) -> str:
    """The SHA-256 of a file as stored, as `sha256sum` prints it. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LineOutput:
    """Writes one text a line; the same lines give the same bytes, also when compressed."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """path: the final name; compressed if it ends in .gz. file: written until then."""
        self.path = path
        self._digested = _Digested(file)
        self._packed: gzip.GzipFile | None = None
        if is_packed(path):
            self._packed = pack_into(cast(BinaryIO, self._digested))

    def write(self, text: str) -> None:
        """One line; line breaks in it become spaces."""
        (self._packed or self._digested).write(encode_line(text))

    def finish(self, *, overwrite: bool) -> str:
        """Completes the file and returns its SHA-256.

        Raises InvalidInputError if a file of that name with other content exists and may not be overwritten.
        """
        if self._packed is not None:
            self._packed.close()
        checksum = self._digested.checksum.hexdigest()
        if not overwrite and self.path.exists() and file_checksum(self.path) != checksum:
            refuse_to_replace(self.path)
        return checksum


class _Digested:
    """A file that keeps the checksum of its content."""

    def __init__(self, file: BinaryIO) -> None:
        self.checksum = hashlib.sha256()
        self._file = file

    def write(self, data: bytes) -> int:
        self.checksum.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
