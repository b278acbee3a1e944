"""The files of a model: of a folder, of a zip, or one alone, each read once and never written."""

import fnmatch
import gzip
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import read_bytes

MAX_MODEL_BYTES = 64 << 30
"""Most bytes of one file of a model."""

MAX_TEXT_BYTES = 256 << 20
"""Most bytes of one configuration or vocabulary."""


_PACKED = ".gz"
_CHUNK_BYTES = 1 << 24


class Files:
    """Base: files by their names, which have no folder unless the model has some."""

    origin: Path

    def names(self) -> list[str]:
        """The names of all files, ascending."""
        raise NotImplementedError

    def read(self, name: str, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
        """The content of a file. Raises InvalidInputError if it is missing or has more than max_bytes."""
        raise NotImplementedError

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def find(self, *patterns: str) -> str | None:
        """The one file that fits the first of the patterns that any fits. Raises InvalidInputError if several do."""
        for pattern in patterns:
            found = [name for name in self.names() if fnmatch.fnmatchcase(name, pattern)]
            if len(found) > 1:
                raise InvalidInputError(f"{self.origin}: has several files {pattern}: {', '.join(found[:5])}")
            if found:
                return found[0]
        return None

    def first(self, names: Iterable[str]) -> str | None:
        """The first of the names that exists."""
        return next((name for name in names if name in self), None)

    def read_json(self, name: str) -> Any:
        """The content of a JSON file. Raises InvalidInputError that names a damaged one."""
        try:
            return json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"{self.origin / name}: no JSON: {error}") from error

    def read_object(self, name: str) -> dict[str, Any]:
        """The content of a JSON file that must be an object."""
        content = self.read_json(name)
        if not isinstance(content, dict):
            raise InvalidInputError(f"{self.origin / name}: no JSON object")
        return content

    def read_text(self, name: str) -> str:
        """The content of a text file in UTF-8."""
        try:
            return self.read(name).decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"{self.origin / name}: no text in UTF-8") from error

    def checksum(self, name: str) -> str:
        """A file's SHA-256 in hexadecimal digits."""
        return hashlib.sha256(self.read(name, MAX_MODEL_BYTES)).hexdigest()


class Folder(Files):
    """A folder's files; those that are packed, with .gz behind their names, as if they were not."""

    def __init__(self, folder: Path) -> None:
        self.origin = folder

    def names(self) -> list[str]:
        return sorted({path.name.removesuffix(_PACKED) for path in self.origin.iterdir() if path.is_file()})

    def read(self, name: str, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
        path = self._path(name)
        if path.name == name:
            return read_bytes(path, max_bytes)
        try:
            with gzip.open(path) as file:
                content = b"".join(_chunks(cast(IO[bytes], file), max_bytes + 1))
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInputError(f"{path}: no gzip, or damaged: {error}") from error
        if len(content) > max_bytes:
            raise InvalidInputError(f"{path}: unpacks to more than the {max_bytes:,} bytes that it can need")
        return content

    def checksum(self, name: str) -> str:
        """Of the file as it lies there, packed or not."""
        with self._path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _path(self, name: str) -> Path:
        for path in (self.origin / name, self.origin / f"{name}{_PACKED}"):
            if path.is_file():
                return path
        raise InvalidInputError(f"{self.origin}: lacks {name}")


def _chunks(file: IO[bytes], most: int) -> Iterator[bytes]:
    """The content of a file, at most so many bytes; a single read would take memory for all of them."""
    while most > 0 and (chunk := file.read(min(most, _CHUNK_BYTES))):
        most -= len(chunk)
        yield chunk


class Zip(Files):
    """The files of a zip, of one folder in it if all lie there; nothing is unpacked to the disk."""

    def __init__(self, path: Path, under: str = "") -> None:
        """under: only the files of this folder, with a slash at the end. Raises InvalidInputError for what is no zip,
        and for one with a name that leads out of it."""
        self.origin = path
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError as error:
            raise NotFoundError(f"{path}: no such file") from error
        except (OSError, zipfile.BadZipFile) as error:
            raise InvalidInputError(f"{path}: no zip, or damaged: {error}") from error
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        for info in infos:
            parts = PurePosixPath(info.filename.replace("\\", "/")).parts
            if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in info.filename:
                raise InvalidInputError(f'{path}: has the file "{info.filename}", which leads out of it')
        self._under = under
        self._infos = {info.filename.removeprefix(under): info for info in infos if info.filename.startswith(under)}

    def names(self) -> list[str]:
        return sorted(self._infos)

    def read(self, name: str, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
        info = self._infos.get(name)
        if info is None:
            raise InvalidInputError(f"{self.origin}: lacks {self._under}{name}")
        if info.file_size > max_bytes:
            raise InvalidInputError(
                f"{self.origin}: {name} has {info.file_size:,} bytes, but {max_bytes:,} are the most that it can need"
            )
        try:
            with self._zip.open(info) as file:
                content = file.read(max_bytes + 1)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise InvalidInputError(f"{self.origin}: {name} cannot be read: {error}") from error
        if len(content) > max_bytes:
            raise InvalidInputError(f"{self.origin}: {name} has more bytes than it says")
        return content


class Bytes:
    """A binary file, read from its begin to its end in little-endian order."""

    def __init__(self, content: bytes, origin: object) -> None:
        """origin: its name in errors."""
        self.content, self.origin, self.place = content, origin, 0

    def take(self, size: int) -> memoryview:
        """The next bytes. Raises InvalidInputError if there are fewer."""
        if size < 0 or self.place + size > len(self.content):
            raise InvalidInputError(
                f"{self.origin}: cut short or damaged: {size:,} bytes are due at {self.place:,}, but the file has "
                f"{len(self.content):,}"
            )
        self.place += size
        return memoryview(self.content)[self.place - size : self.place]

    def number(self, size: int) -> int:
        """The next unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little")
