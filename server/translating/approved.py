"""Approved translations: a team's own, from TMX and tables, by direction."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

from pydantic import Field

from dragoman.model.config_files import FilePath, StrictModel
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.languages import primary_subtag

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_CODES = ("bpt", "ept", "ph", "it", "ut")
"""Inline elements of TMX that hold the code of another format, which is no text."""

_NONE: Mapping[str, str] = MappingProxyType({})

logger = logging.getLogger(__name__)


class ApprovedFile(StrictModel):
    """A file of approved translations of one direction."""

    source: str = Field(min_length=2, description='Language of the texts, such as "en".')
    target: str = Field(min_length=2, description='Language of the translations, such as "de".')
    file: FilePath = Field(
        description="TMX, or a table in UTF-8: a text, a tab and its translation on each line. Read at the start."
    )


class MemoryConfig(StrictModel):
    """What was translated before: repeats of texts, and approved translations, which win over the models."""

    max_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        lt=2**40,
        description="Memory of translations for texts that come again with the same options; 0: none are kept.",
    )
    approved: tuple[ApprovedFile, ...] = Field((), strict=False)


class Approved:
    """Translations by direction and text, whose white space does not matter. Does not change once it is made."""

    def __init__(self, by_direction: Mapping[tuple[str, str], Mapping[str, str]] = MappingProxyType({})) -> None:
        """by_direction: see `read_approved`."""
        self._by_direction = by_direction

    @property
    def is_empty(self) -> bool:
        """Whether there are none at all."""
        return not self._by_direction

    def of(self, source: str, target: str) -> Mapping[str, str]:
        """The translations of a direction; regions count only if the file has them for the same direction."""
        exact = self._by_direction.get((source.lower(), target.lower()))
        if exact is not None:
            return exact
        return self._by_direction.get((primary_subtag(source), primary_subtag(target)), _NONE)


def read_approved(configs: Iterable[ApprovedFile]) -> Approved:
    """The configured files; of a text that occurs twice the later translation counts.

    Raises NotFoundError for a missing file, and InvalidInputError that names a faulty one.
    """
    by_direction: dict[tuple[str, str], dict[str, str]] = {}
    for config in configs:
        found = dict(_read(config.file, config.source, config.target))
        if not found:
            raise InvalidInputError(f"{config.file}: has no translations from {config.source} to {config.target}")
        by_direction.setdefault((config.source.lower(), config.target.lower()), {}).update(found)
        logger.info("%s: %d approved translations, %s to %s", config.file, len(found), config.source, config.target)
    return Approved(by_direction)


def _read(path: Path, source: str, target: str) -> Iterator[tuple[str, str]]:
    try:
        pairs = _read_tmx(path, source, target) if path.suffix.lower() == ".tmx" else _read_table(path)
        for first, second in pairs:
            if first.strip() and second.strip():
                yield " ".join(first.split()), second.strip()
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: is not UTF-8") from error


def _read_table(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, line in enumerate(lines, 1):
            cells = line.rstrip("\r\n").split("\t")
            if not line.strip():
                continue
            if len(cells) < 2:
                raise InvalidInputError(f"{path}, line {number}: needs a text, a tab and its translation")
            yield cells[0], cells[1]


def _read_tmx(path: Path, source: str, target: str) -> Iterator[tuple[str, str]]:
    try:
        for _, unit in ElementTree.iterparse(path):
            if _local(unit) != "tu":
                continue
            sides = {source: "", target: ""}
            for variant in unit:
                language = variant.get(_LANG) or variant.get("lang") or ""
                side = next((one for one in sides if _is_same(language, one)), None)
                segment = next((one for one in variant if _local(one) == "seg"), None)
                if side is not None and segment is not None and not sides[side]:
                    sides[side] = "".join(_text_of(segment))
            yield sides[source], sides[target]
            unit.clear()
    except ElementTree.ParseError as error:
        raise InvalidInputError(f"{path}: is no TMX: {error}") from error


def _is_same(given: str, wanted: str) -> bool:
    """Whether a file's language is the configured one, or one of its regions."""
    given, wanted = given.lower().replace("_", "-"), wanted.lower()
    return given == wanted or given.startswith(f"{wanted}-") or (given != "" and wanted.startswith(f"{given}-"))


def _text_of(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if _local(child) not in _CODES:
            yield from _text_of(child)
        yield child.tail or ""


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
