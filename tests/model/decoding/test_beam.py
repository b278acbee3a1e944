"""The beam step, many slots at once on tensors, against a plain-Python twin that searches one slot on lists."""

import math
import random
from dataclasses import dataclass, fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.config import EOS_ID
from model.decoding.beam import BeamState, beam_step

VOCAB_SIZE = 12
CAPACITY = 7

Tokens = tuple[int, ...]


@dataclass
class Twin:
    """The search of one slot; `live` holds (log probability, pieces), `finished` (score, pieces), both best first."""

    beam_size: int
    max_length: int
    alpha: float
    live: list[tuple[float, Tokens]]
    finished: list[tuple[float, Tokens]]
    num_finished: int = 0
    is_done: bool = False

    def step(self, log_probs: list[list[float]]) -> None:
        extensions = [
            (log_prob + log_probs[beam][piece], (*tokens, piece))
            for beam, (log_prob, tokens) in enumerate(self.live)
            for piece in range(VOCAB_SIZE)
            if log_probs[beam][piece] > -math.inf
        ]
        extensions.sort(reverse=True)
        length = len(self.live[0][1]) + 1
        is_last = length >= self.max_length
        self.live = []
        for rank, (log_prob, tokens) in enumerate(extensions[: 2 * self.beam_size]):
            ends = tokens[-1] == EOS_ID
            if (ends or is_last) and rank < self.beam_size:
                score = log_prob / ((5 + length) / 6) ** self.alpha
                self.finished.append((score, tokens[:-1] if ends else tokens))
                self.num_finished += 1
            if not ends and len(self.live) < self.beam_size:
                self.live.append((log_prob, tokens))
        self.finished.sort(reverse=True)
        self.is_done = is_last or self.num_finished >= self.beam_size or not self.live


@dataclass
class Search:
    """Several slots as tensors and as twins."""

    state: BeamState
    twins: list[Twin]

    @classmethod
    def start(cls, options: list[tuple[int, int, float]], width: int) -> "Search":
        sizes, lengths, alphas = (list(column) for column in zip(*options, strict=True))
        like = torch.zeros((), dtype=torch.float64)
        state = BeamState.start(sizes, lengths, alphas, width=width, capacity=CAPACITY, like=like)
        return cls(state, [Twin(*option, live=[(0.0, ())], finished=[]) for option in options])

    def step(self, log_probs: Tensor) -> None:
        """Steps both, compares what they decided, and lets those that are done go."""
        step = beam_step(log_probs, self.state)
        for slot, twin in enumerate(self.twins):
            parents = [tokens for _, tokens in twin.live]
            twin.step(log_probs[slot].tolist())
            for beam, (_, tokens) in enumerate(twin.live):
                assert step.token_ids[slot, beam] == tokens[-1]
                assert parents[int(step.parents[slot, beam])] == tokens[:-1]
        assert step.is_done.tolist() == [twin.is_done for twin in self.twins]
        assert ((step.parents >= 0) & (step.parents < self.state.width)).all()
        self.state = step.state
        self.check()
        self.keep([slot for slot, twin in enumerate(self.twins) if not twin.is_done])

    def check(self) -> None:
        for slot, twin in enumerate(self.twins):
            state = self.state
            num_dead = state.width - len(twin.live)
            live = [log_prob for log_prob, _ in twin.live]
            assert state.log_probs[slot].tolist() == pytest.approx(live + [-math.inf] * num_dead)
            for beam, (_, tokens) in enumerate(twin.live):
                assert tuple(state.tokens[slot, beam, : int(state.positions[slot])].tolist()) == tokens
            finished = twin.finished[: state.width]
            scores = [score for score, _ in finished] + [-math.inf] * (state.width - len(finished))
            assert state.finished_scores[slot].tolist() == pytest.approx(scores)
            for rank, (_, tokens) in enumerate(finished):
                length = int(state.finished_lengths[slot, rank])
                assert tuple(state.finished_tokens[slot, rank, :length].tolist()) == tokens
            assert state.num_finished[slot] == twin.num_finished

    def keep(self, slots: list[int]) -> None:
        self.state = self.state.select(torch.tensor(slots, dtype=torch.int64))
        self.twins = [self.twins[slot] for slot in slots]


def draw_log_probs(search: Search, chance: random.Random, impossible: float) -> Tensor:
    """Random log probabilities, some of them -inf, with the end of sentence likely enough."""
    shape = (len(search.twins), search.state.width, VOCAB_SIZE)
    generator = torch.Generator().manual_seed(chance.getrandbits(32))
    logits = 2 * torch.randn(shape, dtype=torch.float64, generator=generator)
    logits[..., EOS_ID] += 1
    is_impossible = torch.rand(shape, generator=generator) < impossible
    return logits.log_softmax(dim=-1).masked_fill(is_impossible, -math.inf)


slot_options = st.tuples(st.integers(1, 5), st.integers(1, CAPACITY), st.sampled_from([0.0, 0.6, 1.0, 2.5]))


@given(
    options=st.lists(slot_options, min_size=1, max_size=5),
    wider=st.integers(0, 1),
    impossible=st.sampled_from([0.0, 0.3, 0.8, 0.97]),
    seed=st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=60)
def test_equals_the_twin(options: list[tuple[int, int, float]], wider: int, impossible: float, seed: int) -> None:
    chance = random.Random(seed)
    search = Search.start(options, max(size for size, _, _ in options) + wider)
    for _ in range(CAPACITY):
        search.step(draw_log_probs(search, chance, impossible))
        if not search.twins:
            return
        if chance.random() < 0.3:  # slots change places
            search.keep(chance.sample(range(len(search.twins)), len(search.twins)))
    raise AssertionError("max_length did not end the search")


@given(
    first=st.lists(slot_options, min_size=1, max_size=3),
    second=st.lists(slot_options, min_size=1, max_size=3),
    seed=st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=30)
def test_slots_join_and_widths_change_between_steps(
    first: list[tuple[int, int, float]], second: list[tuple[int, int, float]], seed: int
) -> None:
    chance = random.Random(seed)
    search = Search.start(first, max(size for size, _, _ in first))
    search.step(draw_log_probs(search, chance, 0.0))
    width = max(size for size, _, _ in (*first, *second))
    newcomers = Search.start(second, width)
    search = Search(search.state.resize(width).join(newcomers.state), search.twins + newcomers.twins)
    search.check()
    while search.twins:
        search.step(draw_log_probs(search, chance, 0.1))
        if search.twins:
            search.state = search.state.resize(max(twin.beam_size for twin in search.twins))
            search.check()


def test_select_join_and_resize_by_hand() -> None:
    search = Search.start([(2, 5, 1.0), (1, 4, 0.5), (2, 3, 0.0)], 2)
    search.step(draw_log_probs(search, random.Random(1), 0.0).index_fill(2, torch.tensor([EOS_ID]), -math.inf))
    state = search.state

    def assert_equal(found: BeamState, due: BeamState) -> None:
        for field in fields(BeamState):
            assert torch.equal(getattr(found, field.name), getattr(due, field.name)), field.name

    first, rest = state.select(torch.tensor([0])), state.select(torch.tensor([1, 2]))
    assert first.max_length.tolist() == [5]
    assert rest.max_length.tolist() == [4, 3]
    assert_equal(first.join(rest), state)
    assert_equal(state.select(torch.tensor([2, 0, 1])).select(torch.tensor([1, 2, 0])), state)
    assert_equal(state.resize(2), state)
    assert_equal(state.resize(5).resize(2), state)
    wide = state.resize(4)
    assert wide.width == 4
    assert wide.tokens.shape == wide.finished_tokens.shape == (3, 4, CAPACITY)
    assert (wide.log_probs[:, 2:] == -math.inf).all()
    assert (wide.finished_scores[:, 2:] == -math.inf).all()


def test_a_step_changes_nothing_that_was_given() -> None:
    search = Search.start([(3, 6, 1.0)], 3)
    search.step(draw_log_probs(search, random.Random(2), 0.0))
    state, log_probs = search.state, draw_log_probs(search, random.Random(3), 0.0)
    before = {field.name: getattr(state, field.name).clone() for field in fields(state)}
    log_probs_before = log_probs.clone()
    beam_step(log_probs, state)
    assert torch.equal(log_probs, log_probs_before)
    for name, value in before.items():
        assert torch.equal(getattr(state, name), value), name


def test_greedy_search_by_hand() -> None:
    """Two slots with a beam of one: one ends at its second piece, the other is cut off at its third."""
    search = Search.start([(1, 3, 1.0), (1, 3, 0.0)], 1)
    likeliest = [[7, 5], [EOS_ID, 6], [8]]
    results = []
    for pieces in likeliest:
        logits = torch.zeros(len(pieces), 1, VOCAB_SIZE, dtype=torch.float64)
        for slot, piece in enumerate(pieces):
            logits[slot, 0, piece] = 9.0
        step = beam_step(logits.log_softmax(dim=-1), search.state)
        for slot in step.is_done.nonzero().flatten().tolist():
            length = int(step.state.finished_lengths[slot, 0])
            tokens = step.state.finished_tokens[slot, 0, :length].tolist()
            results.append((tokens, step.state.finished_scores[slot, 0].item()))
        search.state = step.state.select((~step.is_done).nonzero().flatten())
    one = 9 - math.log(math.exp(9) + VOCAB_SIZE - 1)
    assert [tokens for tokens, _ in results] == [[7], [5, 6, 8]]
    assert [score for _, score in results] == pytest.approx([2 * one / (7 / 6), 3 * one])
