"""Traces against the torch network: every attention, every query, key and value, and the probabilities."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dragoman.model.decoding.tracing.trace import trace
from dragoman.model.network.operations import Dropout, TorchOperations, attention_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.weights import StoredTensor, quantize
from tests.model.network.test_variants import make_network
from tests.model.network.variants import VARIANTS

PAIRS = [([5, 6, 7, 3], [2, 9, 8, 11, 4, 20, 7]), ([21], [2]), ([*range(4, 22), 3], [2, *range(4, 20)])]


class Recording(TorchOperations):
    """Torch's operations, which keep what each attention gets and gives."""

    def __init__(self) -> None:
        self.attentions: list[tuple[Tensor, ...]] = []

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
        self.attentions.append((attention_weights(queries, keys, mask), queries, keys, values))
        return super().attend(queries, keys, values, mask, dropout)


def stored_weights(network: Transformer) -> dict[str, StoredTensor]:
    named = network.named_parameters(remove_duplicate=False)
    return {name: StoredTensor(value.detach().numpy()) for name, value in named}


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_a_trace_is_what_the_network_computes(name: str) -> None:
    network = make_network(name)
    weights = stored_weights(network)
    for source, target in PAIRS:
        recording = Recording()
        network.use(recording)
        mask = torch.ones(1, len(source), dtype=torch.bool)
        logits = network(torch.tensor([source]), mask, torch.tensor([target]))[0]
        found = trace(network.config, weights, source, target)
        np.testing.assert_allclose(found.log_probs, logits.log_softmax(dim=-1).numpy(), atol=1e-4)
        num_encoder = network.config.num_encoder_layers
        due = recording.attentions
        assert len(found.decoder) == (0 if "SSRU" in name or name == "Firefox" else network.config.num_decoder_layers)
        in_decoder = [
            attention
            for place, cross in enumerate(found.cross)
            for attention in (*found.decoder[place : place + 1], cross)
        ]
        assert len(due) == num_encoder + len(in_decoder)
        for attention, numbers in zip((*found.encoder, *in_decoder), due, strict=True):
            for mine, torchs in zip(
                (attention.weights, attention.queries, attention.keys, attention.values), numbers, strict=True
            ):
                np.testing.assert_allclose(mine, torchs[0].numpy(), atol=1e-4)


@torch.no_grad()
def test_weights_in_8_bits_count_as_the_numbers_that_they_stand_for() -> None:
    network = make_network("none tied")
    packed = {
        name: quantize(tensor.values) if tensor.values.ndim == 2 else tensor
        for name, tensor in stored_weights(network).items()
    }
    floats = {name: StoredTensor(tensor.as_floats()) for name, tensor in packed.items()}
    source, target = PAIRS[0]
    found = trace(network.config, packed, source, target)
    due = trace(network.config, floats, source, target)
    np.testing.assert_allclose(found.log_probs, due.log_probs, atol=1e-5)
    np.testing.assert_allclose(found.cross[-1].weights, due.cross[-1].weights, atol=1e-5)


def test_no_position_looks_at_a_later_one_and_all_weights_add_up_to_1() -> None:
    network = make_network("pre-norm")
    found = trace(network.config, stored_weights(network), *PAIRS[0])
    for kind in ("encoder", "decoder", "cross"):
        for attention in found.layers(kind):
            np.testing.assert_allclose(attention.weights.sum(axis=2), 1, rtol=1e-5)
    for attention in found.decoder:
        assert not np.triu(attention.weights, k=1).any()
