"""A whole step of the search in the kernels against the same in NumPy, to the bit."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.decoder import Ints, Rows
from dragoman.model.decoding.decoders.native.decoder import NativeDecoder, is_available
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Finished, Request
from dragoman.model.decoding.search.rule import SlotRules
from dragoman.model.decoding.search.state import Search
from dragoman.model.decoding.search.stepping import SearchArrays
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from tests.model.decoding.decoders.native.networks import make_decoder, make_network
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import JOINED
from tests.pieces import EOS_ID, VOCABULARY

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

NETWORK = make_network(max_source_length=20, max_target_length=60)


def draw_pieces(chance: random.Random, least: int, most: int) -> tuple[int, ...]:
    return tuple(chance.randint(5, 30) for _ in range(chance.randint(least, most)))


def draw_request(chance: random.Random, number: int) -> Request:
    """With any rules together, or none."""
    beam_size = chance.choice([1, 2, 4, 7])
    max_length = chance.choice([1, 2, 9, 40, 60])
    is_sampled, is_ruled = chance.random() < 0.2, chance.random() < 0.7

    def maybe(share: float, draw: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        return draw() if is_ruled and chance.random() < share else ()

    def draw_term() -> tuple[tuple[int, ...], ...]:
        return tuple(draw_pieces(chance, 1, 4) for _ in range(chance.randint(1, 3)))

    options = SearchOptions(
        beam_size=beam_size,
        n_best=chance.randint(1, beam_size),
        min_target_length=chance.randint(1, min(max_length, 12)),
        no_repeat_ngram_size=chance.choice([0, 0, 1, 2, 3]) * is_ruled,
        sampling_temperature=1.0 if is_sampled else None,
        return_attention=chance.random() < 0.2,
        coverage_penalty=chance.choice([0.0, 0.0, 0.3]),
    )
    allowed = maybe(0.5, lambda: tuple({EOS_ID, *draw_pieces(chance, 2, 25)}))
    return Request(
        number,
        draw_pieces(chance, 1, 14),
        options,
        max_length,
        prefix_ids=maybe(0.4, lambda: draw_pieces(chance, 0, min(4, max_length - 1))),
        suppressed_ids=maybe(0.4, lambda: (*draw_pieces(chance, 0, 9), EOS_ID)[chance.randint(0, 3) :]),
        allowed_ids=np.array(sorted(allowed), np.int32) if allowed else None,
        terms=() if is_sampled else maybe(0.6, lambda: tuple(draw_term() for _ in range(chance.randint(1, 4)))),
        is_followed=chance.random() < 0.2,
    )


def decode(decoder: NativeDecoder, requests: list[Request], seed: int, *, in_kernels: bool) -> dict[int, Finished]:
    chance, waiting, found = random.Random(seed), list(requests), dict[int, Finished]()
    engine = Engine(decoder, joined_ids=JOINED)
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
@settings(deadline=None, max_examples=60)
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


def test_every_search_takes_its_steps_in_the_kernels_whatever_its_batch_mates_but_no_sampling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = dict[str, set[int]](kernels=set(), numpy=set())
    search_step, advance = NativeDecoder.search_step, NativeDecoder.advance

    def count_searched(self: NativeDecoder, arrays: SearchArrays, slots: Ints) -> Ints:
        taken["kernels"].update(slots.tolist())
        return search_step(self, arrays, slots)

    def count_advanced(self: NativeDecoder, rows: Rows) -> None:
        taken["numpy"].update(rows.slots.tolist())
        advance(self, rows)

    monkeypatch.setattr(NativeDecoder, "search_step", count_searched)
    monkeypatch.setattr(NativeDecoder, "advance", count_advanced)
    request = Request(0, (5, 6, 3), SearchOptions(beam_size=2), 9)
    ruled = [
        replace(request, options=SearchOptions(no_repeat_ngram_size=2)),
        replace(request, prefix_ids=(7, 8)),
        replace(request, suppressed_ids=(9,)),
        replace(request, terms=(((7, 8),),)),
        replace(request, options=SearchOptions(sampling_temperature=1.0)),
    ]
    requests = [replace(one, id=number) for number, one in enumerate([request, *ruled])]
    run(Engine(make_decoder(NETWORK, max_slots=6)), requests)
    assert taken == {"kernels": {0, 1, 2, 3, 4}, "numpy": {5}}


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
        decoder.search_step(arrays_with(**changes), np.array(slots, np.int32))


def test_arrays_of_another_shape_are_refused() -> None:
    decoder, slots = make_decoder(NETWORK, max_slots=2), np.array([1], np.int32)
    whole = arrays_with()
    for name in ("token_ids", "beams", "last_ids", "num_live"):
        parts = {part: getattr(whole, part) for part in SearchArrays.__slots__}
        parts[name] = parts[name][:1] if name != "token_ids" else parts[name][:, ::2]
        with pytest.raises(InvalidInputError, match="is due"):
            decoder.search_step(SearchArrays(**parts), slots)


def rules_of(terms: Any = (), **changes: Any) -> SlotRules:
    request = Request(0, (5, 6, 3), SearchOptions(beam_size=2), 9, terms=terms)
    return replace(SlotRules.of_request(request, np.array([30], np.int32)), **changes)


def pieces(*token_ids: int) -> Ints:
    return np.array(token_ids, np.int32)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (rules_of(prefix_ids=pieces(5, 1000)), "there is no piece of a prefix 1000"),
        (rules_of(suppressed_ids=pieces(6, -1)), "there is no suppressed piece -1"),
        (rules_of(suppressed_ids=pieces(6, 5)), "the suppressed pieces do not ascend"),
        (rules_of(joined_ids=pieces(1000)), "there is no joined piece 1000"),
        (rules_of(ngram_size=-1), "there is no n-gram -1"),
        (rules_of(terms=(((6, 1000),),)), "there is no term's piece 1000"),
        (rules_of(prefix_ids=np.zeros(2)), r"an array of 2 <i4 is due, not \(2,\) <f8"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: SlotRules, message: str) -> None:
    decoder = make_decoder(NETWORK, max_slots=2)
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        decoder.constrain(1, rules)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moves": np.full((3, 3), 3, np.int32)}, "there is no node 3"),
        ({"offsets": pieces(0, 3, 1, 4)}, "the nodes of the terms make no sense"),
        ({"offsets": pieces(1, 1, 3, 4)}, "the nodes of the terms make no sense"),
        ({"depths": pieces(0, 0, 2)}, "the nodes of the terms make no sense"),
        ({"advancing": pieces(6, 6, 7, 1000)}, "there is no term's piece 1000"),
        ({"pieces": pieces(7, 6)}, "the term's pieces do not ascend"),
        ({"leads": np.zeros(1, np.int64)}, r"an array of 4 <i8 is due, not \(1,\) <i8"),
    ],
)
def test_terms_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    rules = rules_of(terms=(((6, 7),),))
    assert rules.automaton is not None
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        make_decoder(NETWORK, max_slots=2).constrain(1, replace(rules, automaton=replace(rules.automaton, **changes)))


def test_rules_of_other_hypotheses_than_the_search_has_are_refused() -> None:
    decoder = make_decoder(NETWORK, max_slots=2)
    decoder.constrain(1, rules_of(terms=(((6, 7),),)))
    with pytest.raises(InvalidInputError, match=r"^slot 1 has rules for 1 hypotheses, not for 2$"):
        decoder.search_step(arrays_with(num_live=2), pieces(1))
    with pytest.raises(InvalidInputError, match=r"^there is no slot 2$"):
        decoder.constrain(2, rules_of())
