"""The files among a command's arguments: those of folders and archives, too, decompressed as they are read."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TextIO, cast

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.intake.encodings import find_encoding
from dragoman.training.intake.request import Request

_DECIDING_BYTES = 1 << 20
_ARCHIVES = frozenset((".zip", ".mqxlz", ".xlz", ".sdlppx", ".sdlrpx"))
"""Extensions of archives; all but the first are packages of translators' tools."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read, perhaps several times.

    name: for messages. path: where it lies, in an archive below the archive's name, without .gz. size: bytes, as
    stored. is_named: whether it was named itself, not its folder or archive. is_packed: whether it is gzip's.
    """

    name: str
    path: PurePosixPath
    size: int
    is_named: bool
    is_packed: bool
    _open: Callable[[], BinaryIO]

    @property
    def extension(self) -> str:
        return self.path.suffix.lower()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its content, decompressed. Raises InvalidInputError, within the context too, if it cannot be read."""
        try:
            with self._open() as stored:
                if self.is_packed:
                    with gzip.GzipFile(fileobj=stored) as file:
                        yield cast(BinaryIO, file)
                else:
                    yield stored
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidInputError(f"{self.name}: cannot be read: {reason}") from error

    def find_encoding(self, request: Request) -> str:
        """The encoding of its text, with a note if that is none of Unicode's. Raises InvalidInputError like `open`."""
        with self.open() as file:
            part = file.read(_DECIDING_BYTES)
            while part.isascii() and not part.count(0) and (more := file.read(_DECIDING_BYTES)):
                part = part[-1:] + more  # plain ASCII decides nothing
        name = find_encoding(part, request)
        if not name.startswith("utf"):
            request.note(f"{self.name} is not UTF-8: read as {name}")
        return name

    @contextmanager
    def open_text(self, request: Request) -> Iterator[TextIO]:
        """Its content as text, line ends as they are; damaged characters become U+FFFD. Raises InvalidInputError like
        `open`."""
        name = self.find_encoding(request)
        with self.open() as file, io.TextIOWrapper(file, name, errors="replace", newline="") as text:
            yield text


def list_inputs(paths: Sequence[Path]) -> list[InputFile]:
    """All files of the arguments: named ones, and those of folders and .zip archives, hidden ones apart.

    Raises NotFoundError for a missing path, InvalidInputError for a damaged archive.
    """
    found: dict[str, InputFile] = {}
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"{path}: no such file or folder")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden:
                for item in _unpacked(file, is_named=file == path):
                    found.setdefault(item.name, item)
    return list(found.values())


def _unpacked(path: Path, *, is_named: bool) -> Iterator[InputFile]:
    place = PurePosixPath(path.as_posix())
    if path.suffix.lower() not in _ARCHIVES:
        yield _with_gzip(str(path), place, path.stat().st_size, is_named, lambda: path.open("rb"))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"{path}: is no whole archive: {error}") from error
    for member in members:
        if not member.is_dir() and not PurePosixPath(member.filename).name.startswith("."):
            yield _with_gzip(
                f"{path}/{member.filename}",
                place / member.filename,
                member.compress_size,
                False,
                partial(_open_member, path, member.filename),
            )


def _open_member(path: Path, name: str) -> BinaryIO:
    with zipfile.ZipFile(path) as archive:  # the member keeps the file open
        return cast(BinaryIO, archive.open(name))


def _with_gzip(
    name: str, path: PurePosixPath, size: int, is_named: bool, open_raw: Callable[[], BinaryIO]
) -> InputFile:
    is_packed = path.suffix.lower() == ".gz"
    return InputFile(name, path.with_suffix("") if is_packed else path, size, is_named, is_packed, open_raw)
