"""A text on its way into the engine."""

import itertools

import numpy as np

from dragoman.model.decoding.request import UNNUMBERED, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.preparing import PreparedText


def test_a_prepared_text_becomes_a_request_for_each_segment() -> None:
    options = SearchOptions(beam_size=2)
    allowed = np.array([3, 8, 9], np.int32)
    segments = (
        Request(UNNUMBERED, (4, 9, 3), options, 16, (8,), (11, 12), allowed, text="Hi."),
        Request(UNNUMBERED, (4, 8, 3), options, 16, (), (11, 12), text="You."),
    )
    prepared = PreparedText("Hi. You.", segments, ("", " ", ""), options, "de")
    assert prepared.num_bytes == 4 * len("Hi. You.") + sum(segment.num_bytes for segment in segments)
    ids = itertools.count(7)
    first, second = prepared.requests(ids)
    assert first == Request(7, (4, 9, 3), options, 16, (8,), (11, 12))
    assert first.allowed_ids is allowed
    assert second == Request(8, (4, 8, 3), options, 16, (), (11, 12))
    assert PreparedText(" ", (), (" ",), options, "de").requests(ids) == []
    assert next(ids) == 9
