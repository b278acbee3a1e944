"""The arithmetic of beam search, many slots at once on arrays, against plain-Python twins."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.decoder import Extensions
from dragoman.model.decoding.search.beam import beam_step, best_extensions, join_extensions, sort_pieces, top_pieces
from tests.pieces import EOS_ID

SOME, OTHER = 7, 8


def make_extensions(log_probs: list[list[float]], token_ids: list[list[int]]) -> Extensions:
    parents = np.zeros(np.shape(token_ids), np.int32)
    return Extensions(np.array(log_probs), parents, np.array(token_ids, np.int32))


slots = st.tuples(
    st.integers(1, 5),  # beam_size
    st.integers(0, 4),  # finished before
    st.booleans(),  # last position
    st.integers(0, 10),  # extensions that are possible
    st.lists(st.sampled_from([EOS_ID, SOME, OTHER]), min_size=10, max_size=10),
)


@given(st.lists(slots, min_size=1, max_size=6))
def test_a_step_equals_the_twin(drawn: list[tuple[int, int, bool, int, list[int]]]) -> None:
    beam_sizes, num_finished, is_last, num_possible, token_ids = zip(*drawn, strict=True)
    log_probs = [[-0.1 * rank if rank < possible else -math.inf for rank in range(10)] for possible in num_possible]
    extensions = make_extensions(log_probs, list(token_ids))
    step = beam_step(extensions, np.array(beam_sizes), np.array(num_finished), np.array(is_last), EOS_ID)
    for slot, (beam_size, finished, last, possible, pieces) in enumerate(drawn):
        finishes: list[int] = []
        lives: list[int] = []
        for rank in range(min(2 * beam_size, possible)):
            ends = pieces[rank] == EOS_ID
            if (ends or last) and rank < beam_size:
                finishes.append(rank)
            if not ends and len(lives) < beam_size:
                lives.append(rank)
        done = last or finished + len(finishes) >= beam_size or not lives
        assert np.flatnonzero(step.finishes[slot]).tolist() == finishes
        assert np.flatnonzero(step.lives[slot]).tolist() == ([] if done else lives)
        assert step.num_finished[slot] == finished + len(finishes)
        assert step.is_done[slot] == done


def test_a_step_changes_nothing_that_was_given() -> None:
    extensions = make_extensions([[-0.1, -0.2, -0.3, -0.4]], [[EOS_ID, SOME, EOS_ID, OTHER]])
    beam_sizes, num_finished = np.array([2], np.int32), np.array([1], np.int32)
    step = beam_step(extensions, beam_sizes, num_finished, np.array([False]), EOS_ID)
    assert step.num_finished.tolist() == [2]
    assert (beam_sizes.tolist(), num_finished.tolist()) == ([2], [1])
    assert extensions.log_probs.tolist() == [[-0.1, -0.2, -0.3, -0.4]]


rows_of_few_values = st.lists(
    st.lists(st.sampled_from([-0.5, -1.0, -1.5, -math.inf]), min_size=9, max_size=9), min_size=1, max_size=4
)


def in_order(row: list[float]) -> list[int]:
    return sorted(range(len(row)), key=lambda piece: (-row[piece], piece))


@given(rows_of_few_values, st.integers(1, 12))
def test_the_top_pieces_equal_sorting_with_many_equals(rows: list[list[float]], count: int) -> None:
    values, ids = top_pieces(np.array(rows), count)
    assert ids.tolist() == [in_order(row)[:count] for row in rows]
    assert values.tolist() == [[row[piece] for piece in in_order(row)[:count]] for row in rows]


@given(st.integers(1, 500), st.integers(1, 40), st.integers(0, 2**32))
def test_the_top_pieces_of_a_large_vocabulary(vocab_size: int, count: int, seed: int) -> None:
    log_probs = np.random.default_rng(seed).normal(size=(3, vocab_size)).round(1)
    log_probs[1, ::3] = -np.inf
    values, ids = top_pieces(log_probs, count)
    for row in range(3):
        assert ids[row].tolist() == in_order(log_probs[row].tolist())[:count]
    assert np.array_equal(values, np.take_along_axis(log_probs, ids, axis=1))


@pytest.mark.parametrize("vocab_size", [9, 900])
@pytest.mark.parametrize("num_broken", [1, 5, 9])
def test_what_is_not_a_number_is_impossible_and_other_rows_are_untouched(vocab_size: int, num_broken: int) -> None:
    log_probs = np.random.default_rng(0).normal(size=(3, vocab_size))
    log_probs[1, :num_broken] = np.nan
    if num_broken == 9:
        log_probs[1] = np.nan
    values, ids = top_pieces(log_probs, 4)
    impossible = np.where(np.isnan(log_probs), -np.inf, log_probs)
    for row in range(3):
        assert ids[row].tolist() == in_order(impossible[row].tolist())[:4]
        assert values[row].tolist() == impossible[row, ids[row]].tolist()


@given(rows_of_few_values, st.integers(0, 2**32))
def test_sorting_pieces_that_come_in_any_order(rows: list[list[float]], seed: int) -> None:
    ids = np.array([random.Random(seed).sample(range(9), 9)] * len(rows))
    values, sorted_ids = sort_pieces(np.take_along_axis(np.array(rows), ids, axis=1), ids)
    assert sorted_ids.tolist() == [in_order(row) for row in rows]
    assert values.tolist() == [[row[piece] for piece in in_order(row)] for row in rows]


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    num_pieces=st.integers(1, 5),
    num_extensions=st.lists(st.integers(1, 8), min_size=5, max_size=5),
    num_candidates=st.lists(st.integers(1, 8), min_size=5, max_size=5),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None)
def test_the_best_extensions_equal_sorting_them_all(
    counts: list[int], num_pieces: int, num_extensions: list[int], num_candidates: list[int], seed: int
) -> None:
    """All pieces are candidates; log probabilities are of few values, so that many are equal."""
    chance = random.Random(seed)
    num_extensions, num_candidates = num_extensions[: len(counts)], num_candidates[: len(counts)]
    rows = [
        [[chance.choice([-1.0, -2.0, -math.inf]) for _ in range(num_pieces)] for _ in range(count)] for count in counts
    ]
    so_far = [[chance.choice([-1.0, -2.0]) for _ in range(count)] for count in counts]
    flat = np.array([row for slot in rows for row in slot])
    values, ids = top_pieces(flat, num_pieces)
    found = best_extensions(
        values,
        ids,
        np.array([log_prob for slot in so_far for log_prob in slot]),
        np.cumsum([0, *counts]).astype(np.int32),
        np.array(num_extensions, np.int32),
        np.array(num_candidates, np.int32),
    )
    assert found.log_probs.shape == found.parents.shape == found.token_ids.shape == (len(counts), max(num_extensions))
    for slot, wanted in enumerate(num_extensions):
        due = sorted(
            (-so_far[slot][beam] - rows[slot][beam][piece], beam, piece)
            for beam in range(counts[slot])
            for piece in sorted(range(num_pieces), key=lambda piece: (-rows[slot][beam][piece], piece))[
                : num_candidates[slot]
            ]
            if rows[slot][beam][piece] > -math.inf
        )[:wanted]
        possible = np.isfinite(found.log_probs[slot])
        assert possible.tolist() == [rank < len(due) for rank in range(max(num_extensions))]
        triples = zip(
            (-found.log_probs[slot][possible]).tolist(),
            found.parents[slot][possible].tolist(),
            found.token_ids[slot][possible].tolist(),
            strict=True,
        )
        assert [pytest.approx(extension) for extension in due] == list(triples)


def test_extensions_of_all_slots_are_joined_in_their_places() -> None:
    def make(log_probs: list[list[float]], piece: int) -> Extensions:
        values = np.array(log_probs)
        return Extensions(values, np.ones(values.shape, np.int32), np.full(values.shape, piece, np.int32))

    joined = join_extensions(
        3,
        [
            (np.array([0, 2], np.int32), make([[-1.0], [-2.0]], 7)),
            (np.array([1], np.int32), make([[-3.0, -4.0]], EOS_ID)),
        ],
    )
    assert joined.log_probs.tolist() == [[-1.0, -np.inf], [-3.0, -4.0], [-2.0, -np.inf]]
    assert joined.parents.tolist() == [[1, 0], [1, 1], [1, 0]]
    assert joined.token_ids.tolist() == [[7, 0], [EOS_ID, EOS_ID], [7, 0]]
