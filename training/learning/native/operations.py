"""The network's operations through the C++ library, with their gradients."""

from ctypes import byref
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dragoman.model.network.operations import Dropout, Operations, TorchOperations
from dragoman.training.learning.loss import CrossEntropy, torch_cross_entropy
from dragoman.training.learning.native.library import AttentionShape, load_library

NUM_PARTS = 16
"""Parts of a layer normalization's rows, whose gradients are summed part by part whatever the number of threads."""


def fastest_operations(device: torch.device, *, low_precision: bool) -> Operations:
    """The C++ library's operations if available: for bfloat16 on a processor with a compiler. Otherwise torch's, on an
    accelerator with its fused attention."""
    if device.type != "cpu":
        return DeviceOperations()
    if not low_precision:
        return TorchOperations()
    library = load_library()
    return TorchOperations() if library is None else NativeOperations(library)


def fastest_cross_entropy(device: torch.device, *, low_precision: bool) -> CrossEntropy:
    """The C++ library's cross-entropy, as `fastest_operations` chooses; otherwise torch's."""
    library = load_library() if device.type == "cpu" and low_precision else None
    return torch_cross_entropy if library is None else partial(_cross_entropy, library)


def _cross_entropy(library: Any, logits: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """See `CrossEntropy`; logits in bfloat16, which become their gradient."""
    rows, width = logits.shape
    normalizers, label_log_probs = torch.empty(rows), torch.empty(rows)
    places = (tensor.data_ptr() for tensor in (logits, labels.contiguous()))
    results = (normalizers.data_ptr(), label_log_probs.data_ptr())
    check_memory(library.dragoman_cross_entropy(rows, width, *places, share, *results))
    return logits, normalizers, label_log_probs


class DeviceOperations(TorchOperations):
    """On an accelerator, where attention is one kernel that keeps no weights."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
        """See `Operations`."""
        probability = dropout.probability if dropout.training else 0.0
        context = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, dropout_p=probability)
        return context.transpose(1, 2).flatten(2)


class NativeOperations(TorchOperations):
    """Operations in bfloat16 on float32 states; torch computes those that the library does not support.

    Each reads and writes memory once; torch makes several passes. Sums are in float32 and do not depend on the number
    of threads. Dropout draws one number from torch's generator and derives the others from it.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._lanes: int = library.dragoman_lanes()

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
        """See `Operations`."""
        widths = {queries.shape[-1], values.shape[-1]}
        if any(tensor.dtype != torch.bfloat16 for tensor in (queries, keys, values)) or self._are_odd(*widths):
            return super().attend(queries, keys, values, mask, dropout)
        context: Tensor = _Attend.apply(self._library, queries, keys, values, mask, probability_of(dropout))  # type: ignore[no-untyped-call]
        return context

    def normalize(self, states: Tensor, norm: nn.LayerNorm) -> Tensor:
        """See `Operations`."""
        if states.dtype != torch.float32 or self._are_odd(states.shape[-1]):
            return super().normalize(states, norm)
        normalized: Tensor = _Normalize.apply(self._library, states, norm.weight, norm.bias, norm.eps)  # type: ignore[no-untyped-call]
        return normalized

    def add_dropped(self, states: Tensor, update: Tensor, dropout: Dropout) -> Tensor:
        """See `Operations`."""
        precisions = (states.dtype, update.dtype)
        if precisions != (torch.float32, torch.bfloat16) or self._are_odd(states.shape[-1]):
            return super().add_dropped(states, update, dropout)
        total: Tensor = _AddDropped.apply(self._library, states, update, probability_of(dropout))  # type: ignore[no-untyped-call]
        return total

    def _are_odd(self, *widths: int) -> bool:
        """Whether any width does not fill whole registers of the processor."""
        return any(width % self._lanes for width in widths)


def probability_of(dropout: Dropout) -> float:
    return dropout.probability if dropout.training else 0.0


def draw_seed(probability: float) -> int:
    return int(torch.randint(2**63 - 1, ()).item()) if probability else 0


def check_memory(had_memory: int) -> None:
    """Raises MemoryError unless the library got its memory."""
    if not had_memory:
        raise MemoryError("an operation needs more memory than there is")


class _Attend(torch.autograd.Function):
    """Queries, keys and values are laid out as the projections leave them: [N, length, num_heads, width]."""

    @staticmethod
    def forward(
        ctx: Any, library: Any, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, probability: float
    ) -> Tensor:
        num_sentences, num_heads, num_queries, d_key = queries.shape
        num_keys, d_value = values.shape[-2:]
        queries, keys, values = (tensor.transpose(1, 2).contiguous() for tensor in (queries, keys, values))
        mask = mask.expand(num_sentences, 1, num_queries, num_keys)
        mask = mask if mask.stride(3) == 1 else mask.contiguous()
        shape = AttentionShape(
            num_sentences, num_heads, num_queries, num_keys, d_key, d_value, mask.stride(0), mask.stride(2)
        )
        lanes = library.dragoman_lanes()
        weights = torch.empty(num_sentences, num_heads, num_queries, -(-num_keys // lanes) * lanes)
        context = torch.empty(num_sentences, num_queries, num_heads * d_value, dtype=torch.bfloat16)
        seed = draw_seed(probability)
        inputs = (tensor.data_ptr() for tensor in (queries, keys, values, mask))
        outputs = (weights.data_ptr(), context.data_ptr())
        check_memory(library.dragoman_attend(byref(shape), *inputs, probability, seed, *outputs))
        ctx.save_for_backward(queries, keys, values, weights)
        ctx.library, ctx.shape, ctx.dropout = library, shape, (probability, seed)
        return context

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, values, weights = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        results = [torch.empty_like(tensor) for tensor in (queries, keys, values)]
        inputs = (tensor.data_ptr() for tensor in (queries, keys, values, weights))
        outputs = (tensor.data_ptr() for tensor in (gradient, *results))
        check_memory(ctx.library.dragoman_attend_backward(byref(ctx.shape), *inputs, *ctx.dropout, *outputs))
        return None, *(result.transpose(1, 2) for result in results), None, None


class _AddDropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: Any, states: Tensor, update: Tensor, probability: float) -> Tensor:
        states, update = states.contiguous(), update.contiguous()
        total = torch.empty_like(states)
        seed = draw_seed(probability)
        library.dragoman_add_dropped(
            states.numel(), states.data_ptr(), update.data_ptr(), probability, seed, total.data_ptr()
        )
        ctx.library, ctx.dropout = library, (probability, seed)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous()
        update_gradient = torch.empty_like(gradient, dtype=torch.bfloat16)
        ctx.library.dragoman_add_dropped_backward(
            gradient.numel(), gradient.data_ptr(), *ctx.dropout, update_gradient.data_ptr()
        )
        return None, gradient, update_gradient, None


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: Any, states: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        states, weight, bias = states.contiguous(), weight.contiguous(), bias.contiguous()
        width = states.shape[-1]
        rows = states.numel() // width
        normalized = torch.empty_like(states, dtype=torch.bfloat16)
        statistics = torch.empty(rows, 2)
        inputs = (tensor.data_ptr() for tensor in (states, weight, bias))
        library.dragoman_normalize(rows, width, *inputs, epsilon, normalized.data_ptr(), statistics.data_ptr())
        ctx.save_for_backward(states, weight, statistics)
        ctx.library = library
        return normalized

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, statistics = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        rows, width = statistics.shape[0], states.shape[-1]
        states_gradient = torch.empty_like(states)
        sums = torch.empty(2, NUM_PARTS, width)  # of the gradients of weight and bias
        inputs = (tensor.data_ptr() for tensor in (states, weight, statistics, gradient, states_gradient))
        ctx.library.dragoman_normalize_backward(rows, width, *inputs, NUM_PARTS, *(part.data_ptr() for part in sums))
        return None, states_gradient, *sums.sum(dim=1), None
