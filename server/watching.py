"""Detection of replaced or overwritten files without reading them: the weights alone may be gigabytes."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.bundle import CONFIG_FILE, WEIGHTS_FILE, find_bundle
from dragoman.model.errors import NotFoundError
from dragoman.model.shortlist import SHORTLIST_FILE

SETTLED_NS = 1_000_000_000
"""Age from which on a folder's time belongs to its last change: file systems count time in steps."""

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


class FolderWatch:
    """Finds what other processes change in a folder of files that are replaced as a whole. Not thread-safe."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._stamp = -1
        self._states: dict[Path, FileState] = {}

    def changes(self) -> tuple[list[Path], list[Path]]:
        """The files that are new or changed since the last call, and those that are gone. Raises OSError.

        While the folder is unchanged this is one look at its time, unless that is so recent that another change may
        have the same.
        """
        stamp = os.stat(self._folder).st_mtime_ns
        if stamp == self._stamp:
            return [], []
        found = {path: state for path in sorted(self._folder.glob(self._pattern)) if (state := file_state(path))}
        changed = [path for path, state in found.items() if self._states.get(path) != state]
        gone = [path for path in self._states if path not in found]
        self._states = found
        self._stamp = stamp if time.time_ns() - stamp > SETTLED_NS else -1
        return changed, gone


def bundle_state(name_or_path: str) -> BundleState:
    """The state of a bundle, given as for `find_bundle`; a missing bundle has a state, too."""
    try:
        folder = os.path.realpath(find_bundle(name_or_path))
    except NotFoundError:
        return BundleState("", ())
    return BundleState(folder, tuple(file_state(Path(folder, name)) for name in WATCHED_FILES))
