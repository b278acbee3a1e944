"""Glossaries that belong to a caller: dictionaries by direction, in a folder of this server alone, over a restart."""

import csv
import io
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import write_atomically
from dragoman.server.translating.glossaries import GlossariesFullError, NoGlossariesError, StoredGlossary
from dragoman.server.watching import FolderWatch
from dragoman.translation.languages import primary_subtag
from dragoman.translation.terms.glossary import Entry, Glossary, check_forms

logger = logging.getLogger(__name__)

FOLDER = "owned"
"""In the folder of the server's named glossaries."""

MAX_OWNED, MAX_OWNED_ENTRIES = 1000, 500_000
"""Most glossaries of all callers, and most entries, which are kept in memory."""

MAX_TITLE_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Terms with their translations in one direction; languages without their regions. phrases: as they were given."""

    source: str
    target: str
    phrases: tuple[tuple[str, str], ...]
    stored: StoredGlossary = field(compare=False)


@dataclass(frozen=True, slots=True)
class OwnedGlossary:
    """A glossary. owner: the caller's identity; empty where callers have none. created: in seconds since 1970."""

    id: str
    title: str
    owner: str
    created: float
    dictionaries: tuple[Dictionary, ...]

    @property
    def num_entries(self) -> int:
        """Number of entries of all dictionaries."""
        return sum(len(one.phrases) for one in self.dictionaries)

    def dictionary(self, source: str, target: str) -> Dictionary:
        """The dictionary of a direction. Raises NotFoundError."""
        wanted = primary_subtag(source), primary_subtag(target)
        for one in self.dictionaries:
            if (one.source, one.target) == wanted:
                return one
        raise NotFoundError(f"The glossary has no dictionary for {wanted[0]} to {wanted[1]}")


class OwnedGlossaries:
    """Safe to use from several threads, and its folder by several processes of the server.

    `create`, `change` and `delete` write to the disk; the others do not wait."""

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        """folder: of the server's named glossaries; None stores nothing.

        Raises DragomanError if it cannot be used, and InvalidInputError naming a file that is damaged.
        """
        self._folder = None if folder is None else folder / FOLDER
        self._clock = clock
        self._changing = threading.Lock()
        self._following = threading.Lock()
        self._found: dict[str, OwnedGlossary] = {}
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._watch = FolderWatch(self._folder, "*.json")
            self._follow()
        except OSError as error:
            raise DragomanError(f"{self._folder}: {error.strerror}") from error

    def _follow(self) -> None:
        """Take over what other processes of the server have stored and deleted. Raises OSError, and InvalidInputError
        naming a file that is damaged."""
        if self._folder is None:
            return
        with self._following:
            changed, gone = self._watch.changes()
            found = {name: one for name, one in self._found.items() if self._folder / f"{name}.json" not in gone}
            for path in changed:
                try:
                    found[path.stem] = _unpack(json.loads(path.read_text("utf-8")))
                except FileNotFoundError:
                    continue  # deleted meanwhile
                except (OSError, ValueError, KeyError, TypeError) as error:
                    raise InvalidInputError(f"{path}: is damaged: {error}") from error
            if changed or gone:
                self._found = found

    def _try_to_follow(self) -> None:
        try:
            self._follow()
        except (OSError, InvalidInputError) as error:
            logger.error("glossaries of other processes cannot be read: %s", error)

    def get(self, owner: str, glossary_id: str) -> OwnedGlossary:
        """Raises NotFoundError if the caller has no such glossary."""
        self._try_to_follow()
        found = self._found.get(glossary_id)
        if found is None or found.owner != owner:
            raise NotFoundError("Glossary not found")
        return found

    def list(self, owner: str) -> list[OwnedGlossary]:
        """A caller's glossaries, in the order of their creation."""
        self._try_to_follow()
        return sorted((one for one in self._found.values() if one.owner == owner), key=lambda one: one.created)

    def create(self, owner: str, title: str, dictionaries: Sequence[Dictionary]) -> OwnedGlossary:
        """Store a glossary. Raises InvalidInputError, GlossariesFullError or NoGlossariesError."""
        with self._changing:
            self._try_to_follow()
            if len(self._found) >= MAX_OWNED:
                raise GlossariesFullError(f"the server keeps {MAX_OWNED} glossaries at most: delete one")
            created = round(self._clock(), 3)
            return self._store(OwnedGlossary(str(uuid.uuid4()), title, owner, created, tuple(dictionaries)))

    def change(self, owner: str, glossary_id: str, change: Callable[[OwnedGlossary], OwnedGlossary]) -> OwnedGlossary:
        """Store what a function makes of a glossary. Raises NotFoundError, and the errors of `create`."""
        with self._changing:
            return self._store(change(self.get(owner, glossary_id)))

    def delete(self, owner: str, glossary_id: str) -> None:
        """Raises NotFoundError."""
        with self._changing:
            self.get(owner, glossary_id)
            assert self._folder is not None
            (self._folder / f"{glossary_id}.json").unlink(missing_ok=True)
            self._found = {other: one for other, one in self._found.items() if other != glossary_id}

    def _store(self, glossary: OwnedGlossary) -> OwnedGlossary:
        if self._folder is None:
            raise NoGlossariesError("the server has no folder for glossaries, see server.glossaries")
        if not glossary.title.strip() or len(glossary.title) > MAX_TITLE_LENGTH:
            raise InvalidInputError(f"name: must have 1 to {MAX_TITLE_LENGTH} characters")
        directions = [(one.source, one.target) for one in glossary.dictionaries]
        if len(set(directions)) < len(directions):
            raise InvalidInputError("dictionaries: two have the same languages")
        others = sum(one.num_entries for one in self._found.values() if one.id != glossary.id)
        if others + glossary.num_entries > MAX_OWNED_ENTRIES:
            raise GlossariesFullError(f"the server keeps {MAX_OWNED_ENTRIES} entries at most: delete a glossary")
        write_atomically(self._folder / f"{glossary.id}.json", json.dumps(_pack(glossary), ensure_ascii=False))
        self._found = self._found | {glossary.id: glossary}
        return glossary


def make_dictionary(source: str, target: str, phrases: Iterable[tuple[str, str]]) -> Dictionary:
    """Raises InvalidInputError for phrases that make no sense.

    A term is found in any capitals, unless it has capitals after its first letter, such as "US".
    """
    source, target = primary_subtag(source), primary_subtag(target)
    if source == target:
        raise InvalidInputError("source_lang and target_lang must differ")
    kept = tuple((first.strip(), second.strip()) for first, second in phrases)
    entries, seen = [], set[str]()
    for number, (first, second) in enumerate(kept, 1):
        if not first or not second:
            raise InvalidInputError(f"entry {number}: needs a source and a target")
        if first in seen:
            raise InvalidInputError(f'entry {number}: "{first[:50]}" has a translation already')
        seen.add(first)
        forms = {source: (" ".join(first.split()),), target: (" ".join(second.split()),)}
        check_forms(form for one in forms.values() for form in one)
        entries.append(Entry(forms, is_exact=first[1:] != first[1:].lower()))
    if not entries:
        raise InvalidInputError("entries: there is none")
    return Dictionary(source, target, kept, StoredGlossary("", Glossary(tuple(entries)), 0.0))


def with_dictionary(glossary: OwnedGlossary, dictionary: Dictionary | None, source: str, target: str) -> OwnedGlossary:
    """The glossary with another dictionary in one direction, or without any."""
    wanted = primary_subtag(source), primary_subtag(target)
    kept = [one for one in glossary.dictionaries if (one.source, one.target) != wanted]
    return replace(glossary, dictionaries=(*kept, *([] if dictionary is None else [dictionary])))


def with_phrases(glossary: OwnedGlossary, new: Dictionary) -> OwnedGlossary:
    """The glossary with more terms in one direction, of which those that it has already get the new translation."""
    kept: dict[str, str] = {}
    for one in glossary.dictionaries:
        if (one.source, one.target) == (new.source, new.target):
            kept = dict(one.phrases)
    merged = make_dictionary(new.source, new.target, (kept | dict(new.phrases)).items())
    return with_dictionary(glossary, merged, new.source, new.target)


def read_phrases(content: str, kind: str) -> list[tuple[str, str]]:
    """The terms of a table without a header. kind: "tsv", or "csv", which may have two more columns of languages.

    Raises InvalidInputError for a faulty line.
    """
    if kind == "tsv":
        rows = [line.split("\t") for line in content.replace("\r", "\n").split("\n")]
    elif kind == "csv":
        try:
            rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))
        except csv.Error as error:
            raise InvalidInputError(f"entries: {error}") from error
    else:
        raise InvalidInputError("entries_format: must be tsv or csv")
    found = []
    for number, row in enumerate(rows, 1):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != 2 and (kind == "tsv" or len(row) not in (3, 4)):
            raise InvalidInputError(
                f"entries: line {number} has {len(row)} columns, but must have a source and a target"
            )
        found.append((row[0], row[1]))
    return found


def write_phrases(dictionary: Dictionary) -> str:
    """The terms as a table with tabs, which `read_phrases` reads."""
    return "\n".join("\t".join(" ".join(side.split()) for side in pair) for pair in dictionary.phrases)


def _pack(glossary: OwnedGlossary) -> dict[str, Any]:
    dictionaries = [{"source": d.source, "target": d.target, "phrases": d.phrases} for d in glossary.dictionaries]
    return {
        "id": glossary.id,
        "title": glossary.title,
        "owner": glossary.owner,
        "created": glossary.created,
        "dictionaries": dictionaries,
    }


def _unpack(fields: dict[str, Any]) -> OwnedGlossary:
    dictionaries = tuple(
        make_dictionary(one["source"], one["target"], [(first, second) for first, second in one["phrases"]])
        for one in fields["dictionaries"]
    )
    return OwnedGlossary(fields["id"], fields["title"], fields["owner"], fields["created"], dictionaries)
