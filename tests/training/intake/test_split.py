"""Held-out sets share no sentence with the training set, nor with each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.training.intake.split import DEV, MAX_CLUSTER, TEST, TRAIN, fold, held_out_size, split


@pytest.mark.parametrize(
    ("one", "other"),
    [("Hello, world!", "hello world"), ("  A  B ", "ab"), ("STRASSE", "Straße"), ("ﬁne…", "Fine"), ("«Oui»", "oui")],
)
def test_case_and_punctuation_do_not_distinguish(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("Page 1", "Page 2"), ("कि", "की"), ("...", "!!!"), ("schon", "schön")])
def test_letters_digits_and_marks_distinguish(one: str, other: str) -> None:
    assert fold(one) != fold(other)


PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=120)


@settings(max_examples=200, deadline=None)
@given(PAIRS, st.integers(0, 10), st.integers(0, 10), st.integers(0, 3))
def test_no_sentence_is_in_two_sets(pairs: list[tuple[int, int]], num_dev: int, num_test: int, seed: int) -> None:
    keys = np.array(pairs, np.int64).T
    found = split(keys[0], keys[1], num_dev=num_dev, num_test=num_test, seed=seed)
    for side in keys:
        sets = [set(side[found.sets == part].tolist()) for part in (TRAIN, DEV, TEST)]
        assert not sets[0] & sets[1]
        assert not sets[0] & sets[2]
        assert not sets[1] & sets[2]
    assert found.count(DEV) <= max(0, num_dev - 1) + MAX_CLUSTER
    held_out = [
        pair for pair, part, again in zip(pairs, found.sets, found.is_repeat, strict=True) if part and not again
    ]
    assert len(held_out) == len(set(held_out)) == found.count(DEV) + found.count(TEST)


def test_unconnected_pairs_give_the_sizes_asked_for_and_a_seed_the_same_split() -> None:
    keys = np.arange(1000, dtype=np.int64)
    one, again, other = (split(keys, keys + 5000, num_dev=50, num_test=70, seed=seed) for seed in (1, 1, 2))
    assert (one.count(DEV), one.count(TEST), one.count(TRAIN)) == (50, 70, 880)
    assert (one.sets == again.sets).all()
    assert (one.sets != other.sets).any()


def test_a_sentence_that_many_pairs_share_is_for_training() -> None:
    keys = np.arange(100, dtype=np.int64)
    shared = np.where(keys < MAX_CLUSTER + 1, 0, keys)
    found = split(shared, keys, num_dev=30, num_test=30, seed=1)
    assert not found.sets[: MAX_CLUSTER + 1].any()


def test_held_out_sizes() -> None:
    assert [held_out_size(n) for n in (2_000, 20_000, 200_000, 20_000_000)] == [111, 353, 1118, 2000]
