"""Finds a document's format, and opens it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import cast

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import MAX_DOCUMENT_BYTES, Document, DocumentOptions

_HOME = "dragoman.translation.documents"


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its module, the file names that it has, and texts that only its files begin with."""

    module: str
    extensions: tuple[str, ...]
    marks: tuple[bytes, ...] = ()


FORMATS = {
    "android": Format("catalogues.android", (".xml",), (b"<resources",)),
    "apple": Format("catalogues.apple", (".strings",)),
    "csv": Format("texts.tables", (".csv", ".tsv", ".tab")),
    "html": Format("texts.html", (".html", ".htm", ".xhtml")),
    "mail": Format("texts.mail", (".eml",)),
    "json": Format("catalogues.json_catalogue", (".json", ".arb")),
    "markdown": Format("texts.markdown", (".md", ".markdown", ".mdown")),
    "po": Format("catalogues.po", (".po", ".pot")),
    "docx": Format("office.document", (".docx", ".docm", ".dotx", ".dotm")),
    "opendocument": Format(
        "office.document", (".odt", ".ott", ".odp", ".otp", ".ods", ".ots", ".fodt", ".fodp", ".fods")
    ),
    "pptx": Format("office.document", (".pptx", ".pptm", ".potx", ".potm", ".ppsx", ".ppsm")),
    "properties": Format("catalogues.properties", (".properties",)),
    "srt": Format("texts.subtitles", (".srt",)),
    "text": Format("texts.plain", (".txt", ".text")),
    "vtt": Format("texts.subtitles", (".vtt",)),
    "yaml": Format("catalogues.yaml_catalogue", (".yaml", ".yml")),
    "xliff": Format("catalogues.xliff", (".xlf", ".xliff", ".sdlxliff", ".mqxliff", ".xml"), (b"<xliff",)),
    "xlsx": Format("office.document", (".xlsx", ".xlsm", ".xltx", ".xltm")),
}
"""The formats by name. Modules are imported when they are needed."""

_MARK_BYTES = 4096


def find_format(name: str, content: bytes = b"") -> str | None:
    """The format of a file by the extension of its name, and by the content where several share it; None if unknown."""
    extension = PurePath(name).suffix.lower()
    candidates = [key for key, found in FORMATS.items() if extension and extension in found.extensions]
    begin = content[:_MARK_BYTES]
    marked = [key for key in candidates if len(candidates) > 1 for mark in FORMATS[key].marks if mark in begin]
    return next(iter((*marked, *candidates)), None)


def open_document(content: bytes, document_format: str | None, name: str, options: DocumentOptions) -> Document:
    """Open a document. document_format: a key of FORMATS; None finds it. name: of the file, for the format and for
    messages.

    Raises InvalidInputError that names the file, the place and the reason.
    """
    found = document_format or find_format(name, content)
    prefix = f"{name}: " if name else ""
    if found is None:
        raise InvalidInputError(f"{prefix}is of no known format; name one of {', '.join(sorted(FORMATS))}")
    if found not in FORMATS:
        raise InvalidInputError(f'the format "{found}" is unknown; use one of {", ".join(sorted(FORMATS))}')
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InvalidInputError(f"{prefix}has {len(content):,} bytes, more than {MAX_DOCUMENT_BYTES:,}")
    module = importlib.import_module(f"{_HOME}.{FORMATS[found].module}")
    read = cast(Callable[[bytes, DocumentOptions], Document], module.open_document)
    try:
        return read(content, options)
    except InvalidInputError as error:
        raise InvalidInputError(f"{prefix}{error}") from error
