"""What a request may ask for."""

import math
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.decoding.search_options import MAX_BEAM_SIZE, SEARCH_OPTION_NAMES, SearchArguments, SearchOptions
from dragoman.model.errors import InvalidInputError


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
        ({"min_target_length": 0}, "min_target_length is 0, but must be at least 1"),
        (
            {"min_target_length": 6, "max_target_length": 5},
            "min_target_length is 6, but must not be greater than max_target_length, which is 5",
        ),
        ({"length_normalization": "sum"}, 'length_normalization is "sum", but must be "gnmt" or "average"'),
        ({"coverage_penalty": -1}, "coverage_penalty is -1, but must lie between 0 and 10"),
        ({"coverage_penalty": math.nan}, "coverage_penalty is nan"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size is -1, but must not be negative"),
        ({"suppressed_pieces": ("a", "")}, "suppressed_pieces holds an empty piece"),
        ({"suppressed_pieces": "▁house"}, 'suppressed_pieces is the text "▁house", but must be a tuple of pieces'),
        ({"sampling_temperature": 0.0}, "sampling_temperature is 0.0, but must be above 0 and at most 100"),
        ({"sampling_temperature": math.nan}, "sampling_temperature is nan"),
        ({"sampling_temperature": 1.0, "n_best": 33}, "n_best is 33, but must lie between 1 and 32"),
        ({"sampling_top_k": -1}, "sampling_top_k is -1, but must not be negative"),
        ({"sampling_top_p": 0.0}, "sampling_top_p is 0.0, but must be above 0 and at most 1"),
        ({"sampling_top_p": 1.1}, "sampling_top_p is 1.1"),
        ({"sampling_top_p": math.nan}, "sampling_top_p is nan"),
        ({"seed": -1}, "seed is -1, but must lie between 0 and 9223372036854775807"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"max_retries": 3}, "max_retries is 3, but must lie between 0 and 2"),
        ({"fusion_weight": 2.1}, "fusion_weight is 2.1, but must lie between 0 and 2"),
    ],
)
def test_refused_with_name_value_and_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        SearchOptions(**options)  # type: ignore[arg-type]


def test_names_and_defaults() -> None:
    options = SearchOptions()
    assert {name: getattr(options, name) for name in SEARCH_OPTION_NAMES} == {
        "beam_size": 4,
        "n_best": 1,
        "length_penalty": 1.0,
        "length_normalization": "gnmt",
        "coverage_penalty": 0.0,
        "min_target_length": 1,
        "max_target_length": None,
        "no_repeat_ngram_size": 0,
        "target_prefix": "",
        "suppressed_pieces": (),
        "sampling_temperature": None,
        "sampling_top_k": 0,
        "sampling_top_p": 1.0,
        "seed": 0,
        "max_retries": 2,
        "fusion_weight": 0.0,
        "return_attention": False,
    }
    with pytest.raises(FrozenInstanceError):
        options.beam_size = 5  # type: ignore[misc]


def test_every_option_is_a_keyword_argument_of_the_same_type() -> None:
    assert SearchArguments.__annotations__ == {field.name: field.type for field in fields(SearchOptions)}
    assert SearchArguments.__required_keys__ == frozenset()


def test_samples_need_no_beam() -> None:
    options = SearchOptions(beam_size=1, n_best=MAX_BEAM_SIZE, sampling_temperature=0.7)
    assert options.max_hypotheses == MAX_BEAM_SIZE
    assert SearchOptions(beam_size=3, n_best=2).max_hypotheses == 3
