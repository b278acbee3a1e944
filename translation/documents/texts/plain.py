"""Plain text, line by line."""

from collections.abc import Sequence

from dragoman.translation.documents.document import DocumentOptions, Segment, decode_text, lines_of, make_segment
from dragoman.translation.markup.content import Content


class PlainText:
    """A text whose lines are translated one by one."""

    def __init__(self, text: str) -> None:
        self._lines = lines_of(text)
        self.segments: Sequence[Segment] = [make_segment(line) for line in self._lines]

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document`."""
        parts = [
            line if translation is None else "".join(map(str, translation))
            for line, translation in zip(self._lines, translations, strict=True)
        ]
        return "".join(parts).encode()


def open_document(content: bytes, options: DocumentOptions) -> PlainText:
    """Open UTF-8 text."""
    return PlainText(decode_text(content))
