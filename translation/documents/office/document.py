"""Office documents: which parts of a package have texts, and what becomes of them."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions, Segment, make_segment
from dragoman.translation.documents.office import drawing, opendocument, sheets, word
from dragoman.translation.documents.office.columns import TableColumns
from dragoman.translation.documents.office.languages import full_tag, is_same_language
from dragoman.translation.documents.office.package import FlatFile, Package
from dragoman.translation.documents.office.units import Unit, read_plain
from dragoman.translation.documents.office.xml import Part, local_name, parse_part, write_part
from dragoman.translation.markup.content import Content

_CONTENT_TYPES = "[Content_Types].xml"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"

_WORD = re.compile(
    r"wordprocessingml\.((document|template)\.main|header|footer|footnotes|endnotes|comments)\+xml$"
    r"|ms-word\.(document|template)\.macroEnabled(Template)?\.main\+xml$"
)
_WORD_STYLES = re.compile(r"wordprocessingml\.styles\+xml$")
_DRAWING = re.compile(
    r"presentationml\.(slide|notesSlide)\+xml$|drawingml\.(chart|chartshapes|diagramData)\+xml$|document\.drawing\+xml$"
    r"|ms-office\.(drawingml\.diagramDrawing|chartex)\+xml$|ms-powerpoint\.comments\+xml$"
)
_COMMENTS = re.compile(r"presentationml\.comments\+xml$")
_STRINGS = re.compile(r"spreadsheetml\.(sharedStrings|comments)\+xml$|ms-excel\.threadedcomments\+xml$")
_SHEET = re.compile(r"spreadsheetml\.worksheet\+xml$")
_PROPERTIES = re.compile(r"core-properties\+xml$")

_OPEN_DOCUMENT_PARTS = re.compile(r"(?!META-INF/)(.+/)?(content|styles|meta)\.xml")
_MARKUP = "application/vnd.oasis.opendocument."

_SetLanguage = Callable[["etree._Element", str, str], bool]


@dataclass(frozen=True)
class _TextPart:
    """A part with its units. set_language: marks its language."""

    part: Part
    units: tuple[Unit, ...]
    set_language: _SetLanguage


class OfficeDocument:
    """A document taken apart, see `documents.document.Document`."""

    def __init__(self, package: Package | FlatFile, options: DocumentOptions) -> None:
        self._package = package
        self._options = options
        parts, _ = _read(package, options.source_language)
        units = (unit for part in parts for unit in part.units)
        self.segments: Sequence[Segment] = [make_segment(content) for unit in units for content in unit.contents]

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document`. Parts in which nothing differs are the same to the byte."""
        remaining = iter(translations)
        # Read anew, because the trees are changed in place, and would only take memory until now.
        parts, columns = _read(self._package, self._options.source_language)
        changed: set[str] = set()
        for part in parts:
            for unit in part.units:
                sources = unit.contents
                found = itertools.islice(remaining, len(sources))
                contents = [content or source for source, content in zip(sources, found, strict=True)]
                if contents and unit.replace(contents):
                    changed.add(part.part.name)
        if not changed:
            return self._package.replace({})
        written = columns.follow()
        for part in parts:
            if self._mark(part) or part.part.name in changed:
                written[part.part.name] = write_part(part.part)
        return self._package.replace(written)

    def _mark(self, part: _TextPart) -> bool:
        """Says in the document in which language its text is now; returns whether it said another one."""
        source, target = self._options.source_language, self._options.target_language
        return bool(source and target) and part.set_language(part.part.root, source, target)


def open_document(content: bytes, options: DocumentOptions) -> OfficeDocument:
    """Open an OpenDocument file, flat or not, a .docx, .pptx or .xlsx.

    Raises InvalidInputError with part, place and reason.
    """
    is_flat = content[:100].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return OfficeDocument(FlatFile(content) if is_flat else Package(content), options)


def _read(package: Package | FlatFile, source_language: str) -> tuple[list[_TextPart], TableColumns]:
    """The parts with texts, and the columns that are named as some of them."""
    if isinstance(package, FlatFile):
        return [_read_flat(package)], TableColumns()
    if _CONTENT_TYPES in package:
        content_types = _read_content_types(package)
        columns = TableColumns.find(package, content_types)
        return list(_read_open_xml(package, content_types, columns, source_language)), columns
    if "mimetype" in package and package.read("mimetype").decode("ascii", "replace").startswith(_MARKUP):
        return list(_read_open_document(package)), TableColumns()
    raise InvalidInputError("is a zip file, but no office document")


def _read_content_types(package: Package) -> dict[str, str]:
    """The media type of each part that has one."""
    defaults: dict[str, str] = {}
    types: dict[str, str] = {}
    for element in parse_part(_CONTENT_TYPES, package.read(_CONTENT_TYPES)).root:
        media_type = element.get("ContentType") or ""
        if local_name(element) == "Default":
            defaults[(element.get("Extension") or "").lower()] = media_type
        elif local_name(element) == "Override":
            types[(element.get("PartName") or "").removeprefix("/").lower()] = media_type
    return {name: types.get(name.lower(), defaults.get(name.rpartition(".")[2].lower(), "")) for name in package.names}


def _read_open_xml(
    package: Package, content_types: Mapping[str, str], columns: TableColumns, source_language: str
) -> Iterator[_TextPart]:
    for name, media_type in content_types.items():
        read: Callable[[etree._Element], Iterator[Unit]] | None = None
        set_language: _SetLanguage = _set_no_language
        if _WORD.search(media_type):
            read, set_language = lambda root: word.read_units(root, source_language), word.set_language
        elif _WORD_STYLES.search(media_type):
            read, set_language = lambda root: iter(()), word.set_language
        elif _DRAWING.search(media_type):
            read, set_language = drawing.read_units, drawing.set_language
        elif _COMMENTS.search(media_type):
            read = _read_comments
        elif _STRINGS.search(media_type) or (_SHEET.search(media_type) and b"inlineStr" in package.read(name)):
            read = lambda root: sheets.read_units(root, columns.kept)  # noqa: E731
        elif _PROPERTIES.search(media_type):
            read, set_language = _read_properties, _set_document_language
        if read is not None:
            part = parse_part(name, package.read(name))
            yield _TextPart(part, tuple(read(part.root)), set_language)
            if _STRINGS.search(media_type):
                columns.watch(part.root)


def _read_open_document(package: Package) -> Iterator[_TextPart]:
    manifest = "META-INF/manifest.xml"
    if manifest in package and b"encryption-data" in package.read(manifest):
        raise InvalidInputError("is encrypted; save it without a password")
    for name in package.names:
        found = _OPEN_DOCUMENT_PARTS.fullmatch(name)
        if found is None:
            continue
        part = parse_part(name, package.read(name))
        if found[2] == "meta":
            yield _TextPart(part, tuple(_read_properties(part.root)), _set_document_language)
        else:
            yield _TextPart(part, tuple(opendocument.read_units(part.root)), opendocument.set_language)


def _read_flat(file: FlatFile) -> _TextPart:
    part = parse_part(file.name, file.data)
    if local_name(part.root) != "document" or not etree.QName(part.root).namespace.startswith(opendocument.URN):
        raise InvalidInputError("is XML, but no OpenDocument file")
    units = (*_read_properties(part.root), *opendocument.read_units(part.root))
    return _TextPart(part, units, _set_both_languages)


def _set_both_languages(root: "etree._Element", source_language: str, target_language: str) -> bool:
    is_changed = _set_document_language(root, source_language, target_language)
    return opendocument.set_language(root, source_language, target_language) or is_changed


def _read_properties(root: "etree._Element") -> Iterator[Unit]:
    for element in root.iter(*(f"{_DUBLIN_CORE}{name}" for name in ("title", "subject", "description"))):
        if not len(element):
            yield read_plain(element)


def _read_comments(root: "etree._Element") -> Iterator[Unit]:
    for element in root.iter("{*}text"):
        if not len(element):
            yield read_plain(element)


def _set_document_language(root: "etree._Element", source_language: str, target_language: str) -> bool:
    is_changed = False
    for element in root.iter(f"{_DUBLIN_CORE}language"):
        if is_same_language(element.text, source_language):
            element.text = full_tag(target_language)
            is_changed = True
    return is_changed


def _set_no_language(root: "etree._Element", source_language: str, target_language: str) -> bool:
    return False
