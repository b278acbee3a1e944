"""Writing files so that a reader, a crash or a full disk never meets half of one."""

import gzip
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from dragoman.model.errors import DragomanError, InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Buffer


STANDARD_STREAM = Path("-")
"""Names standard input where a file is read, and standard output where one is written."""

_NAMES_OF_STANDARD_OUTPUT = (STANDARD_STREAM, Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1"))


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is gzip."""
    return path.suffix.lower() == ".gz"


def is_stream(path: Path) -> bool:
    """Whether `path` is standard output, a pipe, a socket or a device. What is written there cannot be replaced."""
    return path in _NAMES_OF_STANDARD_OUTPUT or (path.exists() and not path.is_file() and not path.is_dir())


def refuse_to_replace(path: Path) -> None:
    """Raises InvalidInputError if there is such a file already. For commands that have --overwrite."""
    if path.exists() and not is_stream(path):
        raise InvalidInputError(f"{path}: exists already; choose another name, or --overwrite it")


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """What a command writes to: standard output where there is no name, or "-"; otherwise the file, as
    `open_atomically` has it, packed if its name ends in .gz."""
    if path is None or path in _NAMES_OF_STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with open_atomically(path) as file:
        if not is_packed(path):
            yield file
            return
        with pack_into(file) as packed:
            yield cast(BinaryIO, packed)


def pack_into(file: BinaryIO) -> gzip.GzipFile:
    """Packs what is written, which is complete in `file` when it is closed. The same content gives the same bytes."""
    return gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)


def write_atomically(path: Path, content: bytes | str) -> None:
    """`open_atomically` for content that is at hand."""
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write, beside `path`; it is flushed to the disk and renamed when the context ends well: `path` holds
    either its old content or all of the new. A link stays, and the file that it names is replaced. A pipe or a device
    is written to directly.

    Raises DragomanError naming the file when it cannot be written, a full disk among the reasons.
    """
    with open_together([path]) as (file,):
        yield file


@contextmanager
def open_together(paths: Sequence[Path]) -> Iterator[Sequence[BinaryIO]]:
    """As `open_atomically`, for files that belong together: all are on the disk before the first gets its name."""
    files: list[_Output] = []
    try:
        for path in paths:
            with _errors_that_name(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                files.append(_Output(path))
        yield files
        for file in files:
            file.sync()
        for file in files:
            file.publish()
    except BaseException:
        for file in files:
            file.discard()
        raise


class _Output(io.BufferedWriter):
    """Lies beside the path that it is to have, which its errors name; a stream is written to directly."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._target = Path(os.path.realpath(path))  # of a link, the file that it names
        self._aside = None if is_stream(path) else self._target.with_name(self._target.name + ".tmp")
        super().__init__(io.FileIO(self._aside or path, "wb"))

    def write(self, content: "Buffer", /) -> int:
        try:  # without the context manager, which takes as long as writing a line
            return super().write(content)
        except OSError as error:
            raise _cannot_be_written(error, self._path) from error

    def sync(self) -> None:
        with _errors_that_name(self._path):
            self.flush()
            if self._aside:
                os.fsync(self.fileno())

    def publish(self) -> None:
        with _errors_that_name(self._path):
            self.close()
            if self._aside:
                self._aside.replace(self._target)

    def discard(self) -> None:
        """What hindered the writing may hinder this, too."""
        with suppress(OSError):
            self.close()
        if self._aside:
            with suppress(OSError):
                self._aside.unlink()


@contextmanager
def _errors_that_name(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_be_written(error, path) from error


def _cannot_be_written(error: OSError, path: Path) -> DragomanError:
    return DragomanError(f"{path}: cannot be written: {error.strerror or error}")


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds a lock on a file, made if need be, that only one process has at a time; the system lifts it at a crash.

    Raises DragomanError if another process has it, or if the file cannot be made.
    """
    import fcntl  # Unix has it; the clients, which import this module, run elsewhere, too

    with _errors_that_name(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DragomanError(f"{path.parent}: another process is at work here") from error
        yield
