"""The recurrent network against its twin in NumPy and torch's own cells, its gradients, and its way into a bundle."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, config_json
from dragoman.model.config import Direction, RecurrentConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.decoding.tracing.trace import trace
from dragoman.model.network.network import num_parameters
from dragoman.model.network.recurrent import EncoderLayer, GRUCell, LSTMCell, RecurrentNetwork
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.parameters import describe_parameters
from dragoman.model.tables import read_table
from dragoman.model.weights import StoredTensor, count_parameters
from tests.model.network.numpy_recurrent import logits_of

VOCABULARY = VocabularyShape(source_size=23, target_size=23, joint=True)
KINDS = list(itertools.product(["lstm", "gru"], ["none", "additive", "multiplicative"]))
PAIRS = [([5, 6, 7, 3], [2, 9, 8, 11, 4, 20, 7]), ([21], [2, 3]), ([*range(4, 18), 3], [2, *range(4, 10)])]


def make_network(cell: str, attention: str, **changes: object) -> RecurrentNetwork:
    """Random weights in float32, none of them zero."""
    torch.manual_seed(0)
    shape = {"d_model": 12, "num_encoder_layers": 2, "num_decoder_layers": 2, "max_source_length": 20} | changes
    keys = {"kind": "recurrent", "max_target_length": 20, "cell": cell, "attention": attention, **shape}
    network = RecurrentNetwork(validate_tree(RecurrentConfig, keys), VOCABULARY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def weights_of(network: RecurrentNetwork) -> dict[str, np.ndarray]:
    return {key: value.detach().numpy() for key, value in network.named_parameters(remove_duplicate=False)}


@pytest.mark.parametrize(("cell", "attention"), KINDS)
@torch.no_grad()
def test_logits_and_attention_are_those_of_the_formulas(cell: str, attention: str) -> None:
    network = make_network(cell, attention, output_bias=True)
    weights = weights_of(network)
    stored = {name: StoredTensor(values.copy()) for name, values in weights.items()}
    network.double()
    for source, target in PAIRS:
        sources, mask = torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool)
        found = network(sources, mask, torch.tensor([target]))[0].numpy()
        due, looked = logits_of(network.config, weights, source, target)
        np.testing.assert_allclose(found, due, rtol=1e-5, atol=2e-6)

        seen: list[torch.Tensor] = []
        network.decode(network.encode(sources, mask), mask, torch.tensor([target]), seen.append)
        assert len(seen) == (attention != "none")
        traced = trace(network.config, stored, source, target)
        log_probs = due - np.log(np.exp(due).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(traced.log_probs, log_probs, rtol=1e-4, atol=1e-4)
        for weights_found in seen:
            np.testing.assert_allclose(weights_found[0, 0].numpy(), np.stack(looked), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(traced.cross[0].weights[0], np.stack(looked), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("cell", "attention"), KINDS)
@torch.no_grad()
def test_padding_changes_nothing(cell: str, attention: str) -> None:
    network = make_network(cell, attention).double()
    longest = max(len(source) for source, _ in PAIRS)
    sources = torch.tensor([[*source, *[0] * (longest - len(source))] for source, _ in PAIRS])
    mask = torch.arange(longest) < torch.tensor([[len(source)] for source, _ in PAIRS])
    targets = torch.tensor([[*target, *[0] * (7 - len(target))] for _, target in PAIRS])
    together = network(sources, mask, targets)
    for number, (source, target) in enumerate(PAIRS):
        alone = network(torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool), torch.tensor([target]))
        torch.testing.assert_close(together[number, : len(target)], alone[0])


@torch.no_grad()
def test_without_attention_the_last_hidden_state_alone_passes() -> None:
    network = make_network("lstm", "none")
    assert network.memory.num_attentions == 0
    source, mask = torch.tensor([[5, 6, 7, 3]]), torch.ones(1, 4, dtype=torch.bool)
    encoded = network.encode(source, mask)
    others = encoded.clone()
    others[:, 1:3] = 9.0  # neither the last state forwards nor the last one backwards
    others[:, 0, :6] = 9.0
    others[:, -1, 6:] = 9.0
    target = torch.tensor([[2, 4, 5]])
    torch.testing.assert_close(network.decode(encoded, mask, target), network.decode(others, mask, target))


@pytest.mark.parametrize(("kind", "theirs"), [(LSTMCell, nn.LSTM(5, 4)), (GRUCell, nn.GRU(5, 4))])
@torch.no_grad()
def test_a_cell_is_torch_s(kind: type[LSTMCell], theirs: nn.LSTM) -> None:
    torch.manual_seed(1)
    cell = kind(5, 4)
    given = {"weight_ih_l0": cell.input.weight, "weight_hh_l0": cell.state.weight, "bias_ih_l0": cell.input.bias}
    theirs.load_state_dict({**given, "bias_hh_l0": torch.zeros_like(cell.input.bias)})
    inputs = torch.randn(3, 6, 5)
    found = cell.read(inputs, torch.ones(3, 6, dtype=torch.bool), backwards=False)
    torch.testing.assert_close(found, theirs(inputs.transpose(0, 1))[0].transpose(0, 1))


@pytest.mark.parametrize(("cell", "attention"), KINDS)
def test_gradients_are_those_of_finite_differences(cell: str, attention: str) -> None:
    network = make_network(cell, attention, d_model=4, num_encoder_layers=1).double()
    source, mask = torch.tensor([[5, 6, 3], [7, 3, 0]]), torch.tensor([[True] * 3, [True, True, False]])
    target, labels = torch.tensor([[2, 9, 8], [2, 4, 7]]), torch.tensor([[9, 8, 3], [4, 7, 3]])

    def loss() -> torch.Tensor:
        return nn.functional.cross_entropy(network(source, mask, target).flatten(0, 1), labels.flatten())

    loss().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        place = int(gradient.abs().argmax())
        before = float(flat[place])
        values = []
        for change in (1e-6, -1e-6):
            flat[place] = before + change
            values.append(loss().item())
        flat[place] = before
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(gradient[place]), rel=1e-4, abs=1e-8), name


@pytest.mark.parametrize("storage", get_args(Storage))
@pytest.mark.parametrize(("cell", "attention"), KINDS)
def test_there_and_back_through_a_bundle(cell: str, attention: str, storage: Storage, tmp_path: Path) -> None:
    network = make_network(cell, attention, tied_embeddings="none", output_bias=True)
    info = BundleConfig(
        name="x",
        directions=(Direction("en", "de"),),
        architecture=network.config,
        vocabulary=VOCABULARY,
        storage=storage,
        num_parameters=num_parameters(network),
    )
    assert read_table(BundleConfig, config_json(info).encode(), "config.json") == info
    assert count_parameters(network.config, VOCABULARY) == num_parameters(network)
    (tmp_path / WEIGHTS_FILE).write_bytes(pack_weights(network, storage))
    kept = dict(load_network(tmp_path, info).named_parameters(remove_duplicate=False))
    described = describe_parameters(network.config, VOCABULARY)
    assert {one.name: one.shape for one in described} == {key: tuple(value.shape) for key, value in kept.items()}
    for key, parameter in network.named_parameters(remove_duplicate=False):
        assert (kept[key] - parameter).abs().max() <= {"float32": 0.0, "float16": 1e-3, "int8": 0.02}[storage], key


def test_dropout_falls_between_layers_and_never_on_the_state() -> None:
    torch.manual_seed(0)
    network = make_network("gru", "none")
    network = RecurrentNetwork(replace(network.config, dropout=0.5), VOCABULARY).train()
    layer = network.encoder_layers[0]
    assert isinstance(layer, EncoderLayer)
    cell = layer.forwards
    inputs, mask = torch.randn(2, 5, 12), torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(
        cell.read(inputs, mask, backwards=False), cell.read(inputs, mask, backwards=False), rtol=0, atol=0
    )
    source = torch.tensor([[5, 6, 7]])
    whole = torch.ones(1, 3, dtype=torch.bool)
    assert not torch.equal(network.encode(source, whole), network.encode(source, whole))
