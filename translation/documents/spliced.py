"""Documents that are a text with places to replace: most formats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import Segment
from dragoman.translation.markup.content import Content


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment stands in a text: from `begin` to before `end`.

    write: the text that takes its place. is_target: whether the source stands elsewhere, so that a translation that is
    equal to it is written, too.
    """

    begin: int
    end: int
    segment: Segment
    write: Callable[[Content], str]
    is_target: bool = False


class SplicedDocument:
    """A text in which the places of segments are replaced, and nothing else.

    A segment that is translated by itself stays as it was written, too.
    """

    def __init__(
        self,
        text: str,
        places: Sequence[Place],
        *,
        encoding: str = "utf-8",
        fixes: Sequence[tuple[int, int, str]] = (),
        errors: str = "strict",
    ) -> None:
        """places: in their order, none within another. encoding, errors: of the bytes. fixes: replaced once any
        segment is translated, such as a tag of the document's language."""
        self._text = text
        self._places = places
        self._encoding = encoding
        self._errors = errors
        self._fixes = fixes
        self.segments: Sequence[Segment] = [place.segment for place in places]

    def render(self, translations: Sequence[Content | None]) -> bytes:
        """See `Document`."""
        changes = [
            (place.begin, place.end, place.write(translation))
            for place, translation in zip(self._places, translations, strict=True)
            if translation is not None and (place.is_target or translation != place.segment.content)
        ]
        if changes:
            changes = sorted([*changes, *self._fixes])
        parts: list[str] = []
        begin = 0
        for first, last, new in changes:
            parts += self._text[begin:first], new
            begin = last
        try:
            return "".join((*parts, self._text[begin:])).encode(self._encoding, self._errors)
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise InvalidInputError(
                f'its encoding {self._encoding} has no "{character}"; convert the file to UTF-8 first'
            ) from None
