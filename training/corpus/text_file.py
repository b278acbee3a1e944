"""What a run must know of a corpus file before it reads it line by line."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.errors import InvalidInputError, NotFoundError

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class TextFile:
    """A corpus file: its SHA-256 checksum, and its lines."""

    path: Path
    checksum: str
    num_lines: int


def inspect_text(path: Path) -> TextFile:
    """Reads a text file through, at the speed of the disk, unpacked if its name ends in .gz.

    The checksum is of the file as it lies on the disk. Raises NotFoundError or InvalidInputError that names the file,
    the latter also if it has nothing but white space.
    """
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
    """Lines as `translation.lines` counts them, and whether all are blank."""
    num_lines, is_blank, end = 0, True, b"\n"
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            num_lines += chunk.count(b"\n")
            is_blank = is_blank and not chunk.decode(errors="replace").strip()
            end = chunk[-1:]
    return num_lines + (end != b"\n"), is_blank


def file_checksum(path: Path) -> str:
    """The SHA-256 of a file as it lies on the disk, as `sha256sum` prints it. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
