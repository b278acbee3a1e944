"""The C++ operations against torch's own, in the bounds of bfloat16, and what their dropout keeps."""

import math
from ctypes import byref

import pytest
import torch
from torch import Tensor, nn

from dragoman.model.network.operations import Dropout, TorchOperations
from dragoman.training.learning.native.library import AttentionShape, load_library
from dragoman.training.learning.native.operations import (
    DeviceOperations,
    NativeOperations,
    check_memory,
    fastest_cross_entropy,
    fastest_operations,
)

LOW = torch.bfloat16
CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(load_library() is None, reason="there is no C++ compiler")


@pytest.fixture(scope="module")
def native() -> NativeOperations:
    return NativeOperations(load_library())


def random(*shape: int, seed: int, dtype: torch.dtype = LOW) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype).requires_grad_()


def projected(num_sentences: int, num_heads: int, length: int, width: int, *, seed: int) -> Tensor:
    """[N, num_heads, length, width] as a projection leaves it."""
    flat = random(num_sentences, length, num_heads * width, seed=seed)
    return flat.view(num_sentences, length, num_heads, width).transpose(1, 2)


def gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Of a weighted sum of the output, whose weights are the same for the same shape."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(9)).to(output.dtype)
    return [gradient.float() for gradient in torch.autograd.grad(output, inputs, weights)]


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Within a few roundings to bfloat16 of the largest number."""
    torch.testing.assert_close(actual.float(), expected.float(), rtol=0.02, atol=0.01 * expected.abs().max().item())


def padding_mask(num_keys: int) -> Tensor:
    lengths = torch.tensor([num_keys, max(1, num_keys // 2), 1])
    return (torch.arange(num_keys) < lengths[:, None])[:, None, None, :]


def causal_mask(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


# Lengths below, at and beyond what a register holds; keys and values of unlike width.
@pytest.mark.parametrize(("num_queries", "num_keys"), [(1, 1), (7, 5), (16, 16), (3, 40), (33, 17)])
@pytest.mark.parametrize(("d_key", "d_value"), [(32, 32), (16, 48)])
def test_attention_and_its_gradients(
    native: NativeOperations, num_queries: int, num_keys: int, d_key: int, d_value: int
) -> None:
    inputs = [
        projected(3, 2, num_queries, d_key, seed=1),
        projected(3, 2, num_keys, d_key, seed=2),
        projected(3, 2, num_keys, d_value, seed=3),
    ]
    exact = [tensor.detach().float().requires_grad_() for tensor in inputs]
    mask, none = padding_mask(num_keys), Dropout(0.0)

    context = native.attend(inputs[0], inputs[1], inputs[2], mask, none)
    expected = TorchOperations().attend(exact[0], exact[1], exact[2], mask, none)

    assert context.dtype == LOW
    assert_near(context, expected)
    for actual, wanted in zip(gradients(context, inputs), gradients(expected, exact), strict=True):
        assert_near(actual, wanted)


def test_causal_attention(native: NativeOperations) -> None:
    inputs = [projected(2, 4, 20, 16, seed=seed) for seed in (1, 2, 3)]
    exact = [tensor.detach().float().requires_grad_() for tensor in inputs]
    context = native.attend(inputs[0], inputs[1], inputs[2], causal_mask(20), Dropout(0.0))
    expected = TorchOperations().attend(exact[0], exact[1], exact[2], causal_mask(20), Dropout(0.0))
    assert_near(context, expected)
    for actual, wanted in zip(gradients(context, inputs), gradients(expected, exact), strict=True):
        assert_near(actual, wanted)


def test_dropout_of_attention_is_the_same_forwards_and_backwards(native: NativeOperations) -> None:
    """Values of one-hot rows show the weights as they were after dropout; torch then computes with the same mask."""
    num_keys, mask = 16, torch.ones(1, 1, 1, 16, dtype=torch.bool)
    queries, keys = projected(5, 2, 16, 16, seed=1), projected(5, 2, num_keys, 16, seed=2)
    values = torch.eye(16, dtype=LOW).repeat(5, 1, 2).unflatten(-1, (2, 16)).transpose(1, 2).requires_grad_()
    torch.manual_seed(4)
    context = native.attend(queries, keys, values, mask, Dropout(0.25).train())

    kept = (context != 0).unflatten(-1, (2, 16)).transpose(1, 2)  # [N, heads, T, S]
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)
    exact = [tensor.detach().float().requires_grad_() for tensor in (queries, keys, values)]
    weights = (exact[0] @ exact[1].transpose(-2, -1) / 4).softmax(dim=-1) * kept / 0.75
    expected = (weights @ exact[2]).transpose(1, 2).flatten(2)
    assert_near(context, expected)
    for actual, wanted in zip(gradients(context, [queries, keys, values]), gradients(expected, exact), strict=True):
        assert_near(actual, wanted)


def test_normalization_and_its_gradients(native: NativeOperations) -> None:
    norm = nn.LayerNorm(48)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, 48))
        norm.bias.copy_(torch.linspace(-1, 1, 48))
    states = random(3, 11, 48, seed=1, dtype=torch.float32)
    parameters = [states, norm.weight, norm.bias]

    normalized, expected = native.normalize(states, norm), norm(states)

    assert normalized.dtype == LOW
    assert_near(normalized, expected)
    for actual, wanted in zip(gradients(normalized, parameters), gradients(expected.to(LOW), parameters), strict=True):
        assert_near(actual, wanted)


def test_a_residual_sum_without_dropout(native: NativeOperations) -> None:
    states, update = random(2, 5, 32, seed=1, dtype=torch.float32), random(2, 5, 32, seed=2)
    total = native.add_dropped(states, update, Dropout(0.5).eval())
    assert torch.equal(total, states + update)
    of_states, of_update = gradients(total, [states, update])
    assert_near(of_update, of_states)


def test_a_residual_sum_drops_and_scales(native: NativeOperations) -> None:
    states, update = torch.zeros(500, 4, 32, requires_grad=True), torch.ones(500, 4, 32, dtype=LOW, requires_grad=True)
    torch.manual_seed(1)
    total = native.add_dropped(states, update, Dropout(0.3).train())
    _, of_update = torch.autograd.grad(total, [states, update], torch.ones_like(total))

    kept = total != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.01)
    torch.testing.assert_close(total[kept], torch.full_like(total[kept], 1 / 0.7))
    assert torch.equal(of_update != 0, kept)


def test_neighbours_rows_and_calls_drop_independently(native: NativeOperations) -> None:
    torch.manual_seed(1)
    dropout, ones = Dropout(0.5).train(), torch.ones(2000, 64, dtype=LOW)
    first, second = ((native.add_dropped(torch.zeros(2000, 64), ones, dropout) > 0).float() for _ in range(2))
    pairs = {
        "neighbours": (first[:, :-1], first[:, 1:]),
        "rows": (first[:-1], first[1:]),
        "calls": (first, second),
    }
    for name, (one, other) in pairs.items():
        correlation = torch.corrcoef(torch.stack((one.flatten(), other.flatten())))[0, 1].item()
        assert abs(correlation) < 0.015, name  # four standard deviations


def test_dropout_hangs_on_torchs_seed(native: NativeOperations) -> None:
    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return native.add_dropped(torch.zeros(9, 64), torch.ones(9, 64, dtype=LOW), Dropout(0.5).train())

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("num_threads", [2, 3])
def test_the_number_of_threads_changes_nothing(native: NativeOperations, num_threads: int) -> None:
    def compute() -> list[Tensor]:
        torch.manual_seed(1)
        norm, dropout = nn.LayerNorm(32), Dropout(0.2).train()
        states = random(4, 37, 32, seed=1, dtype=torch.float32)
        heads = native.normalize(states, norm).unflatten(-1, (2, 16)).transpose(1, 2)
        context = native.attend(heads, heads, heads, causal_mask(37), dropout)
        total = native.add_dropped(states, context, dropout)
        return [total, *torch.autograd.grad(total.sum(), [states, norm.weight, norm.bias])]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = compute()
        torch.set_num_threads(num_threads)
        together = compute()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize(("width", "dtype"), [(16, torch.float32), (12, LOW)])
def test_what_the_library_does_not_take_is_left_to_torch(
    native: NativeOperations, width: int, dtype: torch.dtype
) -> None:
    heads = random(2, 3, 5, width, seed=1, dtype=dtype)
    none = Dropout(0.0)
    expected = TorchOperations().attend(heads, heads, heads, causal_mask(5), none)
    assert torch.equal(native.attend(heads, heads, heads, causal_mask(5), none), expected)


def test_float32_is_left_to_torch() -> None:
    assert type(fastest_operations(CPU, low_precision=False)) is TorchOperations


def test_a_processor_has_the_library_for_low_precision() -> None:
    assert isinstance(fastest_operations(CPU, low_precision=True), NativeOperations)


# Vocabularies that fill whole registers, and that do not; a label in the last place.
@pytest.mark.parametrize("width", [64, 1, 15, 37, 1001])
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_the_cross_entropy_of_a_block(width: int, share: float) -> None:
    cross_entropy = fastest_cross_entropy(CPU, low_precision=True)
    logits = (4 * random(19, width, seed=1)).detach()
    labels = torch.randint(width, (19,), generator=torch.Generator().manual_seed(2))
    labels[0] = width - 1

    gradient, normalizers, log_probs = cross_entropy(logits.clone(), labels, share)

    exact = logits.float().requires_grad_()
    expected = exact.logsumexp(dim=1)
    (expected - share * exact.gather(1, labels[:, None]).squeeze(1)).sum().backward()
    torch.testing.assert_close(normalizers, expected.detach())
    torch.testing.assert_close(log_probs, exact.detach().log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1))
    assert exact.grad is not None
    torch.testing.assert_close(gradient, exact.grad.bfloat16(), rtol=0.01, atol=1e-6)  # one rounding


def test_the_cross_entropy_of_logits_far_apart_is_exact_where_a_probability_is_0() -> None:
    logits = torch.tensor([[0.0, 300.0], [1e30, -1e30], [-1e30, -1e30]], dtype=LOW)
    gradient, normalizers, log_probs = fastest_cross_entropy(CPU, low_precision=True)(
        logits.clone(), torch.tensor([0, 0, 1]), 1.0
    )
    assert log_probs.tolist() == pytest.approx([-300, 0, -math.log(2)], abs=1e-5)
    assert gradient.tolist() == [[-1, 1], [0, 0], [0.5, -0.5]]
    assert normalizers[0].item() == 300


def test_the_cross_entropy_of_nan_is_nan() -> None:
    logits = torch.zeros(2, 20, dtype=LOW)
    logits[1, 18] = torch.nan
    gradient, _, log_probs = fastest_cross_entropy(CPU, low_precision=True)(logits, torch.tensor([0, 0]), 1.0)
    assert log_probs.isnan().tolist() == [False, True]
    assert gradient[1].isnan().all()
    assert not gradient[0].isnan().any()


@pytest.mark.parametrize("function", ["attend", "attend_backward"])
def test_too_little_memory_is_an_error(function: str) -> None:
    shape = AttentionShape(num_sentences=1, num_heads=1, num_queries=1, num_keys=1 << 50, d_key=16, d_value=16)
    inputs, outputs = [None] * 4, [None] * (2 if function == "attend" else 4)
    call = getattr(load_library(), f"dragoman_{function}")
    with pytest.raises(MemoryError, match="an operation needs more memory than there is"):
        check_memory(call(byref(shape), *inputs, 0.0, 0, *outputs))


@pytest.mark.parametrize("mask", [padding_mask(9), causal_mask(9)], ids=["padding", "causal"])
def test_an_accelerator_s_attention_is_torch_s(mask: Tensor) -> None:
    queries, keys, values = (
        random(3, 2, 9, width, seed=seed, dtype=torch.float32) for seed, width in enumerate((16, 16, 24))
    )
    dropout = Dropout(0.3).eval()
    found, expected = (
        kind.attend(queries, keys, values, mask, dropout) for kind in (DeviceOperations(), TorchOperations())
    )
    torch.testing.assert_close(found, expected)
    inputs = [queries, keys, values]
    torch.testing.assert_close(gradients(found, inputs), gradients(expected, inputs))
    assert type(fastest_operations(torch.device("cuda"), low_precision=True)) is DeviceOperations


def test_an_accelerator_s_attention_drops_weights_in_training() -> None:
    queries, keys = (torch.zeros(1, 1, 400, 8) for _ in range(2))
    values = torch.eye(400).view(1, 1, 400, 400)
    mask = torch.ones(1, 1, 1, 400, dtype=torch.bool)
    torch.manual_seed(1)
    kept = DeviceOperations().attend(queries, keys, values, mask, Dropout(0.25)) * 400
    torch.testing.assert_close(kept.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert (kept == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
