"""Writing files atomically, so that a crash or a full disk never leaves half of one."""

import ctypes
import errno
import glob
import gzip
import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError

try:
    import fcntl
except ImportError:  # the clients, which import this module, run on Windows, too
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from typing_extensions import Buffer


MAX_BYTES = 1 << 30
"""Largest file that is read as a whole."""

STANDARD_STREAM = Path("-")
"""Names standard input where a file is read, and standard output where one is written."""

_NAMES_OF_STANDARD_OUTPUT = (STANDARD_STREAM, Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1"))


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is gzip."""
    return path.suffix.lower() == ".gz"


def is_stream(path: Path) -> bool:
    """Whether `path` is standard output, a pipe, a socket or a device, which cannot be replaced by renaming."""
    return path in _NAMES_OF_STANDARD_OUTPUT or (path.exists() and not path.is_file() and not path.is_dir())


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a small file. Raises NotFoundError for a missing file, and InvalidInputError if it has more than
    max_bytes or cannot be read."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise InvalidInputError(f"{path}: has {size:,} bytes, but {max_bytes:,} are the most that it can need")
            return file.read()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file") from error
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error


def refuse_to_replace(path: Path) -> None:
    """Raises InvalidInputError if the file exists. For commands that have --overwrite."""
    if path.exists() and not is_stream(path):
        raise InvalidInputError(f"{path}: exists already; choose another name, or --overwrite it")


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """A command's output: standard output for None or "-"; otherwise the file by `open_atomically`, compressed if its
    name ends in .gz."""
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
    """A gzip stream into `file`, complete once it is closed. The same content gives the same bytes."""
    return gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)


def write_atomically(path: Path, content: bytes | str) -> None:
    """`open_atomically`, for content in memory."""
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write, beside `path`. When the context succeeds, it is flushed to the disk and renamed: `path` has
    either its old content or all of the new. A link stays, and its target is replaced. A pipe or a device is written
    to directly.

    Raises DragomanError naming the file if it cannot be written, for instance on a full disk.
    """
    with open_together([path]) as (file,):
        yield file


@contextmanager
def open_together(paths: Sequence[Path]) -> Iterator[Sequence[BinaryIO]]:
    """Like `open_atomically`, for files that belong together: all are on the disk before the first gets its name.

    Several threads or processes may write the same path at once: the last one wins.
    """
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
        for path in {file.target.parent: None for file in files if file.aside}:
            with _errors_that_name(path):
                sync_folder(path)
    except BaseException:
        for file in files:
            file.discard()
        raise


class _Output(io.BufferedWriter):
    """A file beside its final path, which its errors name; a stream is written to directly."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.target = Path(os.path.realpath(path))  # of a link, the file that it names
        self.aside = None if is_stream(path) else aside_of(self.target)
        is_standard = path in _NAMES_OF_STANDARD_OUTPUT
        super().__init__(io.FileIO(1 if is_standard else self.aside or path, "wb", closefd=not is_standard))

    def write(self, content: "Buffer", /) -> int:
        try:  # without the context manager, which takes as long as writing a line
            return super().write(content)
        except OSError as error:
            raise _cannot_be_written(error, self._path) from error

    def sync(self) -> None:
        with _errors_that_name(self._path):
            self.flush()
            if self.aside:
                os.fsync(self.fileno())

    def publish(self) -> None:
        with _errors_that_name(self._path):
            self.close()
            if self.aside:
                self.aside.replace(self.target)

    def discard(self) -> None:
        """Deletes the file; ignores errors, since the cause of a failed write may prevent this, too."""
        with suppress(OSError):
            self.close()
        if self.aside:
            with suppress(OSError):
                self.aside.unlink()


@contextmanager
def _errors_that_name(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_be_written(error, path) from error


def _cannot_be_written(error: OSError, path: Path) -> DragomanError:
    return DragomanError(f"{path}: cannot be written: {error.strerror or error}")


def discard_asides(path: Path) -> None:
    """Deletes the files that killed writers of `path` have left beside it. No one may be writing `path` now."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.{'[0-9a-f]' * 8}.tmp"):
        with suppress(OSError):  # a leftover only takes space
            left.unlink()


def aside_of(path: Path) -> Path:
    """A unique name beside `path`, ending in ".tmp", for a file that is to replace it."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut, as `fsync` does a file's content. Raises OSError."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system does not support it
            raise
    finally:
        os.close(descriptor)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, beside `folder`, which it replaces when the context succeeds. If anything fails, an older
    `folder` stays.

    On Linux the two are exchanged in one step. Where the system cannot do that, `folder` is missing for a moment
    between two renames; if the process is killed then, the older one is at "<folder>.old", and the next call restores
    it. Raises OSError.
    """
    folder = folder.resolve()  # "." has no name to put another beside
    aside, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_held(folder.parent))  # so that the names are ours alone
        if old.exists() and not folder.exists():
            old.rename(folder)
        for leftover in (aside, old):
            shutil.rmtree(leftover, ignore_errors=True)
        stack.callback(shutil.rmtree, aside, ignore_errors=True)  # a full disk is not left with half a folder
        aside.mkdir()
        yield aside
        if not folder.exists():
            aside.rename(folder)
        elif not _exchange(aside, folder):
            folder.rename(old)
            try:
                aside.rename(folder)
            except OSError:
                old.rename(folder)
                raise
            shutil.rmtree(old, ignore_errors=True)
        sync_folder(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two paths; False if the system or the file system cannot. Raises OSError."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    at_current_folder, exchange = -100, 2
    if rename(at_current_folder, os.fsencode(one), at_current_folder, os.fsencode(other), exchange) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Admits one process or thread at a time to a folder, if the file system has locks."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Locks an open file until it is closed, at the latest at the end of the process; False if another process has it.

    shared: whether several processes may hold the lock. Raises DragomanError if the system has no such locks, and
    OSError if the file system has none.
    """
    if fcntl is None:
        raise DragomanError("this system has no locks on files: train and translate files on Linux or macOS")
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file, created if necessary; the system releases it after a crash.

    Raises DragomanError if another process has it, or if the file cannot be created.
    """
    with _errors_that_name(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        with _errors_that_name(path):
            is_ours = try_lock(file)
        if not is_ours:
            raise DragomanError(f"{path.parent}: another process is at work here")
        yield
