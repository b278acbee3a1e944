"""Java's .properties: keys and values with escapes and continued lines."""

import re
from collections.abc import Iterator

from dragoman.translation.documents.catalogues.mnemonics import Mnemonic, take_mnemonic
from dragoman.translation.documents.document import DocumentOptions, join_surrogates, make_segment, refusal
from dragoman.translation.documents.spliced import Place, SplicedDocument
from dragoman.translation.documents.tags import read_tags, write_tags
from dragoman.translation.markup.content import Content

_ENTRY = re.compile(
    r"""(?P<blank>[ \t\f]*(?:[\#!][^\r\n]*)?(?:\r\n|\r|\n|\Z))
    | [ \t\f]*(?P<key>(?:\\(?:\r\n|.)|[^\\\s:=])*)[ \t\f]*(?:\\(?:\r\n|\r|\n)[ \t\f]*)?(?:[:=][ \t\f]*)?
      (?:\\(?:\r\n|\r|\n)[ \t\f]*)*(?P<value>(?:\\(?:\r\n|.)|[^\\\r\n])*)(?:\r\n|\r|\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u+([0-9A-Fa-f]{4})|((?:\r\n|\r|\n)[ \t\f]*)|(.)|\Z)", re.DOTALL)
_CHARACTERS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f"}
_PATTERN = re.compile(r"\{\d+[,}]")


def open_document(content: bytes, options: DocumentOptions) -> SplicedDocument:
    r"""Open a file in UTF-8 or, if it is none, Latin-1; where one is ASCII alone, \uXXXX stand for all other signs."""
    try:
        text, encoding = content.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = content.decode("latin-1"), "latin-1"
    if text.isascii():
        encoding = "ascii"
    return SplicedDocument(text, list(_find_places(text, encoding)), encoding=encoding)


def _find_places(text: str, encoding: str) -> Iterator[Place]:
    place = len(text) - len(text.removeprefix("\ufeff"))
    comments: list[str] = []
    while place < len(text):
        match = _ENTRY.match(text, place)
        if match is None or match.end() == place:
            raise refusal(text, place, "is no key with a value")
        place = match.end()
        if match["blank"] is not None:
            comment = match["blank"].strip()
            if comment:
                comments.append(comment[1:].strip())
            else:
                comments = []
            continue
        raw = match["value"]
        begin, end = match.span("value")
        try:
            value = join_surrogates(_ESCAPE.sub(_decode, raw))
        except ValueError:
            raise refusal(text, begin, r"has a \u without four hexadecimal digits") from None
        is_pattern = bool(_PATTERN.search(value))
        is_wrapped = re.search(r"\\(?:\r\n|\r|\n)([ \t\f]*)", raw)
        # A pattern of MessageFormat says '' for an apostrophe; what one apostrophe quotes is left as it is.
        is_doubled = is_pattern and "'" not in value.replace("''", "")
        shown = value.replace("''", "'") if is_doubled else value
        shown, mnemonic = take_mnemonic(shown)
        segment = make_segment(read_tags(shown), context=match["key"], notes="\n".join(comments))
        comments = []

        def write(
            content: Content,
            mnemonic: Mnemonic | None = mnemonic,
            is_doubled: bool = is_doubled,
            white: str | None = is_wrapped[0] if is_wrapped else None,
        ) -> str:
            written = write_tags(content)
            written = mnemonic.restore(written) if mnemonic else written
            return _encode(written.replace("'", "''") if is_doubled else written, encoding, white)

        yield Place(begin, end, segment, write)


def _decode(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2]:
        return ""
    character = match[3] or ""
    if character == "u":
        raise ValueError
    return _CHARACTERS.get(character, character)


def _encode(text: str, encoding: str, line_break: str | None) -> str:
    """A value. line_break: what continues a line, which then stands behind each line feed of the text."""
    written = "".join(_ESCAPED.get(character) or _encode_character(character, encoding) for character in text)
    if written.startswith(" "):
        written = f"\\{written}"
    if line_break is not None:
        written = re.sub(r"\\n(?=.)", lambda match: match[0] + line_break, written)
    return written


def _encode_character(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        units = character.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[place] << 8 | units[place + 1]:04x}" for place in range(0, len(units), 2))
    return character
