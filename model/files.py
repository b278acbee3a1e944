"""Writing files so that a reader, a crash or a full disk never meets half of one."""

import fcntl
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dragoman.model.errors import DragomanError, InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Buffer


def refuse_to_replace(path: Path) -> None:
    """Raises InvalidInputError if there is such a file already. For commands that have --overwrite."""
    if path.exists():
        raise InvalidInputError(f"{path}: exists already; choose another name, or --overwrite it")


def open_output(path: Path | None) -> AbstractContextManager[BinaryIO]:
    """What a command writes to: the file, as `open_atomically` has it, or standard output where there is no name."""
    return nullcontext(sys.stdout.buffer) if path is None else open_atomically(path)


def write_atomically(path: Path, content: bytes | str) -> None:
    """`open_atomically` for content that is at hand."""
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write, beside `path`; it is flushed to the disk and renamed when the context ends well: `path` holds
    either its old content or all of the new.

    Raises DragomanError naming the file when it cannot be written, a full disk among the reasons.
    """
    with open_together([path]) as (file,):
        yield file


@contextmanager
def open_together(paths: Sequence[Path]) -> Iterator[Sequence[BinaryIO]]:
    """As `open_atomically`, for files that belong together: all are on the disk before the first gets its name."""
    files: list[_FileAside] = []
    try:
        for path in paths:
            with _errors_that_name(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                files.append(_FileAside(path))
        yield files
        for file in files:
            file.sync()
        for file in files:
            file.publish()
    except BaseException:
        for file in files:
            file.discard()
        raise


class _FileAside(io.BufferedWriter):
    """Lies beside the path that it is to have, which its errors name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(path.name + ".tmp")
        super().__init__(io.FileIO(self._aside, "wb"))

    def write(self, content: "Buffer", /) -> int:
        try:  # without the context manager, which takes as long as writing a line
            return super().write(content)
        except OSError as error:
            raise _cannot_be_written(error, self._path) from error

    def sync(self) -> None:
        with _errors_that_name(self._path):
            self.flush()
            os.fsync(self.fileno())

    def publish(self) -> None:
        with _errors_that_name(self._path):
            self.close()
            self._aside.replace(self._path)

    def discard(self) -> None:
        """What hindered the writing may hinder this, too."""
        with suppress(OSError):
            self.close()
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
    with _errors_that_name(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DragomanError(f"{path.parent}: another process is at work here") from error
        yield
