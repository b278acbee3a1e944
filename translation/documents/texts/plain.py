"""Plain text, some paragraphs at a time: the translator joins wrapped lines, and wraps them again as they were."""

from collections.abc import Iterator, Sequence

from dragoman.translation.documents.document import DocumentOptions, Segment, decode_text, lines_of
from dragoman.translation.markup.content import Content

MAX_CHARACTERS = 4096
"""Of the paragraphs of a segment. Several show better than one at which column they were wrapped."""


class PlainText:
    """A text as segments of whole paragraphs. Their first lines keep their indentation."""

    def __init__(self, text: str) -> None:
        self._parts = list(_divide(text))
        self.segments: Sequence[Segment] = [
            Segment(part.rstrip(), trail=part[len(part.rstrip()) :], is_kept=not any(map(str.isalpha, part)))
            for part in self._parts
        ]

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document`."""
        parts = [
            part if translation is None else "".join(map(str, translation))
            for part, translation in zip(self._parts, translations, strict=True)
        ]
        return "".join(parts).encode()


def _divide(text: str) -> Iterator[str]:
    """Parts that end in a blank line; of a longer paragraph in some line."""
    part: list[str] = []
    length = 0
    for line in lines_of(text):
        part.append(line)
        length += len(line)
        if length >= MAX_CHARACTERS and (not line.strip() or length >= 4 * MAX_CHARACTERS):
            yield "".join(part)
            part, length = [], 0
    if part:
        yield "".join(part)


def open_document(content: bytes, options: DocumentOptions) -> PlainText:
    """Open UTF-8 text."""
    return PlainText(decode_text(content))
