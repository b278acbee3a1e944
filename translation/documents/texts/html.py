"""HTML, by `translation.markup`."""

import re

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions, Segment, decode_text
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.languages import primary_subtag
from dragoman.translation.markup.document import encode_html
from dragoman.translation.markup.segments import read_segments

_CHARSET = re.compile(rb"""<(?:meta|\?xml)\b[^>]*?(?:charset|encoding)\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_LANGUAGE = re.compile(r"""<html\b[^>]*?\slang\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_HEAD_BYTES = 4096


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open HTML in the encoding that it names; UTF-8 without one."""
    text, encoding = _decode(content)
    language = _LANGUAGE.search(text)
    fixes = [(*language.span(1), options.target_language)] if language and options.target_language else []
    if language and options.source_language and primary_subtag(language[1]) != primary_subtag(options.source_language):
        fixes = []
    return SplicedDocument(text, find_places(text), encoding=encoding, fixes=fixes, errors="xmlcharrefreplace")


def find_places(html: str, begin: int = 0) -> list[Place]:
    """The segments of HTML that begins at a place of a text."""
    places: list[Place] = []
    for found in read_segments(html):
        if isinstance(found, str):
            begin += len(found)
        else:
            segment = Segment(found.text, found.elements, found.lead, found.trail)
            places.append(Place(begin, begin + len(found.raw), segment, encode_html))
            begin += len(found.raw)
    return places


def _decode(content: bytes) -> tuple[str, str]:
    named = _CHARSET.search(content[:_HEAD_BYTES])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif named and named[1].lower() not in (b"utf-8", b"utf8") and not content.startswith(b"\xef\xbb\xbf"):
        encoding = named[1].decode()
    else:
        return decode_text(content), "utf-8"
    try:
        return content.decode(encoding), encoding
    except LookupError:
        raise InvalidInputError(f"its encoding {encoding} is unknown") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"line {line}: is not {encoding}, as the file says") from None
