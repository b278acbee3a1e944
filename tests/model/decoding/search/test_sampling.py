"""Drawing pieces, against a twin that sorts and adds up, and against the frequencies that are due."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.decoding.decoder import Rows
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search.sampling import Sampler, candidates, digest, draw, let_stuck_end, uniform
from dragoman.model.decoding.search_options import SearchOptions
from tests.pieces import BOS_ID, EOS_ID

log_prob_lists = st.lists(
    st.sampled_from([-0.1, -1.0, -2.5, -4.0, -math.inf]) | st.floats(-20, 0), min_size=1, max_size=30
).filter(lambda values: max(values) > -math.inf)


@given(log_prob_lists, st.sampled_from([0.2, 1.0, 3.0]), st.integers(0, 35), st.floats(0.01, 1.0))
def test_candidates_equal_the_twin(log_probs: list[float], temperature: float, top_k: int, top_p: float) -> None:
    best_first = sorted(
        (piece for piece, log_prob in enumerate(log_probs) if log_prob > -math.inf),
        key=lambda piece: (-log_probs[piece], piece),
    )
    if top_k:
        best_first = best_first[:top_k]
    weights = [math.exp(log_probs[piece] / temperature) for piece in best_first]
    sums = np.cumsum(weights)
    found = candidates(np.array(log_probs), temperature=temperature, top_k=top_k, top_p=top_p)
    due = next((count for count, covered in enumerate(sums, 1) if covered >= top_p * sums[-1]), len(best_first))
    if abs(sums - top_p * sums[-1]).min() < 1e-9 * sums[-1]:  # rounding decides whether one more is needed
        assert abs(len(found) - due) <= 1 or top_p == 1.0
    else:
        assert found.tolist() == sorted(best_first[:due])


def test_candidates_among_many_equals_are_the_lowest() -> None:
    log_probs = np.full(2000, -math.log(2000))
    assert candidates(log_probs, temperature=1.0, top_k=0, top_p=0.5001).tolist() == list(range(1001))
    assert candidates(log_probs, temperature=1.0, top_k=1500, top_p=0.5001).tolist() == list(range(751))
    assert candidates(log_probs, temperature=1.0, top_k=1500, top_p=1.0).tolist() == list(range(1500))


@given(log_prob_lists, st.floats(0, 1, exclude_max=True), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_draw_equals_the_twin(log_probs: list[float], number: float, temperature: float) -> None:
    ids = np.array([piece for piece, log_prob in enumerate(log_probs) if log_prob > -math.inf])
    weights = [math.exp(log_probs[piece] / temperature) for piece in ids]
    left, margins = number * sum(weights), []
    due = None
    for piece, weight in zip(ids.tolist(), weights, strict=True):
        left -= weight
        margins.append(abs(left))
        if left < 0 and due is None:
            due = piece
    found = draw(np.array(log_probs), ids, temperature=temperature, number=number)
    assert found in ids
    if min(margins) > 1e-9 * sum(weights):
        assert found == due


def test_draws_are_as_frequent_as_they_are_likely() -> None:
    log_probs = np.log([0.5, 0.2, 0.2, 0.1])
    ids = candidates(log_probs, temperature=1.0, top_k=3, top_p=1.0)
    drawn = [draw(log_probs, ids, temperature=1.0, number=uniform(7, 0, sample, 0)) for sample in range(2000)]
    frequencies = np.bincount(drawn, minlength=4) / len(drawn)
    assert frequencies == pytest.approx([5 / 9, 2 / 9, 2 / 9, 0.0], abs=0.04)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1), st.integers(0, 31), st.integers(0, 255))
def test_a_number_depends_on_its_arguments_alone(seed: int, sentence: int, sample: int, position: int) -> None:
    number = uniform(seed, sentence, sample, position)
    assert 0.0 <= number < 1.0
    assert number == uniform(seed, sentence, sample, position)
    others = {
        uniform(seed ^ 1, sentence, sample, position),
        uniform(seed, sentence ^ 1, sample, position),
        uniform(seed, sentence, sample + 1, position),
        uniform(seed, sentence, sample, position + 1),
    }
    assert len(others | {number}) == 5


def test_sentences_have_digests_of_their_own() -> None:
    sentences = [(6,), (7,), (6, 7), (7, 6), (6, 7, 0), tuple(range(300))]
    digests = {digest(sentence) for sentence in sentences}
    assert len(digests) == len(sentences)
    assert all(0 <= number < 2**64 for number in digests)
    assert digest([6, 7]) == digest((6, 7)) == 6515203038023746063  # the same on every machine


def test_the_least_temperature_takes_the_likeliest() -> None:
    log_probs = np.array([-3.0, -1.0, -2.0])
    ids = candidates(log_probs, temperature=5e-324, top_k=0, top_p=0.5)
    assert draw(log_probs, ids, temperature=5e-324, number=0.999) == 1


@given(st.lists(st.lists(st.sampled_from([-1.0, -math.inf]), min_size=5, max_size=5), min_size=1, max_size=4))
def test_only_what_is_stuck_may_end(log_probs: list[list[float]]) -> None:
    given_log_probs = np.array(log_probs)
    found = let_stuck_end(given_log_probs, np.full(len(log_probs), -7.0), EOS_ID)
    for row, values in enumerate(log_probs):
        stuck = all(value == -math.inf for value in values)
        due = [-7.0 if stuck and piece == EOS_ID else value for piece, value in enumerate(values)]
        assert found[row].tolist() == due
    assert given_log_probs.tolist() == log_probs


def test_one_seed_draws_otherwise_for_another_sentence() -> None:
    # Alike, all sentences of a corpus would have their unlikely pieces at the same positions.
    options = SearchOptions(sampling_temperature=1.0)
    sampler = Sampler(EOS_ID)
    number = np.arange(20, dtype=np.int32)
    for slot in number.tolist():
        sampler.begin(slot, Request(slot, (6, 7 + slot), options, 10))
    rows = Rows(
        slots=number,
        offsets=np.arange(21, dtype=np.int32),
        positions=np.zeros(20, np.int32),
        token_ids=np.full(20, BOS_ID, np.int32),
        log_probs=np.zeros(20),
        ancestry=np.zeros((20, 1, 32), np.uint8),
        num_extensions=np.full(20, 2, np.int32),
    )
    equally_likely = np.full((20, 1000), -np.log(1000))
    extended = sampler.extend(rows, number, equally_likely)
    assert len({int(extensions.token_ids[0, 0]) for extensions in extended}) > 15
