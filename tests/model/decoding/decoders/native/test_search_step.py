"""A whole step of the search in the kernels against the same in NumPy, to the bit."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.decoder import SearchArrays
from dragoman.model.decoding.decoders.native.decoder import NativeDecoder, is_available
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Finished, Request
from dragoman.model.decoding.search.state import Search
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from tests.model.decoding.decoders.native.networks import make_decoder, make_network
from tests.model.decoding.engines.engines import finished_by_step
from tests.pieces import VOCABULARY

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

NETWORK = make_network(max_source_length=20, max_target_length=60)


def draw_request(chance: random.Random, number: int) -> Request:
    beam_size = chance.choice([1, 2, 4, 7])
    max_length = chance.choice([1, 2, 9, 40, 60])
    options = SearchOptions(
        beam_size=beam_size,
        n_best=chance.randint(1, beam_size),
        min_target_length=chance.randint(1, min(max_length, 12)),
        return_attention=chance.random() < 0.2,
        coverage_penalty=chance.choice([0.0, 0.0, 0.3]),
    )
    source = tuple(chance.randint(5, 30) for _ in range(chance.randint(1, 14)))
    return Request(number, source, options, max_length, is_followed=chance.random() < 0.2)


def decode(decoder: NativeDecoder, requests: list[Request], seed: int, *, in_kernels: bool) -> dict[int, Finished]:
    chance, waiting, found = random.Random(seed), list(requests), dict[int, Finished]()
    engine = Engine(decoder)
    if not in_kernels:
        engine._searching_decoder = None
    while waiting or engine.num_active:
        arriving = min(engine.free_slots, chance.randint(0, 3))
        engine.admit(waiting[:arriving])
        del waiting[:arriving]
        if engine.num_active and chance.random() < 0.02:
            engine.cancel(next(iter(engine._slots)))
        events = engine.step()
        found |= {event.id: event for event in events if isinstance(event, Finished)}
    return found


@given(seed=st.integers(0, 2**32), precision=st.sampled_from(["float32", "int8"]))
@settings(deadline=None, max_examples=25)
def test_finds_what_the_step_in_numpy_finds(seed: int, precision: Any) -> None:
    chance = random.Random(seed)
    requests = [draw_request(chance, number) for number in range(chance.randint(1, 9))]
    decoder = make_decoder(NETWORK, max_slots=4, precision=precision)
    twins = [decode(decoder, requests, seed, in_kernels=in_kernels) for in_kernels in (True, False)]
    assert twins[0].keys() == twins[1].keys()
    for number, one in twins[0].items():
        for ours, other in zip(one.hypotheses, twins[1][number].hypotheses, strict=True):
            assert (ours.token_ids, ours.score, ours.token_log_probs) == (
                other.token_ids,
                other.score,
                other.token_log_probs,
            )
            np.testing.assert_array_equal(ours.attention, other.attention)


def test_rules_with_state_take_the_step_in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = list[int]()
    step = Search.step

    def counted(self: Search, *arguments: Any) -> Any:
        taken.append(self.num_active)
        return step(self, *arguments)

    monkeypatch.setattr(Search, "step", counted)
    engine = Engine(make_decoder(NETWORK, max_slots=4))
    plain, ruled = SearchOptions(beam_size=2, min_target_length=8), SearchOptions(beam_size=2, no_repeat_ngram_size=2)
    engine.admit([Request(0, (5, 6, 3), plain, 9), Request(1, (5, 6, 3), ruled, 4)])
    while engine.num_active == 2:
        finished_by_step(engine)
    assert not taken
    while engine.num_active:
        finished_by_step(engine)
    assert set(taken) == {1}


def arrays_with(**changes: int) -> SearchArrays:
    """Of a search that has begun in slot 1, with the numbers of that slot changed."""
    search = Search(2, VOCABULARY)
    search.begin(1, beam_size=2, num_extensions=4, max_length=9)
    for name, number in changes.items():
        getattr(search._arrays, name)[1] = number
    return search._arrays


@pytest.mark.parametrize(
    ("changes", "slots", "message"),
    [
        ({}, [2], "there is no slot 2"),
        ({}, [1, 1], "the slots do not ascend"),
        ({"beam_sizes": 3}, [1], "there is no beam 2"),
        ({"beam_sizes": 0}, [1], "there is no beam -1"),
        ({"num_live": 0}, [1], "there is no live hypothesis -1"),
        ({"num_live": 3}, [1], "there is no live hypothesis 2"),
        ({"num_finished": 2}, [1], "there is no finished hypothesis 2"),
        ({"max_lengths": 1000}, [1], "there is no last position 999"),
        ({"positions": 9}, [1], "there is no position 9"),
        ({"positions": -1}, [1], "there is no position -1"),
        ({"num_extensions": 1000}, [1], "there is no number of extensions 1000"),
        ({}, [0], "there is no beam -1"),  # nothing has begun there
    ],
)
def test_arrays_that_make_no_sense_are_refused(changes: dict[str, int], slots: list[int], message: str) -> None:
    decoder = make_decoder(NETWORK, max_slots=2)
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        decoder.search_step(arrays_with(**changes), np.array(slots, np.int32), np.zeros(2, np.int32))


def test_arrays_of_another_shape_are_refused() -> None:
    decoder, slots = make_decoder(NETWORK, max_slots=2), np.array([1], np.int32)
    with pytest.raises(InvalidInputError, match="an array of 2 <i4 is due"):
        decoder.search_step(arrays_with(), slots, np.zeros(1, np.int32))
    whole = arrays_with()
    for name in ("token_ids", "beams", "last_ids", "num_live"):
        parts = {part: getattr(whole, part) for part in SearchArrays.__slots__}
        parts[name] = parts[name][:1] if name != "token_ids" else parts[name][:, ::2]
        with pytest.raises(InvalidInputError, match="is due"):
            decoder.search_step(SearchArrays(**parts), slots, np.zeros(2, np.int32))
