"""The server's named glossaries, in a folder of this server alone; they survive a restart."""

import itertools
import logging
import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import write_atomically
from dragoman.server.translating.pivoting import kept_terms
from dragoman.server.watching import FolderWatch
from dragoman.translation.terms.glossary import Glossary
from dragoman.translation.terms.matching import TermFinder
from dragoman.translation.terms.reading import parse_glossary, read_glossary, write_table

logger = logging.getLogger(__name__)

MAX_GLOSSARIES = 256
"""Most glossaries of a server."""

MAX_TOTAL_ENTRIES = 500_000
"""Most entries of all glossaries, which are kept in memory: about half a kilobyte each."""

SUFFIX = ".tsv"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class GlossaryExistsError(DragomanError):
    """The name is taken."""


class GlossariesFullError(DragomanError):
    """There is no room for another glossary."""


class NoGlossariesError(DragomanError):
    """The server has no folder for glossaries."""


@dataclass(frozen=True, slots=True)
class StoredGlossary:
    """A glossary with its name. created: when it was stored, in seconds since 1970. serial: differs for each one."""

    name: str
    glossary: Glossary
    created: float
    serial: int = field(default_factory=itertools.count().__next__, compare=False)
    _finders: dict[tuple[str, str, str, bool], TermFinder] = field(default_factory=dict, compare=False)

    def finder(
        self, source_language: str, target_language: str, *, ignores_case: bool = False, pivot: str = ""
    ) -> TermFinder:
        """Finds its terms in sentences of a direction; kept, since it takes a while to make. ignores_case: whether in
        any capitals, even those that are exact. pivot: language of the first leg, which leaves the terms as they
        are."""
        key = source_language, target_language, pivot, ignores_case
        finder = self._finders.get(key)
        if finder is None:
            glossary = self.glossary
            if ignores_case:
                glossary = Glossary(tuple(replace(entry, is_exact=False) for entry in glossary.entries))
            if pivot:
                glossary = kept_terms(glossary, source_language, pivot, target_language)
            finder = self._finders[key] = TermFinder(glossary, source_language, pivot or target_language)
        return finder


class Glossaries:
    """Safe to use from several threads, and its folder by several processes of the server.

    `create` and `delete` write to the disk; the others do not wait."""

    def __init__(self, folder: Path | None = None) -> None:
        """Reads the folder, which is made if it is missing; None stores nothing. Raises DragomanError if it cannot be
        used, and InvalidInputError naming a file that is damaged."""
        self._folder = folder
        self._changing = threading.Lock()
        self._following = threading.Lock()
        self._stored: dict[str, StoredGlossary] = {}
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._watch = FolderWatch(folder, f"*{SUFFIX}")
            self._follow()
        except OSError as error:
            raise DragomanError(f"{folder}: {error.strerror}") from error

    def _follow(self) -> None:
        """Take over what other processes of the server have stored and deleted. Raises OSError, and InvalidInputError
        naming a file that is damaged."""
        if self._folder is None:
            return
        with self._following:
            changed, gone = self._watch.changes()
            stored = {name: one for name, one in self._stored.items() if self._folder / f"{name}{SUFFIX}" not in gone}
            for path in changed:
                known = stored.get(path.stem)
                if _NAME.fullmatch(path.stem) and (known is None or known.created != path.stat().st_mtime):
                    stored[path.stem] = StoredGlossary(path.stem, read_glossary(path), path.stat().st_mtime)
            if changed or gone:
                self._stored = stored

    def _try_to_follow(self) -> None:
        try:
            self._follow()
        except (OSError, InvalidInputError) as error:
            logger.error("glossaries of other processes cannot be read: %s", error)

    @property
    def is_enabled(self) -> bool:
        """Whether glossaries can be stored."""
        return self._folder is not None

    def create(self, name: str, content: bytes, kind: str) -> StoredGlossary:
        """Stores the glossary in a file's content. kind: "tsv", "csv" or "tbx".

        Raises InvalidInputError for a name or a content that makes no sense, GlossaryExistsError, GlossariesFullError
        or NoGlossariesError.
        """
        return self.store(name, parse_glossary(content, f"content.{kind}", "content"))

    def store(self, name: str, glossary: Glossary) -> StoredGlossary:
        """See `create`."""
        if _NAME.fullmatch(name) is None:
            raise InvalidInputError(
                f'name: is "{name[:100]}", but must be 1 to 63 lower-case letters, digits, "-" and "_", of which a '
                "letter or a digit comes first"
            )
        folder = self._folder
        if folder is None:
            raise NoGlossariesError("the server has no folder for glossaries, see server.glossaries")
        with self._changing:
            self._try_to_follow()
            if name in self._stored:
                raise GlossaryExistsError(f'name: there is a glossary "{name}" already')
            num_entries = sum(len(one.glossary.entries) for one in self._stored.values()) + len(glossary.entries)
            if len(self._stored) >= MAX_GLOSSARIES or num_entries > MAX_TOTAL_ENTRIES:
                raise GlossariesFullError(
                    f"the server keeps {MAX_GLOSSARIES} glossaries with {MAX_TOTAL_ENTRIES} entries at most: delete one"
                )
            path = folder / f"{name}{SUFFIX}"
            write_atomically(path, write_table(glossary))
            stored = StoredGlossary(name, glossary, path.stat().st_mtime)
            self._stored = self._stored | {name: stored}
            return stored

    def get(self, name: str) -> StoredGlossary:
        """Raises NotFoundError."""
        self._try_to_follow()
        stored = self._stored.get(name)
        if stored is None:
            raise NotFoundError(f'glossary: there is no glossary "{name[:100]}"')
        return stored

    def list(self) -> list[StoredGlossary]:
        """All of them, by name."""
        self._try_to_follow()
        return [stored for _, stored in sorted(self._stored.items())]

    def delete(self, name: str) -> StoredGlossary:
        """The deleted glossary. Raises NotFoundError."""
        with self._changing:
            stored = self.get(name)
            assert self._folder is not None
            (self._folder / f"{name}{SUFFIX}").unlink(missing_ok=True)
            self._stored = {other: one for other, one in self._stored.items() if other != name}
            return stored
