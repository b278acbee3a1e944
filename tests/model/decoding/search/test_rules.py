"""Each rule of the search against a slow, obvious twin."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Extensions, PieceLists, Rows
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search.beam import BeamStep
from dragoman.model.decoding.search.rule import SlotRules
from dragoman.model.decoding.search.rules import Rules, coverage_penalty, length_penalty, repeated_pieces
from dragoman.model.decoding.search_options import LengthNormalization, SearchOptions
from tests.pieces import EOS_ID


@given(st.integers(1, 300), st.floats(0, 10))
def test_length_penalty_equals_the_formula(length: int, alpha: float) -> None:
    assert length_penalty(length, alpha, "gnmt") == pytest.approx(math.pow((5 + length) / 6, alpha))
    assert length_penalty(length, alpha, "average") == pytest.approx(math.pow(length, alpha))


@pytest.mark.parametrize(
    ("length", "alpha", "normalization", "penalty"),
    [
        (1, 0.0, "gnmt", 1.0),
        (1, 1.0, "gnmt", 1.0),
        (7, 1.0, "gnmt", 2.0),
        (7, 2.0, "gnmt", 4.0),
        (19, 0.5, "gnmt", 2.0),
        (100, 0.0, "gnmt", 1.0),
        (13, 0.6, "gnmt", 1.9331820),
        (7, 1.0, "average", 7.0),
        (9, 0.5, "average", 3.0),
        (100, 0.0, "average", 1.0),
    ],
)
def test_golden_length_penalties(length: int, alpha: float, normalization: LengthNormalization, penalty: float) -> None:
    assert length_penalty(length, alpha, normalization) == pytest.approx(penalty)


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.lists(st.lists(st.floats(0, 1), min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    st.floats(0, 10),
)
def test_coverage_penalty_equals_the_formula(attention: list[list[float]], beta: float) -> None:
    rows = np.array(attention, np.float32)
    due = 0.0
    for source in range(rows.shape[1]):
        due += math.log(max(min(sum(rows[:, source].tolist()), 1.0), float(np.finfo(np.float32).tiny)))
    assert coverage_penalty(rows, beta) == pytest.approx(beta * due, abs=1e-5)


def test_golden_coverage_penalties() -> None:
    attention = np.array([[0.5, 0.25], [0.75, 0.25]], np.float32)
    assert coverage_penalty(attention, 1.0) == pytest.approx(math.log(0.5))
    assert coverage_penalty(attention, 0.2) == pytest.approx(0.2 * math.log(0.5))
    assert coverage_penalty(np.ones((3, 2), np.float32), 1.0) == 0.0
    assert math.isfinite(coverage_penalty(np.array([[1.0, 0.0]], np.float32), 1.0))


@given(st.lists(st.lists(st.integers(0, 2), max_size=9), min_size=1, max_size=4), st.integers(1, 4))
def test_repeated_pieces_are_those_that_make_an_ngram_occur_twice(pieces: list[list[int]], size: int) -> None:
    longest = max(map(len, pieces))
    padded = np.array([[*tokens, *[0] * (longest - len(tokens))] for tokens in pieces], np.int32)
    lengths = np.array([len(tokens) for tokens in pieces], np.int32)
    rows, banned = repeated_pieces(padded.reshape(len(pieces), longest), lengths, size)
    due = set()
    for row, tokens in enumerate(pieces):
        for piece in range(4):
            extended = [*tokens, piece]
            ngrams = [extended[start : start + size] for start in range(len(extended) - size + 1)]
            if len(extended) >= size and ngrams[-1] in ngrams[:-1]:
                due.add((row, piece))
    assert set(zip(rows.tolist(), banned.tolist(), strict=True)) == due


MAX_SLOTS = 4


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_rules_follow_their_hypotheses_as_a_twin_that_writes_all_of_them_out(seed: int) -> None:
    chance = random.Random(seed)
    rules = Rules(MAX_SLOTS, VocabularyShape(source_size=9, target_size=9, joint=True, eos_id=EOS_ID))
    requests: dict[int, Request] = {}
    live: dict[int, list[list[int]]] = {}
    for step in range(14):
        for slot in set(range(MAX_SLOTS)) - set(live):
            if chance.random() < 0.6:
                options = SearchOptions(
                    beam_size=chance.randint(1, 4),
                    no_repeat_ngram_size=chance.randint(0, 3),
                    min_target_length=chance.randint(1, 4),
                )
                prefix, suppressed = chance.choices(range(4, 8), k=chance.randint(0, 3)), chance.sample(range(4, 9), 2)
                requests[slot] = Request(
                    step, (6,), options, 20, tuple(prefix), tuple(suppressed[: chance.randint(0, 2)])
                )
                live[slot] = [[]]
                rules.begin(slot, SlotRules.of_request(requests[slot], np.zeros(0, np.int32)))
        if not live:
            continue
        rows = make_rows(live)
        ruled = rules.apply(rows)
        hypotheses = [(slot, tokens) for slot in sorted(live) for tokens in live[slot]]
        for row, (slot, tokens) in enumerate(hypotheses):
            request, index = requests[slot], sorted(live).index(slot)
            is_forced = len(tokens) < len(request.prefix_ids)
            assert pieces_of(ruled.wanted, row) == ([request.prefix_ids[len(tokens)]] if is_forced else [])
            assert ruled.num_extensions[index] == (0 if is_forced else rows.num_extensions[index])
            size = request.options.no_repeat_ngram_size
            due = {piece for piece in range(9) if size and repeats([*tokens, piece], size)} | set(
                request.suppressed_ids
            )
            if len(tokens) < request.options.min_target_length:
                due.add(EOS_ID)
            assert pieces_of(ruled.excluded, row) == sorted(due)
        branch(rules, ruled, live, requests, chance)
        for slot in [slot for slot in live if chance.random() < 0.1]:
            rules.remove([slot])
            del live[slot]


def make_rows(live: dict[int, list[list[int]]]) -> Rows:
    slots = sorted(live)
    counts = [len(live[slot]) for slot in slots]
    return Rows(
        slots=np.array(slots, np.int32),
        offsets=np.cumsum([0, *counts]).astype(np.int32),
        positions=np.array([len(live[slot][0]) for slot in slots], np.int32),
        token_ids=np.zeros(sum(counts), np.int32),
        log_probs=np.zeros(sum(counts)),
        ancestry=np.zeros((MAX_SLOTS, 1, 1), np.uint8),
        num_extensions=np.full(len(slots), 8, np.int32),
    )


def branch(
    rules: Rules, rows: Rows, live: dict[int, list[list[int]]], requests: dict[int, Request], chance: random.Random
) -> None:
    """A step in which every hypothesis gets random children, of which some live on; a prefix goes on as it must."""
    shape = (len(live), 8)
    extensions = Extensions(
        np.full(shape, -np.inf),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.full(0 if rows.wanted is None else len(rows.wanted.token_ids), -np.inf),
    )
    lives = np.zeros(shape, np.bool_)
    rules.choose(rows, extensions)
    for index, slot in enumerate(sorted(live)):
        position, prefix = len(live[slot][0]), requests[slot].prefix_ids
        if position < len(prefix):
            assert extensions.log_probs[index].tolist() == [0.0, *[-np.inf] * 7]  # what is impossible adds nothing
            assert extensions.token_ids[index, 0] == prefix[position]
            chosen = [0]
        else:
            for column in range(8):
                extensions.parents[index, column] = chance.randrange(len(live[slot]))
                extensions.token_ids[index, column] = chance.randint(4, 8)
            chosen = sorted(chance.sample(range(8), chance.randint(1, requests[slot].options.beam_size)))
        lives[index, chosen] = True
        live[slot] = [
            [*live[slot][extensions.parents[index, column]], int(extensions.token_ids[index, column])]
            for column in chosen
        ]
    none = np.zeros(len(live), np.int32)
    rules.follow(rows, extensions, BeamStep(np.zeros(shape, np.bool_), lives, none, none > 0))


def pieces_of(lists: PieceLists | None, row: int) -> list[int]:
    found: list[int] = [] if lists is None else lists.token_ids[lists.offsets[row] : lists.offsets[row + 1]].tolist()
    return found


def repeats(tokens: list[int], size: int) -> bool:
    ngrams = [tokens[start : start + size] for start in range(len(tokens) - size + 1)]
    return len(tokens) >= size and ngrams[-1] in ngrams[:-1]


def test_lists_are_ascending_without_repetitions_and_found_again() -> None:
    rows, pieces = np.array([2, 0, 2, 2, 0]), np.array([7, 9, 5, 7, 1])
    lists = PieceLists.from_pairs(rows, pieces, 4)
    assert lists.offsets.tolist() == [0, 2, 2, 4, 4]
    assert lists.token_ids.tolist() == [1, 9, 5, 7]
    assert lists.rows().tolist() == [0, 0, 2, 2]
    assert lists.find(np.array([2, 0]), np.array([7, 9])).tolist() == [3, 1]
    empty = PieceLists.from_pairs(rows[:0], pieces[:0], 2)
    assert (empty.offsets.tolist(), empty.token_ids.tolist()) == ([0, 0, 0], [])
