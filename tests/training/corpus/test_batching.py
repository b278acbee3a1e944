"""Batches: what must hold for any corpus, and how little padding a realistic one has."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Event

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.batching import Batch, BatchStream, PoolBatches, Position, make_batch
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from tests.pieces import BOS_ID, EOS_ID, PAD_ID, VOCABULARY

lengths = st.lists(st.tuples(st.integers(2, 30), st.integers(1, 30)), min_size=1, max_size=60)


def corpus_of_lengths(pairs: list[tuple[int, int]]) -> EncodedCorpus:
    """Pair i is nothing but pieces i + 4, so that it can be told from all others."""
    source = EncodedSide.pack([[i + 4] * source for i, (source, _) in enumerate(pairs)])
    target = EncodedSide.pack([[i + 4] * target for i, (_, target) in enumerate(pairs)])
    return EncodedCorpus(source, target, SkippedPairs(), VOCABULARY)


def pair_numbers(batch: Batch) -> list[int]:
    return [int(piece) - 4 for piece in batch.source[:, 0]]


def epoch_order(corpus: EncodedCorpus, *, seed: int = 1, epoch: int = 0) -> list[list[int]]:
    """The pairs of each batch of an epoch."""
    stream = BatchStream(corpus, 64, seed=seed).batches(Position(epoch))
    order = []
    for planned, position in stream:
        order.append(pair_numbers(planned.make()))
        if position.epoch > epoch:
            return order
    raise AssertionError("the stream ended")


@dataclass(frozen=True)
class FewAtATime:
    """A corpus in pools of some pairs, in the order of the epoch's random permutation."""

    corpus: EncodedCorpus
    pool_size: int

    def pools(self, *, seed: int, epoch: int) -> list[Callable[[], EncodedCorpus]]:
        order = np.random.default_rng((seed, epoch)).permutation(len(self.corpus))
        return [
            partial(choose, self.corpus, order[start : start + self.pool_size])
            for start in range(0, len(order), self.pool_size)
        ]


def choose(corpus: EncodedCorpus, indices: NDArray[np.int64]) -> EncodedCorpus:
    return EncodedCorpus(corpus.source.choose(indices), corpus.target.choose(indices), SkippedPairs(), VOCABULARY)


@given(lengths, st.integers(16, 200), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_a_pool_has_every_pair_once_within_the_bound(
    pairs: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    corpus = corpus_of_lengths(pairs)
    batches = PoolBatches(corpus, batch_tokens, seed=(seed, epoch))

    seen = []
    places = real = 0
    for planned in batches:
        batch = planned.make()
        numbers = pair_numbers(batch)
        seen.extend(numbers)
        assert len(numbers) == 1 or max(batch.source.numel(), batch.labels.numel()) <= batch_tokens
        assert batch.source_mask.sum(1).tolist() == [pairs[number][0] for number in numbers]
        assert batch.label_mask.sum(1).tolist() == [pairs[number][1] for number in numbers]
        assert planned.num_target_tokens == batch.num_target_tokens
        places += batch.source.numel() + batch.labels.numel()
        real += int(batch.source_mask.sum() + batch.label_mask.sum())
    assert sorted(seen) == list(range(len(pairs)))
    assert batches.padding_share() == pytest.approx(1 - real / places)


@given(lengths, st.integers(1, 25), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_a_stream_goes_on_from_any_position_with_the_same_rest(
    pairs: list[tuple[int, int]], pool_size: int, seed: int
) -> None:
    stream = BatchStream(FewAtATime(corpus_of_lengths(pairs), pool_size), 64, seed=seed)
    whole: list[tuple[list[int], Position]] = []
    for planned, position in stream.batches(Position()):
        whole.append((pair_numbers(planned.make()), position))
        if position == Position(epoch=2):
            break

    assert Counter(number for numbers, _ in whole for number in numbers) == Counter([*range(len(pairs))] * 2)
    assert [position for _, position in whole] == sorted(
        {position for _, position in whole}, key=lambda place: (place.epoch, place.pool, place.batch)
    )
    for done in {1, len(whole) // 3, len(whole) // 2, len(whole) - 1} - {0, len(whole)}:
        rest = [
            (pair_numbers(planned.make()), position)
            for planned, position in islice(stream.batches(whole[done - 1][1]), len(whole) - done)
        ]
        assert rest == whole[done:]


def test_positions_count_batches_in_pools_in_epochs() -> None:
    corpus = corpus_of_lengths([(8, 8)] * 40)  # eight pairs to a batch of 64
    stream = BatchStream(FewAtATime(corpus, 24), 64, seed=1).batches(Position())

    positions = [position for _, position in islice(stream, 6)]
    assert positions == [
        Position(0, 0, 1),
        Position(0, 0, 2),
        Position(0, 1, 0),
        Position(0, 1, 1),
        Position(1, 0, 0),
        Position(1, 0, 1),
    ]


def test_the_next_pool_is_read_while_one_is_trained_on() -> None:
    """And no more than that one, or memory would grow."""
    corpus = corpus_of_lengths([(8, 8)] * 8)
    was_read = [Event() for _ in range(4)]

    class Watched:
        def pools(self, *, seed: int, epoch: int) -> list[Callable[[], EncodedCorpus]]:
            def read(number: int) -> EncodedCorpus:
                assert threading.current_thread() is not threading.main_thread()
                was_read[number].set()
                return corpus

            return [partial(read, number) for number in range(4)]

    stream = BatchStream(Watched(), 64, seed=1).batches(Position())
    next(stream)

    assert was_read[1].wait(timeout=60)
    next(stream)
    assert was_read[2].wait(timeout=60)
    assert not was_read[3].is_set()
    stream.close()


def test_what_a_pool_fails_with_reaches_the_reader() -> None:
    class Broken:
        def pools(self, *, seed: int, epoch: int) -> list[Callable[[], EncodedCorpus]]:
            def read() -> EncodedCorpus:
                raise InvalidInputError("the file is gone")

            return [lambda: corpus_of_lengths([(2, 2)]), read]

    stream = BatchStream(Broken(), 64, seed=1).batches(Position())
    next(stream)
    with pytest.raises(InvalidInputError, match="the file is gone"):
        next(stream)


def test_order_hangs_on_seed_and_epoch_and_on_nothing_else() -> None:
    corpus = corpus_of_lengths([(3 + i % 7, 2 + i % 5) for i in range(200)])
    first = epoch_order(corpus)
    torch.manual_seed(7)

    assert epoch_order(corpus) == first
    assert epoch_order(corpus, epoch=1) != first
    assert epoch_order(corpus, seed=2) != first
    assert epoch_order(corpus, seed=2, epoch=0) != epoch_order(corpus, seed=1, epoch=1)


def test_the_order_is_the_one_that_runs_were_begun_with() -> None:
    """A golden value: were it another, a run could not be resumed with a newer release."""
    corpus = corpus_of_lengths([(3 + i % 3, 2 + i % 2) for i in range(24)])
    assert epoch_order(corpus) == [
        [21, 15, 3, 9, 1, 7, 13, 19, 17, 23, 11, 5],
        [12, 0, 18, 6, 16, 22, 10, 4, 20, 2, 8, 14],
    ]


def test_pairs_of_equal_length_get_other_mates_each_epoch() -> None:
    corpus = corpus_of_lengths([(8, 8)] * 64)
    assert {frozenset(batch) for batch in epoch_order(corpus)} != {
        frozenset(batch) for batch in epoch_order(corpus, epoch=1)
    }


def test_lengths_do_not_come_in_order() -> None:
    corpus = corpus_of_lengths([(length, length) for length in range(2, 32) for _ in range(10)])
    longest = [int(planned.make().labels.shape[1]) for planned in PoolBatches(corpus, 64, seed=(1,))]
    assert longest != sorted(longest)
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


def test_a_realistic_corpus_has_little_padding() -> None:
    random = np.random.default_rng(5)
    targets = np.clip(random.lognormal(2.3, 0.55, size=50_000).round(), 1, 100).astype(int)
    sources = np.clip((targets * random.normal(1.0, 0.15, size=targets.size)).round(), 1, 100).astype(int)
    corpus = corpus_of_lengths(list(zip((sources + 2).tolist(), (targets + 1).tolist(), strict=True)))

    assert PoolBatches(corpus, 4096, seed=(1,)).padding_share() < 0.06


@given(
    st.lists(st.tuples(st.lists(st.integers(4, 99), max_size=6), st.lists(st.integers(4, 99), max_size=6)), min_size=1)
)
@settings(max_examples=50, deadline=None)
def test_a_batch_holds_its_pairs_padded_masked_and_shifted(pairs: list[tuple[list[int], list[int]]]) -> None:
    sources = [[99, *source, EOS_ID] for source, _ in pairs]
    targets = [[*target, EOS_ID] for _, target in pairs]
    corpus = EncodedCorpus(EncodedSide.pack(sources), EncodedSide.pack(targets), SkippedPairs(), VOCABULARY)

    batch = make_batch(corpus, np.arange(len(pairs))[::-1].copy())

    for row, (source, target) in enumerate(zip(reversed(sources), reversed(targets), strict=True)):
        assert batch.source[row][batch.source_mask[row]].tolist() == source
        assert batch.labels[row][batch.label_mask[row]].tolist() == target
        assert batch.target_input[row, : len(target)].tolist() == [BOS_ID, *target[:-1]]
        assert set(batch.source[row, len(source) :].tolist()) <= {PAD_ID}
        assert set(batch.labels[row, len(target) :].tolist()) <= {PAD_ID}
    assert batch.num_target_tokens == sum(map(len, targets))
    assert batch.target_input.shape == batch.labels.shape == batch.label_mask.shape
    assert batch.source.dtype == batch.target_input.dtype == batch.labels.dtype == torch.int64


def test_a_batch_moves_as_a_whole() -> None:
    batch = make_batch(corpus_of_lengths([(3, 2)]), np.array([0])).to(torch.device("meta"))
    tensors = (batch.source, batch.source_mask, batch.target_input, batch.labels, batch.label_mask)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert batch.num_target_tokens == 2
