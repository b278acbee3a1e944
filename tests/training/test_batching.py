"""Batches: what must hold for any corpus, and how little padding a realistic one has."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import BOS_ID, EOS_ID, PAD_ID
from training.batching import Batch, EpochBatches, make_batch
from training.corpus import EncodedCorpus, EncodedSide, SkippedPairs

lengths = st.lists(st.tuples(st.integers(2, 30), st.integers(1, 30)), min_size=1, max_size=60)


def corpus_of_lengths(pairs: list[tuple[int, int]]) -> EncodedCorpus:
    """Pair i is nothing but pieces i + 4, so that it can be told from all others."""
    source = EncodedSide.pack([[i + 4] * source for i, (source, _) in enumerate(pairs)])
    target = EncodedSide.pack([[i + 4] * target for i, (_, target) in enumerate(pairs)])
    return EncodedCorpus(source, target, SkippedPairs())


def pair_numbers(batch: Batch) -> list[int]:
    return [int(piece) - 4 for piece in batch.source[:, 0]]


def epoch_order(corpus: EncodedCorpus, *, seed: int = 1, epoch: int = 0, start: int = 0) -> list[list[int]]:
    batches = EpochBatches(corpus, 64, seed=seed, epoch=epoch)
    return [pair_numbers(batch) for batch in batches.iterate(start)]


@given(lengths, st.integers(16, 200), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_an_epoch_has_every_pair_once_within_the_bound(
    pairs: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    corpus = corpus_of_lengths(pairs)
    batches = EpochBatches(corpus, batch_tokens, seed=seed, epoch=epoch)

    seen = []
    places = real = 0
    for batch in batches.iterate():
        numbers = pair_numbers(batch)
        seen.extend(numbers)
        assert len(numbers) == 1 or max(batch.source.numel(), batch.labels.numel()) <= batch_tokens
        assert batch.source_mask.sum(1).tolist() == [pairs[number][0] for number in numbers]
        assert batch.label_mask.sum(1).tolist() == [pairs[number][1] for number in numbers]
        places += batch.source.numel() + batch.labels.numel()
        real += int(batch.source_mask.sum() + batch.label_mask.sum())
    assert sorted(seen) == list(range(len(pairs)))
    assert batches.padding_share() == pytest.approx(1 - real / places)


@given(lengths, st.integers(0, 3), st.integers(0, 3))
@settings(deadline=None)
def test_a_restart_goes_on_with_the_same_rest(pairs: list[tuple[int, int]], seed: int, epoch: int) -> None:
    corpus = corpus_of_lengths(pairs)
    whole = epoch_order(corpus, seed=seed, epoch=epoch)

    assert epoch_order(corpus_of_lengths(pairs), seed=seed, epoch=epoch) == whole
    for start in {0, 1, len(whole) // 2, len(whole)}:
        assert epoch_order(corpus, seed=seed, epoch=epoch, start=start) == whole[start:]


def test_order_hangs_on_seed_and_epoch_and_on_nothing_else() -> None:
    corpus = corpus_of_lengths([(3 + i % 7, 2 + i % 5) for i in range(200)])
    first = epoch_order(corpus)
    torch.manual_seed(7)

    assert epoch_order(corpus) == first
    assert epoch_order(corpus, epoch=1) != first
    assert epoch_order(corpus, seed=2) != first
    assert epoch_order(corpus, seed=2, epoch=0) != epoch_order(corpus, seed=1, epoch=1)


def test_pairs_of_equal_length_get_other_mates_each_epoch() -> None:
    corpus = corpus_of_lengths([(8, 8)] * 64)
    assert {frozenset(batch) for batch in epoch_order(corpus)} != {
        frozenset(batch) for batch in epoch_order(corpus, epoch=1)
    }


def test_lengths_do_not_come_in_order() -> None:
    corpus = corpus_of_lengths([(length, length) for length in range(2, 32) for _ in range(10)])
    longest = [int(batch.labels.shape[1]) for batch in EpochBatches(corpus, 64, seed=1, epoch=0).iterate()]
    assert longest != sorted(longest)
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


def test_a_realistic_corpus_has_little_padding() -> None:
    random = np.random.default_rng(5)
    targets = np.clip(random.lognormal(2.3, 0.55, size=50_000).round(), 1, 100).astype(int)
    sources = np.clip((targets * random.normal(1.0, 0.15, size=targets.size)).round(), 1, 100).astype(int)
    corpus = corpus_of_lengths(list(zip((sources + 2).tolist(), (targets + 1).tolist(), strict=True)))

    assert EpochBatches(corpus, 4096, seed=1, epoch=0).padding_share() < 0.06


@given(
    st.lists(st.tuples(st.lists(st.integers(4, 99), max_size=6), st.lists(st.integers(4, 99), max_size=6)), min_size=1)
)
@settings(max_examples=50, deadline=None)
def test_a_batch_holds_its_pairs_padded_masked_and_shifted(pairs: list[tuple[list[int], list[int]]]) -> None:
    sources = [[99, *source, EOS_ID] for source, _ in pairs]
    targets = [[*target, EOS_ID] for _, target in pairs]
    corpus = EncodedCorpus(EncodedSide.pack(sources), EncodedSide.pack(targets), SkippedPairs())

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
