"""The parts of recurrent networks at all positions of sentences, and back for the gradients, through the C++ library.

What every position needs by itself is computed for all at once: the inputs' products, and of every weight the gradient.
Between the products of a position stands one function of the library. Matrix products and what they take are in
bfloat16, sums in float32. Everything lies position by position, [T, N, width].
"""

from ctypes import byref
from typing import Any

import torch
from torch import Tensor

from dragoman.training.learning.native.library import Source
from dragoman.training.learning.native.operations import check_memory

LOW = torch.bfloat16


class Track:
    """Matrices [N, width], one of each position."""

    def __init__(self, whole: Tensor) -> None:
        self.whole = whole
        self.of = whole.unbind()
        self.at = [matrix.data_ptr() for matrix in self.of]


def new_track(*shape: int) -> Track:
    return Track(torch.empty(shape, dtype=LOW))


def by_position(states: Tensor) -> Tensor:
    """[N, T, width] -> [T, N, width], or the other way round, in bfloat16."""
    return torch.empty_like(states.transpose(0, 1), dtype=LOW, memory_format=torch.contiguous_format).copy_(
        states.transpose(0, 1)
    )


def project(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addmm(bias, inputs.flatten(0, 1), weight.T).view(*inputs.shape[:2], -1)


def weight_gradient(of_outputs: Tensor, inputs: Tensor) -> Tensor:
    """Of all positions at once: [out, in]."""
    return (of_outputs.flatten(0, 1).T @ inputs.flatten(0, 1)).float()


def bias_gradient(of_outputs: Tensor) -> Tensor:
    """As a product, which adds up in float32 and reads memory once."""
    rows = of_outputs.flatten(0, 1)
    return (rows.new_ones(1, len(rows)) @ rows).squeeze(0).float()


class Unit:
    """A unit at all positions. It keeps its state before the first position and after each."""

    def __init__(
        self, library: Any, kind: str, projected: Tensor, weight: Tensor, first: Tensor | None, lengths: Tensor | None
    ) -> None:
        """projected: [T, N, gates · H], what its inputs give to the gates; weight: [gates · H, H], from state to gates;
        first: the state [N, num_states · H], or None for 0; lengths: of the sentences, [N], if it reads backwards."""
        length, rows, width = *projected.shape[:2], weight.shape[1]
        self._forward, self._backward = (getattr(library, f"dragoman_{kind}{way}") for way in ("", "_backward"))
        self._is_lstm, self._weight, self._lengths = kind == "lstm", weight, lengths
        self._shape = rows, width
        self._backwards = int(lengths is not None)
        self.projected, self._products = Track(projected), Track(torch.empty_like(projected))
        self.hidden = new_track(length + 1, rows, width)
        self._memory = Track(torch.empty(length + 1, rows, width))  # of an LSTM the cell, of a GRU h in float32
        start = length * self._backwards
        self.hidden.of[start].copy_(torch.zeros(()) if first is None else first[:, :width])
        self._memory.of[start].copy_(torch.zeros(()) if first is None else first[:, -width:])

    def _position(self, place: int) -> tuple[int, int, int, int | None]:
        return *self._shape, place, None if self._lengths is None else self._lengths.data_ptr()

    def forward(self, place: int) -> None:
        before, after = place + self._backwards, place + 1 - self._backwards
        torch.mm(self.hidden.of[before], self._weight.T, out=self._products.of[place])
        inputs = (self.projected.at[place], self._products.at[place], self._memory.at[before])
        self._forward(*self._position(place), *inputs, self._memory.at[after], self.hidden.at[after])

    def begin_backward(self) -> None:
        self.of_projected = Track(torch.empty_like(self.projected.whole))
        self._of_products = self.of_projected if self._is_lstm else Track(torch.empty_like(self.projected.whole))
        self._of_hidden = torch.zeros(self._shape, dtype=LOW)  # by way of the next position's product
        self._of_memory = torch.zeros(self._shape)

    def backward(self, place: int, gradient: int, more: int | None = None) -> None:
        """gradient, more: where the gradients [N, H] of the hidden state after this position lie, in bfloat16."""
        before, after = place + self._backwards, place + 1 - self._backwards
        states = (self._products.at[place], self._memory.at[before], self._memory.at[after])
        gradients = (self._of_hidden.data_ptr(), gradient, more, self._of_memory.data_ptr())
        results = (self.of_projected.at[place], self._of_products.at[place])
        self._backward(*self._position(place), self.projected.at[place], *states, *gradients, *results)
        torch.mm(self._of_products.of[place], self._weight, out=self._of_hidden)

    def gradient_of_first(self, more: Tensor | None = None) -> Tensor:
        """more: another gradient of the first hidden state."""
        of_hidden = self._of_hidden.float() if more is None else self._of_hidden.float() + more
        return torch.cat((of_hidden, self._of_memory), dim=1) if self._is_lstm else of_hidden + self._of_memory

    def gradient_of_weight(self) -> Tensor:
        return weight_gradient(self._of_products.whole, self.hidden.whole[1:] if self._backwards else self.before())

    def before(self) -> Tensor:
        """The hidden states before each position, reading forwards: [T, N, H]."""
        return self.hidden.whole[:-1]

    def after(self) -> Tensor:
        """The hidden states after each position."""
        return self.hidden.whole[:-1] if self._backwards else self.hidden.whole[1:]


class Look:
    """Attention of one query of each sentence at every position."""

    def __init__(
        self, library: Any, keys: Tensor, values: Tensor, lengths: Tensor, num_positions: int, score: Tensor | None
    ) -> None:
        """keys, values: [N, S, width]; score: of additive attention, [width] in float32."""
        rows, num_keys, width = keys.shape
        lanes = library.dragoman_lanes()
        self._library, self._length = library, num_positions
        self._keys, self._values, self._lengths, self._score = keys, values, lengths, score  # keeps their memory
        self._source = Source(rows, num_keys, width, lengths.data_ptr())
        places = (keys.data_ptr(), values.data_ptr(), None if score is None else score.data_ptr())
        self._inputs = places
        self._weights = Track(torch.empty(num_positions, rows, -(-num_keys // lanes) * lanes))
        self.contexts = new_track(num_positions, rows, width)

    def forward(self, place: int, queries: int) -> None:
        """queries: where those [N, width] of the position lie."""
        results = (self._weights.at[place], self.contexts.at[place])
        check_memory(self._library.dragoman_look(byref(self._source), queries, *self._inputs, *results))

    def begin_backward(self) -> None:
        self.of_contexts, self.of_queries = (Track(torch.empty_like(self.contexts.whole)) for _ in range(2))
        self._of_scores = Track(torch.empty_like(self._weights.whole))
        self._of_keys = self._of_score = None
        if self._score is not None:
            self._of_keys = torch.zeros(self._keys.shape)
            self._of_score = torch.zeros(self._keys.shape[0], self._keys.shape[2])

    def backward(self, place: int, queries: int) -> None:
        """From of_contexts to of_queries of the position."""
        sums = [None if tensor is None else tensor.data_ptr() for tensor in (self._of_keys, self._of_score)]
        given = (self._weights.at[place], self.of_contexts.at[place])
        results = (self._of_scores.at[place], self.of_queries.at[place], *sums)
        source = byref(self._source)
        check_memory(self._library.dragoman_look_backward(source, queries, *self._inputs, *given, *results))

    def gradients(self, queries: Tensor) -> dict[str, Tensor]:
        """Of keys, values and score. queries: [T, N, width]."""
        found = {"values": self._gather(self._weights, self.of_contexts.whole)}
        if self._of_keys is None or self._of_score is None:
            return found | {"keys": self._gather(self._of_scores, queries)}
        return found | {"keys": self._of_keys.to(LOW), "score": self._of_score.sum(dim=0)}

    def _gather(self, weights: Track, rows: Tensor) -> Tensor:
        """[N, S, width]: Σ weights[t, n, s] rows[t, n] over the positions t."""
        found = torch.empty_like(self._keys)
        places = (weights.whole.data_ptr(), rows.data_ptr(), found.data_ptr())
        check_memory(self._library.dragoman_gather(byref(self._source), self._length, *places))
        return found
