"""A text on its way into the decoding engine."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence of a text, or a part of one that is too long for the model, ready for the engine.

    source_ids, max_target_length, prefix_ids and allowed_ids are those of its `Request`.
    """

    text: str
    source_ids: tuple[int, ...]
    max_target_length: int
    prefix_ids: tuple[int, ...] = ()
    allowed_ids: NDArray[np.int32] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text ready for the engine, as n segments and the n + 1 gaps around them: gaps[0] + segments[0].text + gaps[1]
    and so on is the text. A blank text, which translates to itself, has no segments.

    options:         of every segment's search.
    suppressed_ids:  likewise.
    target_language: that of the translation.
    """

    text: str
    segments: tuple[Segment, ...]
    gaps: tuple[str, ...]
    options: SearchOptions
    target_language: str
    suppressed_ids: tuple[int, ...] = ()

    def requests(self, ids: Iterator[int], *, is_followed: bool = False) -> list[Request]:
        """A request for each segment, with the next of the ids."""
        return [
            Request(
                next(ids),
                segment.source_ids,
                self.options,
                segment.max_target_length,
                segment.prefix_ids,
                self.suppressed_ids,
                segment.allowed_ids,
                is_followed,
            )
            for segment in self.segments
        ]
