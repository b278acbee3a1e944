"""Who holds a piece of work in a folder that processes share: a lock that the kernel releases when a process ends."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows, where a server is one process
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".held"


class Holder:
    """This process in a folder.

    name: stands beside what it holds.
    """

    def __init__(self) -> None:
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._file: int | None = None

    def hold(self, folder: Path) -> None:
        """Be alive for others, until `release` or the end of the process. Raises OSError."""
        if fcntl is not None:
            self._file = os.open(folder / f"{self.name}{SUFFIX}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self, folder: Path) -> None:
        """End being alive; may be called twice."""
        if self._file is not None:
            _unlink(folder / f"{self.name}{SUFFIX}")
            os.close(self._file)
            self._file = None

    def is_alive(self, folder: Path, name: str) -> bool:
        """Whether the holder of this name is alive; an empty name is nobody's."""
        if name == self.name:
            return True
        path = folder / f"{name}{SUFFIX}"
        if fcntl is None or not name or "/" in name:
            return False
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            _unlink(path)
            return False
        finally:
            os.close(file)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
