"""The prior against IBM Model 1 written out, and the loss against its formula."""

import math

import numpy as np
import pytest
import torch

from dragoman.training.corpus.batching import make_batch
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.learning.guided_alignment import NUM_ITERATIONS, AlignmentPrior, alignment_loss
from dragoman.training.learning.translation_table import TranslationTable, learn_translation_table
from tests.pieces import EOS_ID, VOCABULARY
from tests.training.tiny import copy_corpus


def corpus(*pairs: tuple[list[int], list[int]]) -> EncodedCorpus:
    sources, targets = zip(*pairs, strict=True)
    return EncodedCorpus(EncodedSide.pack(sources), EncodedSide.pack(targets), SkippedPairs(), VOCABULARY)


def test_the_posterior_is_the_share_of_each_source_piece() -> None:
    table = TranslationTable(np.array([5, 5, 6]), np.array([7, 8, 7]), np.array([0.2, 0.8, 0.6]))
    batch = make_batch(corpus(([5, 6], [7, 8, 9]), ([6], [7])), np.arange(2))

    posterior = AlignmentPrior(table).of(batch)

    expected = [[[0.25, 0.75], [1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]
    torch.testing.assert_close(posterior, torch.tensor(expected))


def test_a_piece_beyond_the_table_takes_no_other_pieces_place() -> None:
    """Keys are source · targets + target: 5 · 8 + 9 must not be read as 6 · 8 + 1."""
    table = TranslationTable(np.array([5, 6]), np.array([7, 1]), np.array([1.0, 1.0]))
    batch = make_batch(corpus(([5], [9])), np.arange(1))
    assert AlignmentPrior(table).of(batch).sum() == 0


def test_every_known_piece_has_a_distribution_over_the_real_places() -> None:
    pairs = copy_corpus(40)
    batch = make_batch(pairs, np.arange(40))
    posterior = AlignmentPrior.learn(pairs).of(batch)

    torch.testing.assert_close(posterior.sum(dim=2), batch.label_mask.float())
    assert (posterior[~batch.source_mask.unsqueeze(1).expand_as(posterior)] == 0).all()


def test_what_is_learnt_is_the_translation_table() -> None:
    pairs = copy_corpus(40)
    batch = make_batch(pairs, np.arange(40))
    expected = AlignmentPrior(learn_translation_table(pairs, NUM_ITERATIONS)).of(batch)
    assert torch.equal(AlignmentPrior.learn(pairs).of(batch), expected)
    copied = batch.labels != EOS_ID
    where = expected.argmax(dim=2)
    assert (batch.source.gather(1, where) == batch.labels)[batch.label_mask & copied].float().mean() > 0.9


def test_the_loss_is_the_cross_entropy_of_the_mean_over_heads() -> None:
    attention = torch.tensor([[[[0.5, 0.5]], [[0.9, 0.1]]]])  # one sentence, two heads, one target piece, two places
    loss = alignment_loss(attention, torch.tensor([[[0.25, 0.75]]]))
    assert loss.item() == pytest.approx(-0.25 * math.log(0.7) - 0.75 * math.log(0.3))


def test_attention_of_zero_costs_a_bounded_amount() -> None:
    loss = alignment_loss(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[0.0, 1.0]]]))
    assert 10 < loss.item() < 20
