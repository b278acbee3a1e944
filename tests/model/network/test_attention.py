"""Attention against a NumPy twin of ten lines and against torch's own; position encodings against their formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from dragoman.model.config import ArchitectureConfig
from dragoman.model.config_files import validate_tree
from dragoman.model.network.transformer import MultiHeadAttention

Array = NDArray[np.float64]


def make_attention(**shape: object) -> MultiHeadAttention:
    """Random weights and biases in float64."""
    config = validate_tree(ArchitectureConfig, {"d_model": 12, "num_heads": 3, "d_key": 5, "d_value": 2} | shape)
    attention = MultiHeadAttention(config).double().eval()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_()
    return attention


def twin(attention: MultiHeadAttention, queries: Array, states: Array, mask: NDArray[np.bool_], d_value: int) -> Array:
    """One sentence. queries: [T, d_model]; states: [S, d_model]; mask: [T, S], True where a query may look."""

    def project(layer: nn.Linear, rows: Array) -> Array:
        product: Array = rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        return product

    d_key, contexts = attention.query.out_features // attention.num_heads, []
    q, k, v = project(attention.query, queries), project(attention.key, states), project(attention.value, states)
    for head in range(attention.num_heads):
        of_key, of_value = slice(head * d_key, (head + 1) * d_key), slice(head * d_value, (head + 1) * d_value)
        scores = np.where(mask, q[:, of_key] @ k[:, of_key].T / math.sqrt(d_key), -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        contexts.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, of_value])
    return project(attention.output, np.concatenate(contexts, axis=1))


def attend(attention: MultiHeadAttention, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    attended: Tensor = attention(queries, *attention.project_keys_values(states), mask)
    return attended.detach()


@given(
    num_heads=st.integers(1, 3),
    d_key=st.integers(1, 5),
    d_value=st.integers(1, 5),
    query_length=st.integers(1, 5),
    key_length=st.integers(1, 6),
    seed=st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=30)
def test_equals_the_twin(
    num_heads: int, d_key: int, d_value: int, query_length: int, key_length: int, seed: int
) -> None:
    torch.manual_seed(seed)
    attention = make_attention(num_heads=num_heads, d_key=d_key, d_value=d_value)
    queries, states = (torch.randn(2, length, 12, dtype=torch.float64) for length in (query_length, key_length))
    mask = torch.rand(2, 1, query_length, key_length) < 0.6
    mask[..., 0] = True
    found = attend(attention, queries, states, mask)
    for sentence in range(2):
        due = twin(attention, queries[sentence].numpy(), states[sentence].numpy(), mask[sentence, 0].numpy(), d_value)
        np.testing.assert_allclose(found[sentence].numpy(), due, atol=1e-12)


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_equals_torch_with_the_same_weights(kind: str) -> None:
    torch.manual_seed(1)
    attention = make_attention(num_heads=3, d_key=4, d_value=4)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True, dtype=torch.float64)
    projections = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in projections]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in projections]))
        theirs.out_proj.load_state_dict(attention.output.state_dict())
    queries = torch.randn(3, 5, 12, dtype=torch.float64)
    states = queries if kind == "self" else torch.randn(3, 7, 12, dtype=torch.float64)
    mask = torch.rand(5, states.shape[1]) < 0.5
    mask[:, 0] = True
    due, _ = theirs(queries, states, states, attn_mask=~mask)  # torch's True means hidden
    torch.testing.assert_close(attend(attention, queries, states, mask), due.detach())


def test_what_is_masked_has_no_influence() -> None:
    torch.manual_seed(2)
    attention = make_attention()
    queries, states = torch.randn(1, 2, 12).double(), torch.randn(1, 4, 12).double()
    mask = torch.tensor([True, False, True, False])
    changed = states.clone()
    changed[:, [1, 3]] = 1e6
    torch.testing.assert_close(attend(attention, queries, changed, mask), attend(attention, queries, states, mask))


def test_shapes_of_keys_and_values() -> None:
    keys, values = make_attention().project_keys_values(torch.zeros(2, 7, 12, dtype=torch.float64))
    assert keys.shape == (2, 3, 7, 5)
    assert values.shape == (2, 3, 7, 2)


def test_dropout_is_on_the_weights() -> None:
    torch.manual_seed(3)
    attention = make_attention(attention_dropout=0.5)
    queries, mask = torch.randn(1, 4, 12).double(), torch.ones(4, 4, dtype=torch.bool)
    torch.testing.assert_close(attend(attention, queries, queries, mask), attend(attention, queries, queries, mask))
    attention.train()
    first, second = (attend(attention, queries, queries, mask) for _ in range(2))
    assert not torch.equal(first, second)


def test_the_weights_are_those_of_forward() -> None:
    attention = make_attention()
    queries, states = torch.randn(2, 3, 12).double(), torch.randn(2, 4, 12).double()
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])[:, None, None, :]
    keys, values = attention.project_keys_values(states)

    weights = attention.weights(queries, keys, mask)

    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 3, 3).double())
    assert (weights[1, :, :, 2:] == 0).all()
    context = (weights @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention.output(context), attention(queries, keys, values, mask))
