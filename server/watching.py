"""Whether files have been replaced or overwritten, without reading them: the weights alone may be gigabytes."""

import os
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.bundle import CONFIG_FILE, WEIGHTS_FILE, find_bundle
from dragoman.model.errors import NotFoundError
from dragoman.model.shortlist import SHORTLIST_FILE

WATCHED_FILES = (CONFIG_FILE, WEIGHTS_FILE, "vocabulary.model", "source.model", "target.model", SHORTLIST_FILE)


@dataclass(frozen=True, slots=True)
class FileState:
    """What differs once another file lies at the same path, or the file is written to.

    mtime_ns: last modification, nanoseconds since 1970.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class BundleState:
    """A bundle's folder, with symbolic links followed, and what of `WATCHED_FILES` lies in it; None: it is missing."""

    folder: str
    files: tuple[FileState | None, ...]


def file_state(path: Path) -> FileState | None:
    """None where there is no file, or none that may be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class FileWatch:
    """Files that may be replaced or written to. Not thread-safe."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._states = self._look()

    def has_changed(self) -> bool:
        """Whether a file is another one than at the last look, which this is now."""
        before, self._states = self._states, self._look()
        return self._states != before

    def forget(self) -> None:
        """Has the next look find a change."""
        self._states = ()

    def _look(self) -> tuple[FileState | None, ...]:
        return tuple(map(file_state, self._paths))


def bundle_state(name_or_path: str) -> BundleState:
    """Of a bundle as `find_bundle` finds it; one that is not there has a state, too."""
    try:
        folder = os.path.realpath(find_bundle(name_or_path))
    except NotFoundError:
        return BundleState("", ())
    return BundleState(folder, tuple(file_state(Path(folder, name)) for name in WATCHED_FILES))
