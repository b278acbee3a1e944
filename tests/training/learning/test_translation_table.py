"""IBM Model 1: against a slow twin, and on the example of the textbooks."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dragoman.training.learning.translation_table
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.learning.translation_table import TranslationTable, learn_translation_table, num_links
from tests.pieces import VOCABULARY

Pairs = list[tuple[list[int], list[int]]]

PAIRS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 9), min_size=1, max_size=5), st.lists(st.integers(0, 12), min_size=1, max_size=5)
    ),
    min_size=1,
    max_size=8,
)


def pack(pairs: Pairs) -> EncodedCorpus:
    sources, targets = zip(*pairs, strict=True)
    return EncodedCorpus(EncodedSide.pack(sources), EncodedSide.pack(targets), SkippedPairs(), VOCABULARY)


def as_dict(table: TranslationTable) -> dict[tuple[int, int], float]:
    keys = zip(table.sources.tolist(), table.targets.tolist(), strict=True)
    return dict(zip(keys, table.probabilities.tolist(), strict=True))


def slow_table(pairs: Pairs, num_iterations: int) -> dict[tuple[int, int], float]:
    """Model 1 as Brown et al. (1993) write it down: p[source, target]."""
    probabilities = {(s, t): 1.0 for source, target in pairs for s in source for t in target}
    for _ in range(num_iterations):
        counts: defaultdict[tuple[int, int], float] = defaultdict(float)
        totals: defaultdict[int, float] = defaultdict(float)
        for source, target in pairs:
            for t in target:
                normalization = sum(probabilities[s, t] for s in source)
                for s in source:
                    counts[s, t] += probabilities[s, t] / normalization
                    totals[s] += probabilities[s, t] / normalization
        probabilities = {(s, t): counts[s, t] / totals[s] for s, t in probabilities}
    return probabilities


@pytest.mark.parametrize("chunk_links", [1, 7, 4_000_000])
@given(pairs=PAIRS, num_iterations=st.integers(1, 3))
def test_it_is_model_1_however_the_corpus_is_divided(chunk_links: int, pairs: Pairs, num_iterations: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dragoman.training.learning.translation_table, "CHUNK_LINKS", chunk_links)
        table = learn_translation_table(pack(pairs), num_iterations)
    keys = list(zip(table.sources.tolist(), table.targets.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert as_dict(table) == pytest.approx(slow_table(pairs, num_iterations), rel=1e-9, abs=1e-12)


def test_it_finds_out_which_word_is_which() -> None:
    das, haus, buch, ein = range(4)
    the, house, book, a = range(4)
    pairs: Pairs = [([das, haus], [the, house]), ([das, buch], [the, book]), ([ein, buch], [a, book])]
    table = as_dict(learn_translation_table(pack(pairs), 20))
    for source, target in ((das, the), (haus, house), (buch, book), (ein, a)):
        assert table[source, target] > 0.9


def test_links_are_counted() -> None:
    assert num_links(pack([([1, 2, 3], [4, 5]), ([1], [2])])).tolist() == [6, 1]
    assert num_links(pack([([1], [2])])).dtype == np.int64
