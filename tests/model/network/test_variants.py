"""Every variant against the twin in NumPy, its gradients, and its way into a bundle and back."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, config_json
from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.parameters import describe_parameters
from dragoman.model.tables import read_table
from tests.architectures import transformer_shape
from tests.model.network.golden.weights import SOURCES, TARGETS, made_up
from tests.model.network.numpy_network import logits_of
from tests.model.network.variants import VARIANTS

SHAPE: dict[str, object] = {
    "d_model": 12,
    "d_ff": 20,
    "num_heads": 3,
    "d_key": 5,
    "d_value": 2,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "max_source_length": 30,
    "max_target_length": 20,
}
VOCABULARY = VocabularyShape(source_size=23, target_size=23, joint=True)


def make_network(name: str) -> Transformer:
    torch.manual_seed(0)
    network = Transformer(validate_tree(ArchitectureConfig, SHAPE | VARIANTS[name]), VOCABULARY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_logits_are_those_of_the_formulas(name: str) -> None:
    network = make_network(name)
    weights = {key: value.numpy() for key, value in network.named_parameters(remove_duplicate=False)}
    network.double()
    pairs = [([5, 6, 7, 3], [2, 9, 8, 11, 4, 20, 7]), ([21], [2, 3]), ([*range(4, 22), 3], [2, *range(4, 20)])]
    for source, target in pairs:
        sources, mask = torch.tensor([source]), torch.ones(1, len(source), dtype=torch.bool)
        found = network(sources, mask, torch.tensor([target]))[0].numpy()
        np.testing.assert_allclose(found, logits_of(network.config, weights, source, target), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (
            "Marian",
            {
                "normalization": "post",
                "activation": "swish",
                "output_bias": True,
                "positions": "half-split",
            },
        ),
        ("M2M100", VARIANTS["M2M100"]),
        ("mBART", VARIANTS["mBART"] | {"scale_embeddings": False, "output_bias": True}),
    ],
)
@torch.no_grad()
def test_logits_are_those_of_transformers(kind: str, changes: dict[str, object]) -> None:
    sizes = {
        "d_model": 16,
        "d_ff": 24,
        "num_heads": 2,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "max_source_length": 12,
        "max_target_length": 12,
    }
    network = Transformer(validate_tree(ArchitectureConfig, sizes | changes), VOCABULARY).eval()
    for name, parameter in network.named_parameters():
        parameter.copy_(torch.from_numpy(made_up(name, tuple(parameter.shape))))
    network.double()
    due = json.loads((Path(__file__).parent / "golden" / "transformers.json").read_text())[kind]
    for source, target, logits in zip(SOURCES, TARGETS, due, strict=True):
        mask = torch.ones(1, len(source), dtype=torch.bool)
        found = network(torch.tensor([source]), mask, torch.tensor([target]))[0].numpy()
        np.testing.assert_allclose(found, logits, atol=2e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_learns(name: str) -> None:
    network = make_network(name).train()
    source, target = torch.randint(4, 23, (3, 6)), torch.randint(4, 23, (3, 5))
    logits = network(source, torch.ones_like(source, dtype=torch.bool), target)
    logits.log_softmax(dim=-1)[..., 7].sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0 or key.endswith("key.bias"), key  # softmax feels no constant


@pytest.mark.parametrize("storage", get_args(Storage))
@pytest.mark.parametrize("name", VARIANTS)
def test_a_bundle_keeps_the_variant(name: str, storage: Storage, tmp_path: Path) -> None:
    network = make_network(name)
    info = BundleConfig(
        name="test",
        directions=(Direction("en", "de"),),
        architecture=network.config,
        vocabulary=VOCABULARY,
        storage=storage,
        num_parameters=num_parameters(network),
    )
    info = read_table(BundleConfig, config_json(info).encode(), "config.json")
    (tmp_path / WEIGHTS_FILE).write_bytes(pack_weights(network, storage))
    loaded = load_network(tmp_path, info)
    described = describe_parameters(info.architecture, info.vocabulary)
    kept = dict(loaded.named_parameters(remove_duplicate=False))
    assert {one.name: one.shape for one in described} == {key: tuple(value.shape) for key, value in kept.items()}
    for key, parameter in network.named_parameters(remove_duplicate=False):
        error = (kept[key] - parameter).abs().max()
        assert error <= {"float32": 0.0, "float16": 1e-3, "int8": 0.02}[storage], key
    if "learnt" in transformer_shape(info.architecture).positions and storage == "int8":
        assert torch.equal(kept["encoder_positions.weight"], network.encoder_positions.weight)
