"""What a request may ask for."""

import math
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.decoding.request import (
    MAX_BEAM_SIZE,
    SEARCH_OPTION_NAMES,
    Hypothesis,
    PreparedText,
    Request,
    SearchOptions,
    Translation,
)
from model.errors import InvalidInputError


@given(
    beam_size=st.integers(1, MAX_BEAM_SIZE),
    length_penalty=st.floats(0, 10),
    max_target_length=st.none() | st.integers(1),
    data=st.data(),
)
def test_all_within_the_limits_is_allowed(
    beam_size: int, length_penalty: float, max_target_length: int | None, data: st.DataObject
) -> None:
    n_best = data.draw(st.integers(1, beam_size))
    options = SearchOptions(
        beam_size=beam_size, n_best=n_best, length_penalty=length_penalty, max_target_length=max_target_length
    )
    assert (options.beam_size, options.n_best) == (beam_size, n_best)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size is 0, but must lie between 1 and 32"),
        ({"beam_size": -1}, "beam_size is -1"),
        ({"beam_size": 33}, "beam_size is 33"),
        ({"n_best": 0}, "n_best is 0, but must lie between 1 and beam_size, which is 4"),
        ({"n_best": 5}, "n_best is 5"),
        ({"beam_size": 1, "n_best": 2}, "n_best is 2, but must lie between 1 and beam_size, which is 1"),
        ({"length_penalty": -0.1}, "length_penalty is -0.1, but must lie between 0 and 10"),
        ({"length_penalty": 10.1}, "length_penalty is 10.1"),
        ({"length_penalty": math.nan}, "length_penalty is nan"),
        ({"length_penalty": math.inf}, "length_penalty is inf"),
        ({"max_target_length": 0}, "max_target_length is 0, but must be at least 1"),
        ({"max_target_length": -5}, "max_target_length is -5"),
    ],
)
def test_refused_with_name_value_and_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        SearchOptions(**options)  # type: ignore[arg-type]


def test_names_and_defaults() -> None:
    assert SEARCH_OPTION_NAMES == ("beam_size", "n_best", "length_penalty", "max_target_length")
    options = SearchOptions()
    assert [getattr(options, name) for name in SEARCH_OPTION_NAMES] == [4, 1, 1.0, None]
    with pytest.raises(FrozenInstanceError):
        options.beam_size = 5  # type: ignore[misc]


def test_a_prepared_text_becomes_a_request() -> None:
    options = SearchOptions(beam_size=2)
    assert PreparedText("Hi", (4, 9, 3), options, 16).request(7) == Request(7, (4, 9, 3), options, 16)


def test_a_translation_is_its_best_hypothesis() -> None:
    translation = Translation("Hi", (Hypothesis("Hallo", -0.5), Hypothesis("Tach", -2.0)))
    assert (translation.text, translation.score) == ("Hallo", -0.5)
