"""The operations between the network's matrix products, in torch; training replaces them with faster code."""

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """Zeroes each number with a probability and scales the rest to keep the expectation (Srivastava et al. 2014).

    Torch draws a 64-bit number for each element; on a CPU, with small models, this takes longer than the matrix
    products around it. Here one draw serves four elements, 16 bits each, so the probability is rounded to a 65,536th.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.threshold = min(round(probability * _LEVELS), _LEVELS - 1)  # one more would keep nothing

    def forward(self, states: Tensor) -> Tensor:
        """Any shape, same shape; the identity in evaluation mode."""
        if not self.training or self.threshold == 0:
            return states
        if states.device.type != "cpu":
            return F.dropout(states, self.probability)
        draws = torch.empty(math.ceil(states.numel() / 4), dtype=torch.int64)
        draws.random_(-(2**63), None)  # all 64 bits
        numbers = draws.view(torch.int16)[: states.numel()].view(states.shape)  # with a sign: from -32,768
        kept = numbers >= self.threshold - _LEVELS // 2
        return states * kept.to(states.dtype).mul_(_LEVELS / (_LEVELS - self.threshold))

    def extra_repr(self) -> str:
        return f"probability={self.probability}"


class Operations(Protocol):
    """Shapes: N sentences, T queries, S keys."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
        """softmax(Q Kᵀ / √d_key) V of every head: queries [N, num_heads, T, d_key], keys [N, num_heads, S, d_key],
        values [N, num_heads, S, d_value], mask broadcastable to [N, num_heads, T, S] and True where a query may look
        -> [N, T, num_heads · d_value]. Dropout falls on the weights."""
        ...

    def normalize(self, states: Tensor, norm: nn.LayerNorm) -> Tensor:
        """Layer normalization of [N, length, d_model], in the precision that matrix products take."""
        ...

    def add_dropped(self, states: Tensor, update: Tensor, dropout: Dropout) -> Tensor:
        """states + dropout(update), both [N, length, d_model], in the precision of states."""
        ...


class TorchOperations:
    """On any device, in any precision."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
        """See `Operations`. Written out rather than through torch's scaled_dot_product_attention, whose CPU kernel
        takes several times as long for sentences of ordinary length, in training most of all."""
        return weigh_values(dropout(attention_weights(queries, keys, mask)), values)

    def normalize(self, states: Tensor, norm: nn.LayerNorm) -> Tensor:
        """See `Operations`."""
        return as_products_take_it(norm(states))

    def add_dropped(self, states: Tensor, update: Tensor, dropout: Dropout) -> Tensor:
        """See `Operations`."""
        return states + dropout(update)


def attention_weights(queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    """[N, num_heads, T, S]: how much every query looks at every key; rows add up to 1. Arguments as of
    `Operations.attend`; every query must be allowed to look somewhere."""
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def weigh_values(weights: Tensor, values: Tensor) -> Tensor:
    """The sum of values [N, num_heads, S, d_value] weighted by [N, num_heads, T, S], the heads side by side:
    [N, T, num_heads · d_value]."""
    return (weights @ values).transpose(1, 2).flatten(2)


def as_products_take_it(states: Tensor) -> Tensor:
    """Cast to the autocast dtype once, so that the products that follow need not each cast, there and back for the
    gradient."""
    device = states.device.type
    return states.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else states


def as_sums_take_it(states: Tensor) -> Tensor:
    """In float32 if they have 16 bits."""
    return states.float() if states.dtype in (torch.float16, torch.bfloat16) else states
