"""What the network computes between its matrix products, in torch; training may put faster code in its place."""

from typing import Protocol

import torch
from torch import Tensor, nn

from dragoman.model.network.dropout import Dropout


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
        return combine(dropout(attention_weights(queries, keys, mask)), values)

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


def combine(weights: Tensor, values: Tensor) -> Tensor:
    """The values [N, num_heads, S, d_value] as weights [N, num_heads, T, S] weigh them, the heads side by side:
    [N, T, num_heads · d_value]."""
    return (weights @ values).transpose(1, 2).flatten(2)


def as_products_take_it(states: Tensor) -> Tensor:
    """Under autocast in the low precision that each of the several matrix products to come would else convert to by
    itself, there and back again for the gradient."""
    device = states.device.type
    return states.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else states
