"""The folder whose files batch translation may read and write, instead of Google's buckets.

A file is named by file:// and its absolute path, by that path, or by its path within the folder. Links are resolved
before a path is checked; a file outside the folder is refused like a missing one.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO
from urllib.parse import quote, unquote

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.grpc.google.api import FailedPreconditionError

EXTENSIONS = (".html", ".tsv", ".txt")
"""Extensions of files that can be translated."""

MAX_URI_LENGTH = 4096
"""Maximal number of characters of a name; no path is longer."""

MAX_PATTERN_PARTS = 64
"""Maximal number of path components in a pattern with "*"."""

_FILE_SCHEME = "file://"

_O_PATH: int = getattr(os, "O_PATH", os.O_RDONLY)
"""Flag to traverse a folder without the right to read it."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to translate. path: with links resolved. uri: in the caller's style. parts: of its path within the folder,
    from which its outputs are named."""

    path: Path
    uri: str
    parts: tuple[str, ...]

    def output_name(self, target_code: str, kind: str) -> str:
        """The name of an output, as with Google: "a_b_de_translations.tsv" for a/b.tsv."""
        stem = "_".join((*self.parts[:-1], Path(self.parts[-1]).stem))
        return f"{stem}_{target_code}_{kind}{self.path.suffix}"


class AllowedFolder:
    """Finds and checks files of the folder. Methods block, and raise InvalidInputError or NotFoundError."""

    def __init__(self, root: Path) -> None:
        """root: absolute paths may begin with it as given here, or with its links resolved. Raises NotFoundError if it
        does not exist."""
        self._root = root.resolve()
        self._names = sorted({root.absolute().parts, self._root.parts}, key=len, reverse=True)
        if not self._root.is_dir():
            raise NotFoundError(f"{root}: there is no such folder, which batch translation is to read and write")

    def find_inputs(self, uri: str, max_files: int, extensions: tuple[str, ...] = EXTENSIONS) -> Iterator[InputFile]:
        """The file, or all files that match a pattern with "*", ascending; at least one.

        Raises InvalidInputError for more than max_files, and for a file that cannot be translated.
        """
        style, parts = self._parse(uri)
        paths = sorted(self._match(parts, max_files))
        if not paths:
            raise NotFoundError(f'"{uri}": there is no such file')
        for path in paths:
            try:
                str(path).encode()
            except UnicodeEncodeError as error:  # no message could hold it
                raise InvalidInputError(f'"{ascii(path.name)[1:-1]}": the name of the file is not in UTF-8') from error
            if path.suffix not in extensions:
                raise InvalidInputError(f'"{style.write(path)}": only {", ".join(extensions)} can be used')
            yield InputFile(path.resolve(), style.write(path), path.relative_to(self._root).parts)

    def make_output_folder(self, uri: str) -> tuple[Path, "UriStyle"]:
        """An empty folder for outputs, created if missing, and the style of its files' names.

        Raises InvalidInputError if it is not empty.
        """
        if not uri.endswith("/"):
            raise InvalidInputError(f'"{uri}": must end with "/"')
        style, parts = self._parse(uri)
        folder = self._root.joinpath(*parts).resolve()
        if not folder.is_relative_to(self._root):
            raise NotFoundError(f'"{uri}": is not in the folder of batch translation')
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_empty = not any(folder.iterdir())
        except OSError as error:
            raise InvalidInputError(f'"{uri}": cannot be written to: {error.strerror}') from error
        if not is_empty:
            raise InvalidInputError(f'"{uri}": must be empty or not exist')
        return folder, style

    def _parse(self, uri: str) -> tuple["UriStyle", tuple[str, ...]]:
        """The style of a URI, and the components of its path within the folder, without resolving links."""
        if len(uri) > MAX_URI_LENGTH:
            raise NotFoundError(f'"{uri[:100]}…": there is no such file')
        path, is_uri = uri, uri.startswith(_FILE_SCHEME)
        if is_uri:
            path = unquote(uri.removeprefix(_FILE_SCHEME).removeprefix("localhost"))
        elif "://" in uri:
            raise InvalidInputError(f'"{uri}": only files of the allowed folder can be used: file:// and a path')
        is_absolute = path.startswith("/")
        if not path or "\0" in path or (is_uri and not is_absolute):
            raise InvalidInputError(f'"{uri}" is no path of a file')
        style = UriStyle(self._root, is_absolute, is_uri)
        parts = Path(path).parts
        if ".." in parts:
            raise InvalidInputError(f'"{uri}": ".." is not allowed')
        if not is_absolute:
            return style, parts
        # Paths outside are never accessed: they may belong to a device, or a network disk that is gone.
        for name in self._names:
            if parts[: len(name)] == name:
                return style, parts[len(name) :]
        raise NotFoundError(f'"{uri}": is not in the folder of batch translation')

    def _match(self, parts: tuple[str, ...], max_files: int) -> list[Path]:
        pattern = "/".join(parts)
        if "**" in pattern:
            raise InvalidInputError(f'"{pattern}": "**" is not allowed')
        if "*" in pattern and len(parts) > MAX_PATTERN_PARTS:
            raise InvalidInputError(f'"{pattern}": leads through more than {MAX_PATTERN_PARTS} folders')
        plain = re.sub(r"[?[]", r"[\g<0>]", pattern)  # "*" alone has a meaning
        candidates = self._root.glob(plain) if "*" in pattern else [self._root.joinpath(*parts)]
        found: list[Path] = []
        for path in candidates:
            try:
                target = path.resolve(strict=True)
            except (OSError, RuntimeError):  # no such file, or links that lead in a circle
                continue
            if target.is_relative_to(self._root) and target.is_file():
                found.append(path)
            if len(found) > max_files:
                raise InvalidInputError(f'"{pattern}": more than {max_files} files')
        return found


@dataclass(frozen=True, slots=True)
class UriStyle:
    """A caller's style of naming files of the folder `root`, for use in answers."""

    root: Path
    is_absolute: bool
    is_uri: bool

    def write(self, path: Path) -> str:
        """path: in the folder."""
        if self.is_uri:
            return _FILE_SCHEME + quote(str(path))
        return str(path) if self.is_absolute else path.relative_to(self.root).as_posix()


def open_input(path: Path) -> TextIO:
    """Open a UTF-8 text for reading, with unchanged line ends. Raises InvalidInputError if it is no regular file."""
    try:
        descriptor = _open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a FIFO must not block
    except OSError as error:
        raise InvalidInputError(f"{path.name}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInputError(f"{path.name}: is no regular file")
    return TextIOWrapper(os.fdopen(descriptor, "rb"), encoding="utf-8-sig", newline="")


def open_output(path: Path) -> TextIO:
    """Open a new text for writing. Raises FailedPreconditionError if the file exists or cannot be written."""
    return _open_to_write(path, os.O_EXCL)


def open_to_append(path: Path) -> TextIO:
    """Open a text for appending. Raises FailedPreconditionError if it cannot be written."""
    return _open_to_write(path, os.O_APPEND)


def _open_to_write(path: Path, flags: int) -> TextIO:
    try:
        descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | flags)
    except OSError as error:
        raise FailedPreconditionError(f"{path.name}: cannot be written: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FailedPreconditionError(f"{path.name}: cannot be written: it is no regular file")
    return TextIOWrapper(os.fdopen(descriptor, "wb"), encoding="utf-8", errors="replace", newline="")


def replace_beside(path: Path, name: str) -> None:
    """Rename a file within its folder. Raises OSError."""
    with _opened_folder(path.parent) as folder:
        os.replace(path.name, name, src_dir_fd=folder, dst_dir_fd=folder)


def remove(path: Path) -> None:
    """Delete a file. Raises OSError."""
    with _opened_folder(path.parent) as folder:
        os.unlink(path.name, dir_fd=folder)


def _open(path: Path, flags: int) -> int:
    with _opened_folder(path.parent) as folder:
        return os.open(path.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)


@contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    """A folder's descriptor, opened without following links: the path's links were resolved before, and a new one may
    lead anywhere. Raises OSError."""
    flags = _O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(path.anchor, flags)
    try:
        for part in path.parts[1:]:
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)
