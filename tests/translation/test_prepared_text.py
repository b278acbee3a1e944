"""A text on its way into the engine."""

import itertools

import numpy as np

from dragoman.model.config import Direction
from dragoman.model.decoding.request import UNNUMBERED, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.drafts import Draft, PreparedText

EN_DE = Direction("en", "de")


def test_a_prepared_text_becomes_a_request_for_each_segment() -> None:
    options = SearchOptions(beam_size=2)
    allowed = np.array([3, 8, 9], np.int32)
    segments = (
        Request(UNNUMBERED, (4, 9, 3), options, 16, (8,), (11, 12), allowed),
        Request(UNNUMBERED, (4, 8, 3), options, 16, (), (11, 12)),
    )
    drafts = (Draft("Hi.", "Hi."), Draft("You.", "Ye."))
    prepared = PreparedText("Hi. You.", segments, drafts, ("", " ", ""), options, EN_DE)
    num_characters = len("Hi. You.") + len("Hi.") + len("You.") + len("Ye.")
    assert prepared.num_bytes == 4 * num_characters + sum(segment.num_bytes for segment in segments)
    ids = itertools.count(7)
    first, second = prepared.requests(ids)
    assert first == Request(7, (4, 9, 3), options, 16, (8,), (11, 12))
    assert first.allowed_ids is allowed
    assert second == Request(8, (4, 8, 3), options, 16, (), (11, 12))
    assert PreparedText(" ", (), (), (" ",), options, EN_DE).requests(ids) == []
    assert next(ids) == 9
