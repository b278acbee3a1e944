"""Detection of replaced or overwritten files without reading them: the weights alone may be gigabytes."""

import os
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.bundle import CONFIG_FILE, WEIGHTS_FILE, find_bundle
from dragoman.model.errors import NotFoundError
from dragoman.model.shortlist import SHORTLIST_FILE

WATCHED_FILES = (CONFIG_FILE, WEIGHTS_FILE, "vocabulary.model", "source.model", "target.model", SHORTLIST_FILE)


@dataclass(frozen=True, slots=True)
class FileState:
    """State of a file. It changes when the file is replaced or written to.

    mtime_ns: last modification, nanoseconds since 1970.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class BundleState:
    """A bundle's folder, with symbolic links resolved, and the states of `WATCHED_FILES`; None for a missing file."""

    folder: str
    files: tuple[FileState | None, ...]


def file_state(path: Path) -> FileState | None:
    """The state of a file; None if it is missing or cannot be accessed."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class FileWatch:
    """Watches files for changes. Not thread-safe."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._states = self._look()

    def has_changed(self) -> bool:
        """Whether a file has changed since the previous call."""
        before, self._states = self._states, self._look()
        return self._states != before

    def forget(self) -> None:
        """Make the next `has_changed` return True."""
        self._states = ()

    def _look(self) -> tuple[FileState | None, ...]:
        return tuple(map(file_state, self._paths))


def bundle_state(name_or_path: str) -> BundleState:
    """The state of a bundle, given as for `find_bundle`; a missing bundle has a state, too."""
    try:
        folder = os.path.realpath(find_bundle(name_or_path))
    except NotFoundError:
        return BundleState("", ())
    return BundleState(folder, tuple(file_state(Path(folder, name)) for name in WATCHED_FILES))
