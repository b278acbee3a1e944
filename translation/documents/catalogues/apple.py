"""Apple's .strings: "key" = "value"; with comments of C."""

import re
from collections.abc import Iterator

from dragoman.translation.documents.document import (
    DocumentOptions,
    decode_text,
    join_surrogates,
    make_segment,
    refusal,
)
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.tags import read_tags, write_tags
from dragoman.translation.markup.content import Content

_STRING = r'"(?:[^"\\]|\\.)*"'
_WHITE = re.compile(r"\s+|//[^\n]*|/\*(?P<comment>.*?)\*/", re.DOTALL)
_ENTRY = re.compile(rf"(?P<key>{_STRING}|[\w.$/:-]+)\s*(?:=\s*(?P<value>{_STRING}|[\w.$/:-]+)\s*)?;", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:U([0-9A-Fa-f]{4})|([0-7]{3})|(.))", re.DOTALL)
_CHARACTERS = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\r": "\\r"}


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    """Open a file in UTF-8, or in UTF-16 with a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16-le" if content.startswith(b"\xff\xfe") else "utf-16-be"
        text = content.decode(encoding, "surrogatepass")
    else:
        text, encoding = decode_text(content), "utf-8"
    return SplicedDocument(text, list(_find_places(text)), encoding=encoding)


def _find_places(text: str) -> Iterator[Place]:
    place = len(text) - len(text.removeprefix("\ufeff"))
    notes = ""
    while place < len(text):
        if white := _WHITE.match(text, place):
            notes = (white["comment"] or notes).strip()
            place = white.end()
            continue
        entry = _ENTRY.match(text, place)
        if entry is None:
            raise refusal(text, place, 'is neither a comment nor "key" = "value";')
        place = entry.end()
        value = entry["value"]
        if value is not None and value.startswith('"'):
            has_line_breaks = "\n" in value

            def write(content: Content, has_line_breaks: bool = has_line_breaks) -> str:
                written = "".join(_ESCAPED.get(character, character) for character in write_tags(content))
                return written if has_line_breaks else written.replace("\n", "\\n")

            segment = make_segment(
                read_tags(join_surrogates(_ESCAPE.sub(_decode, value[1:-1]))),
                context=entry["key"].strip('"'),
                notes=notes,
            )
            yield Place(entry.start("value") + 1, entry.end("value") - 1, segment, write)
        notes = ""


def _decode(match: re.Match[str]) -> str:
    if match[1] or match[2]:
        return chr(int(match[1], 16) if match[1] else int(match[2], 8))
    return _CHARACTERS.get(match[3], match[3])
