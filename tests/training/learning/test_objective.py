"""The objective's options against what they mean, on a network without dropout where equality is asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dragoman.training.corpus.batching import Batch, make_batch
from dragoman.training.learning.guided_alignment import AlignmentPrior
from dragoman.training.learning.objective import LossSums, Objective, drop_words
from tests.architectures import as_transformer
from tests.pieces import PAD_ID, UNK_ID
from tests.training.tiny import copy_corpus, tiny_config, tiny_network


def a_batch() -> Batch:
    return make_batch(copy_corpus(6), np.arange(6))


def objective(folder: Path, *, dropout: float = 0.0, prior: AlignmentPrior | None = None, **options: Any) -> Objective:
    config = tiny_config(folder, architecture={"dropout": dropout}, objective=options)
    torch.manual_seed(1)
    return Objective(tiny_network(config).train(), config.objective, low_precision=False, alignment_prior=prior)


def sums(module: Objective) -> LossSums:
    torch.manual_seed(2)
    result: LossSums = module(a_batch())
    return result


def test_the_plain_objective_is_torchs_cross_entropy_of_the_real_labels(tmp_path: Path) -> None:
    module, batch = objective(tmp_path, label_smoothing=0.1), a_batch()
    total, negative_log_likelihood = sums(module)

    logits = module.network(batch.source, batch.source_mask, batch.target_input).transpose(1, 2)
    smoothed = F.cross_entropy(logits, batch.labels, ignore_index=PAD_ID, reduction="sum", label_smoothing=0.1)
    plain = F.cross_entropy(logits, batch.labels, ignore_index=PAD_ID, reduction="sum")
    torch.testing.assert_close(total, smoothed, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(negative_log_likelihood.sum(), plain, rtol=1e-5, atol=1e-4)


def test_a_bias_of_the_output_and_an_ssru_learn_as_torch_learns_them(tmp_path: Path) -> None:
    variant = {"dropout": 0.0, "output_bias": True, "decoder_mixer": "ssru"}
    config = tiny_config(tmp_path, architecture=variant, objective={"label_smoothing": 0.1})
    network, batch = tiny_network(config).train(), a_batch()
    with torch.no_grad():
        network.output_projection.bias.normal_()
    gradients = []
    Objective(network, config.objective, low_precision=False)(batch).total.backward()
    for _ in range(2):
        gradients.append({name: one.grad for name, one in network.named_parameters()})
        network.zero_grad(set_to_none=True)
        logits = network(batch.source, batch.source_mask, batch.target_input).transpose(1, 2)
        F.cross_entropy(logits, batch.labels, ignore_index=PAD_ID, reduction="sum", label_smoothing=0.1).backward()
    for name, found in gradients[0].items():
        assert found is not None
        torch.testing.assert_close(found, gradients[1][name], rtol=1e-4, atol=1e-4)


def test_in_16_bits_an_ssru_learns_nearly_the_same(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, architecture={"dropout": 0.0, "output_bias": True, "decoder_mixer": "ssru"})
    losses = []
    for low_precision in (False, True):
        torch.manual_seed(1)
        module = Objective(tiny_network(config).train(), config.objective, low_precision=low_precision)
        sums(module).total.backward()
        forget = as_transformer(module.network).decoder()[0].ssru.forget.weight
        assert forget.grad is not None
        losses.append((sums(module).total.item(), forget.grad))
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.01)
    assert torch.cosine_similarity(losses[0][1].flatten(), losses[1][1].flatten(), dim=0) > 0.98


def test_r_drop_changes_nothing_where_both_passes_are_the_same(tmp_path: Path) -> None:
    for one, other in zip(sums(objective(tmp_path)), sums(objective(tmp_path, r_drop=5.0)), strict=True):
        torch.testing.assert_close(one, other)


def test_r_drop_adds_the_disagreement_of_two_dropouts(tmp_path: Path) -> None:
    weak, strong = (sums(objective(tmp_path, dropout=0.3, r_drop=strength)) for strength in (1.0, 3.0))
    assert strong.total > weak.total  # the same random numbers: only the divergence counts for more
    torch.testing.assert_close(strong.negative_log_likelihood, weak.negative_log_likelihood)


@pytest.mark.parametrize("option", ["source_word_dropout", "target_word_dropout"])
def test_dropped_words_change_the_loss_but_are_drawn_anew(tmp_path: Path, option: str) -> None:
    options: dict[str, Any] = {option: 0.5}
    module = objective(tmp_path, **options)
    first, again = sums(module), sums(module)
    other: LossSums = module(a_batch())  # other random numbers
    assert first.total == again.total
    assert first.total != other.total
    assert first.total != sums(objective(tmp_path)).total


def test_words_drop_at_their_rate_and_never_the_first() -> None:
    torch.manual_seed(1)
    ids = torch.full((1000, 20), 7)
    dropped = drop_words(ids, 0.2, UNK_ID)
    assert (dropped[:, 0] == 7).all()
    assert set(dropped.unique().tolist()) == {7, UNK_ID}
    assert (dropped[:, 1:] == UNK_ID).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(drop_words(ids, 0.0, UNK_ID), ids)


def test_guided_attention_learns_where_the_lexicon_looks(tmp_path: Path) -> None:
    prior = AlignmentPrior.learn(copy_corpus(300))
    module, batch = objective(tmp_path, prior=prior, guided_alignment=1.0), a_batch()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        total = module(batch).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())

    attention: list[torch.Tensor] = []
    with torch.no_grad():
        encoded = module.network.encode(batch.source, batch.source_mask)
        module.network.decode(encoded, batch.source_mask, batch.target_input, attention.append)
    looks_at, expected = attention[-1].mean(dim=1).argmax(dim=2), prior.of(batch).argmax(dim=2)
    agreement = (looks_at == expected)[batch.label_mask].float().mean().item()
    assert losses[-1] < losses[0] / 2
    assert agreement > 0.8


def test_guidance_counts_once_with_r_drop(tmp_path: Path) -> None:
    prior = AlignmentPrior.learn(copy_corpus(50))
    one, two = (sums(objective(tmp_path, prior=prior, guided_alignment=2.0, r_drop=drop)) for drop in (0.0, 5.0))
    torch.testing.assert_close(one.total, two.total)
    assert one.total > sums(objective(tmp_path)).total
