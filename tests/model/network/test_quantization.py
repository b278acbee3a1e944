"""Linear layers in 8 bits against the same sums in NumPy's integers, and the network that is made of them."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.network.quantization import CachedLinear, QuantizedLinear, quantize_network, quantize_rows
from dragoman.model.network.transformer import Transformer


def make_linear(num_inputs: int, num_outputs: int, *, has_bias: bool = True, seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    linear = nn.Linear(num_inputs, num_outputs, bias=has_bias)
    with torch.no_grad():
        linear.weight.mul_(torch.rand(num_outputs, 1) * 10)  # rows of different scales
    return linear


def expected(linear: nn.Linear, inputs: Tensor) -> NDArray[np.float64]:
    """[rows, num_outputs]: integers and their sums exactly, the rest in float64. Only what is rounded to an integer is
    computed in float32, as the layer does it."""
    weights, rows = linear.weight.detach().numpy(), inputs.numpy()
    weight_scales = np.abs(weights).max(axis=1) / np.float32(127)
    integers = np.rint(weights / weight_scales[:, None]).astype(object)  # Python's own, of any size
    results = np.zeros((len(rows), len(weights)))
    for index, row in enumerate(rows):
        limit = np.abs(row).max()
        quantized = np.rint(row * (np.float32(127) / limit)).astype(object) if limit > 0 else row.astype(object) * 0
        sums = np.array([sum(int(w) * int(q) for w, q in zip(one, quantized, strict=True)) for one in integers])
        results[index] = sums * weight_scales.astype(np.float64) * (float(limit) / 127)
    if linear.bias is not None:
        results += linear.bias.detach().numpy()
    return results


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("num_inputs", "num_outputs"), [(1, 1), (8, 8), (24, 40), (6, 75), (100, 3), (257, 16)])
def test_a_layer_is_its_sums_of_integers(num_inputs: int, num_outputs: int, has_bias: bool) -> None:
    linear = make_linear(num_inputs, num_outputs, has_bias=has_bias)
    inputs = torch.randn(20, num_inputs) * torch.logspace(-6, 6, 20).unsqueeze(1)
    found = QuantizedLinear(linear)(inputs)
    assert found.dtype == torch.float32
    due = expected(linear, inputs)
    np.testing.assert_allclose(found.numpy(), due, rtol=1e-5, atol=1e-6 * np.abs(due).max(axis=1).min())


def test_it_is_close_to_the_layer_that_it_stands_for() -> None:
    linear = make_linear(64, 48)
    inputs = torch.randn(50, 64)
    with torch.no_grad():
        due = linear(inputs)
        errors = (QuantizedLinear(linear)(inputs) - due).norm(dim=1) / due.norm(dim=1)
    assert 1e-4 < errors.mean() < 0.02


@given(st.integers(0, 2**31), st.integers(1, 9), st.sampled_from([3, 16, 24, 70]))
@settings(deadline=None, max_examples=30)
def test_rows_do_not_influence_each_other(seed: int, num_rows: int, num_inputs: int) -> None:
    layer = QuantizedLinear(make_linear(num_inputs, 20, seed=seed))
    inputs = torch.randn(num_rows, num_inputs)
    together = layer(torch.cat([inputs, 1e6 * torch.randn(2, num_inputs)]))[:num_rows]
    assert torch.equal(together, torch.cat([layer(inputs[row : row + 1]) for row in range(num_rows)]))
    assert torch.equal(together, layer(inputs.flip(0)).flip(0))


def test_any_number_of_dimensions_before_the_last() -> None:
    layer = QuantizedLinear(make_linear(6, 10))
    inputs = torch.randn(2, 3, 4, 6)
    found = layer(inputs)
    assert found.shape == (2, 3, 4, 10)
    assert torch.equal(found.flatten(0, 2), layer(inputs.flatten(0, 2)))


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_row_of_zeros_gives_the_bias(has_bias: bool) -> None:
    linear = make_linear(16, 5, has_bias=has_bias)
    found = QuantizedLinear(linear)(torch.cat([torch.zeros(1, 16), torch.ones(1, 16), -torch.zeros(1, 16)]))
    due = torch.zeros(5) if linear.bias is None else linear.bias.detach()
    assert torch.equal(found[0], due)
    assert torch.equal(found[2], due)


def test_an_output_whose_weights_are_zeros_gives_its_bias() -> None:
    linear = make_linear(16, 5)
    with torch.no_grad():
        linear.weight[2] = 0
    found = QuantizedLinear(linear)(torch.randn(7, 16))
    assert torch.equal(found[:, 2], linear.bias[2].detach().expand(7))
    assert found.isfinite().all()


def test_keys_and_values_are_the_nearest_numbers_of_16_bits() -> None:
    linear = make_linear(24, 40)
    inputs = torch.randn(30, 24) * torch.logspace(-6, 6, 30).unsqueeze(1)
    exact, found = QuantizedLinear(linear)(inputs), CachedLinear(linear)(inputs)
    assert not (found.view(torch.int32) & 0xFFFF).any()
    assert ((found - exact).abs() <= exact.abs() * 2**-8).all()
    assert not torch.equal(found, exact)


def make_network(tied_embeddings: str) -> Transformer:
    torch.manual_seed(0)
    architecture = validate_tree(
        ArchitectureConfig,
        {
            "d_model": 16,
            "d_ff": 24,
            "num_heads": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 2,
            "tied_embeddings": tied_embeddings,
        },
    )
    return Transformer(architecture, VocabularyShape(source_size=30, target_size=30, joint=True)).eval()


@pytest.mark.parametrize("tied_embeddings", ["all", "target", "none"])
def test_a_network_keeps_no_linear_layer_and_embeds_in_8_bits(tied_embeddings: str) -> None:
    network = make_network(tied_embeddings)
    due = {
        name: quantize_rows(getattr(network, name).weight.detach()) for name in ("source_embedding", "target_embedding")
    }
    num_linear = sum(isinstance(module, nn.Linear) for module in network.modules())
    quantized = quantize_network(network)
    assert quantized is network
    assert not any(isinstance(module, nn.Linear) for module in quantized.modules())
    assert sum(isinstance(module, QuantizedLinear) for module in quantized.modules()) == num_linear
    for name, (integers, scales) in due.items():
        assert torch.equal(getattr(quantized, name).weight, integers.float() * scales.unsqueeze(1))


def test_a_network_decodes_nearly_as_before() -> None:
    network = make_network("all")
    quantized = quantize_network(copy.deepcopy(network))
    source, target = torch.randint(4, 30, (5, 7)), torch.randint(4, 30, (5, 6))
    mask = torch.ones_like(source, dtype=torch.bool)
    with torch.inference_mode():
        errors = (quantized(source, mask, target) - network(source, mask, target)).abs()
    assert 1e-4 < errors.mean() < 0.02


def test_only_the_decoder_rounds_its_keys_and_values() -> None:
    network = quantize_network(make_network("all"))
    inputs = torch.randn(1, 4, 16)
    for stack in (network.encoder_layers, network.decoder_layers):
        for layer in stack:
            for name in ("self_attention", "cross_attention"):
                attention = getattr(layer, name, None)
                if attention is not None:
                    for projected in attention.project_keys_values(inputs):
                        is_rounded = torch.equal(projected, projected.bfloat16().float())
                        assert is_rounded == (stack is network.decoder_layers)
                    queries = attention.query(inputs)
                    assert not torch.equal(queries, queries.bfloat16().float())
