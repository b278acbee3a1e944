"""A document and its segments, whatever the format."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dragoman.model.errors import InvalidInputError
from dragoman.translation.markup.content import Content, Tag, read_content, write_content
from dragoman.translation.markup.segments import MAX_INLINE_TAGS, Inline

MAX_DOCUMENT_BYTES = 64 << 20
"""Largest document: it is held in memory, several times over."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class DocumentOptions:
    """What a format may need to know beside the file's content.

    source_language, target_language: tags such as "de" or "pt-BR"; empty if unknown.
    mark_fuzzy: whether to mark machine-made translations as to be reviewed, where the format can.
    columns:    of a table, those to translate: names of its first row, or numbers from 1.
    """

    source_language: str = ""
    target_language: str = ""
    mark_fuzzy: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A text to translate.

    text, elements: the text and the inline elements in it; lead and trail are the white space around it.
    context, notes: what distinguishes equal texts, and what the authors say to the translator.
    is_translated:  whether the document has a translation already, which stays unless a new one is wanted.
    is_kept:        whether it is not translated, because it has no letters or too many inline elements.
    """

    text: str
    elements: tuple[Inline, ...] = ()
    lead: str = ""
    trail: str = ""
    context: str = ""
    notes: str = ""
    is_translated: bool = False
    is_kept: bool = False

    @property
    def content(self) -> Content:
        """The source as `Document.render` would take it."""
        return self.around(write_content(self.text, self.elements))

    def around(self, content: Content) -> Content:
        """Content with the segment's white space around it."""
        return tuple(piece for piece in (self.lead, *content, self.trail) if piece)


def make_segment(
    content: Content | str, *, context: str = "", notes: str = "", is_translated: bool = False, is_kept: bool = False
) -> Segment:
    """The segment of a text with tags, see `markup.content`."""
    pieces: list[str | Tag] = [content] if isinstance(content, str) else list(content)
    lead = trail = ""
    if pieces and isinstance(first := pieces[0], str):
        pieces[0] = rest = first.lstrip()
        lead = first[: len(first) - len(rest)]
    if pieces and isinstance(last := pieces[-1], str):
        pieces[-1] = rest = last.rstrip()
        trail = last[len(rest) :]
    has_words = any(isinstance(piece, str) and any(map(str.isalpha, piece)) for piece in pieces)
    has_few_tags = sum(isinstance(piece, Tag) for piece in pieces) <= MAX_INLINE_TAGS
    text, elements = read_content(pieces)
    return Segment(
        text, elements, lead, trail, context, notes, is_translated, is_kept or not has_words or not has_few_tags
    )


class Document(Protocol):
    """A file taken apart."""

    @property
    def segments(self) -> Sequence[Segment]:
        """Its texts, in the order in which they stand there."""

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """The file with a translation for each segment; where there is None it stays as it was, to the byte."""


def decode_text(content: bytes) -> str:
    """UTF-8 text, its byte order mark included. Raises InvalidInputError with line and column."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise InvalidInputError(f"line {line}, byte {column}: is not UTF-8") from None


def refusal(text: str, place: int, reason: str) -> InvalidInputError:
    """An error at a place of a text, as "line 3, column 5: reason"."""
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    return InvalidInputError(f"line {line}, column {column}: {reason}")


def lines_of(text: str) -> list[str]:
    """The lines with their ends; nothing but a line feed ends one."""
    return _LINE.findall(text)


def join_surrogates(text: str) -> str:
    """The text with the halves of a character, as escapes of four digits give them, as the character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def white_before(text: str, place: int) -> str:
    """The white space that ends at a place of a text."""
    begin = place
    while begin > 0 and text[begin - 1].isspace():
        begin -= 1
    return text[begin:place]
