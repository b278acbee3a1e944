"""Writing files so that a reader, a crash or a full disk never meets half of one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from model.errors import DragomanError


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
    aside = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException as error:
        with suppress(OSError):  # what hindered the writing may hinder this, too
            aside.unlink()
        if isinstance(error, OSError):
            raise DragomanError(f"{path}: cannot be written: {error.strerror or error}") from error
        raise


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds a lock on a file, made if need be, that only one process has at a time; the system lifts it at a crash.

    Raises DragomanError if another process has it, or if the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise DragomanError(f"{path}: cannot be written: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DragomanError(f"{path.parent}: another process is at work here") from error
        yield
