"""The batches that peers are given: each pair once, within the budget, and padded no more than Dragoman's own."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dragoman.training.corpus.batching import PoolBatches
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from tests.benchmarks.training.batches import batches_by_length
from tests.pieces import VOCABULARY

LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=80)


def padding_share(lengths: list[tuple[int, int]], batches: list[list[int]]) -> float:
    real = sum(map(sum, lengths))
    places = sum(max(lengths[pair][side] for pair in batch) * len(batch) for batch in batches for side in (0, 1))
    return 1 - real / places


def test_pairs_are_sorted_by_target_then_source_and_cut_at_the_budget() -> None:
    lengths = [(5, 4), (3, 2), (9, 9), (2, 2), (4, 4), (20, 3)]
    # 2 × 3 places fit twelve, a third pair of twenty would not; twenty alone is over the budget and stands alone.
    assert batches_by_length(lengths, 12) == [[3, 1], [5], [4, 0], [2]]


@given(LENGTHS, st.integers(1, 100), st.integers())
def test_each_pair_is_in_one_batch_within_the_budget(
    lengths: list[tuple[int, int]], batch_tokens: int, seed: int
) -> None:
    batches = batches_by_length(lengths, batch_tokens, Random(seed))
    assert sorted(pair for batch in batches for pair in batch) == list(range(len(lengths)))
    for batch in batches:
        places = len(batch) * max(max(lengths[pair]) for pair in batch)
        assert places <= batch_tokens or len(batch) == 1


def test_another_seed_gives_another_order() -> None:
    lengths = [(length % 7 + 1, length % 5 + 1) for length in range(60)]
    assert batches_by_length(lengths, 20, Random(1)) != batches_by_length(lengths, 20, Random(2))


def test_peers_get_as_little_padding_as_dragoman() -> None:
    random = Random(1)
    lengths = [(size + random.randint(0, 3), size) for size in (random.randint(3, 30) for _ in range(3000))]
    source, target = (EncodedSide.pack([[5] * pair[side] for pair in lengths]) for side in (0, 1))
    ours = PoolBatches(EncodedCorpus(source, target, SkippedPairs(), VOCABULARY), 1024, seed=(1,))
    theirs = batches_by_length(lengths, 1024, random)
    assert padding_share(lengths, theirs) <= ours.padding_share() + 0.005
    assert len(theirs) <= len(ours) + 1
