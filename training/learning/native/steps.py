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
    """Matrices [N, width], one of each position, that lie one after the other."""

    def __init__(self, whole: Tensor, counts: list[int] | None = None) -> None:
        """whole: [T, N, width]; or with the counts of each position's rows [their sum, width]."""
        self.whole = whole
        self.of = whole.unbind() if counts is None else whole.split(counts)
        self.at = [matrix.data_ptr() for matrix in self.of]


def new_track(*shape: int) -> Track:
    return Track(torch.empty(shape, dtype=LOW))


def by_position(states: Tensor) -> Tensor:
    """[N, T, width] -> [T, N, width], or the other way round, in bfloat16."""
    return torch.empty_like(states.transpose(0, 1), dtype=LOW, memory_format=torch.contiguous_format).copy_(
        states.transpose(0, 1)
    )


class Packing:
    """The real positions of sentences without the padding, [total, width]: position by position, the longest sentence
    first, so that those that are still there stand at the beginning."""

    def __init__(self, mask: Tensor) -> None:
        """mask: [N, S], True at real positions; padding is at the end."""
        self.num_sentences, self._length = mask.shape
        order = mask.sum(dim=1).argsort(descending=True, stable=True)
        place, row = mask[order].T.nonzero().unbind(dim=1)
        self.counts: list[int] = mask.sum(dim=0).tolist()
        self._sources = order[row] * self._length + place  # in [N, S]
        self._slots = place * self.num_sentences + row  # in [S, N], the longest sentence first

    def pack(self, states: Tensor) -> Tensor:
        """[N, S, width] -> [total, width] in bfloat16"""
        return states.flatten(0, 1).index_select(0, self._sources).to(LOW)

    def unpack(self, packed: Tensor) -> Tensor:
        """The inverse; 0 at padding."""
        flat = packed.new_zeros(self.num_sentences * self._length, packed.shape[1])
        return flat.index_copy_(0, self._sources, packed).view(self.num_sentences, self._length, -1)

    def pack_slots(self, states: Tensor) -> Tensor:
        """[S, N, width], the longest sentence first -> [total, width]"""
        return states.flatten(0, 1).index_select(0, self._slots)


def project(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addmm(bias, inputs.flatten(0, -2), weight.T).view(*inputs.shape[:-1], -1)


def weight_gradient(of_outputs: Tensor, inputs: Tensor) -> Tensor:
    """Of all positions at once: [out, in]."""
    return (of_outputs.flatten(0, -2).T @ inputs.flatten(0, -2)).float()


def bias_gradient(of_outputs: Tensor) -> Tensor:
    """As a product, which adds up in float32 and reads memory once."""
    rows = of_outputs.flatten(0, -2)
    return (rows.new_ones(1, len(rows)) @ rows).squeeze(0).float()


class Unit:
    """A unit at all positions. It keeps its state before the first position and after each."""

    def __init__(
        self,
        library: Any,
        kind: str,
        projected: Tensor,
        weight: Tensor,
        first: Tensor | None = None,
        packing: Packing | None = None,
        *,
        backwards: bool = False,
    ) -> None:
        """projected: [T, N, gates · H], what its inputs give to the gates, or with a packing [total, gates · H];
        weight: [gates · H, H], from state to gates; first: the state [N, num_states · H], or None for 0."""
        self._forward, self._backward = (getattr(library, f"dragoman_{kind}{way}") for way in ("", "_backward"))
        self._is_lstm, self._weight, self._packing, self._backwards = kind == "lstm", weight, packing, int(backwards)
        self.projected, self._products = self._new_track(projected), self._new_track(torch.empty_like(projected))
        self._counts = [len(rows) for rows in self.projected.of]
        rows = self._counts[0] if packing is None else packing.num_sentences
        self._shape = rows, weight.shape[1]
        shape = (len(self._counts) + 1, *self._shape)
        new = torch.zeros if first is None else torch.empty
        self.hidden = Track(new(shape, dtype=LOW))
        self._memory = Track(new(shape))  # of an LSTM the cell, of a GRU the hidden state in float32
        if first is not None:
            width = weight.shape[1]
            self.hidden.of[0].copy_(first[:, :width])
            self._memory.of[0].copy_(first[:, -width:])

    def _new_track(self, whole: Tensor) -> Track:
        return Track(whole, None if self._packing is None else self._packing.counts)

    def _slots(self, place: int) -> tuple[int, int]:
        """Of the states before and after a position."""
        return place + self._backwards, place + 1 - self._backwards

    def forward(self, place: int) -> None:
        before, after = self._slots(place)
        rows, width = self._counts[place], self._shape[1]
        torch.mm(self.hidden.of[before][:rows], self._weight.T, out=self._products.of[place])
        inputs = (self.projected.at[place], self._products.at[place], self._memory.at[before])
        self._forward(rows, width, *inputs, self._memory.at[after], self.hidden.at[after])

    def begin_backward(self) -> None:
        self.of_projected = self._new_track(torch.empty_like(self.projected.whole))
        self._of_products = self.of_projected
        if not self._is_lstm:
            self._of_products = self._new_track(torch.empty_like(self.projected.whole))
        self._of_hidden = torch.zeros(self._shape, dtype=LOW)  # by way of the next position's product
        self._of_memory = torch.zeros(self._shape)

    def backward(self, place: int, gradient: int, more: int | None = None) -> None:
        """gradient, more: where the gradients [N, H] of the hidden state after this position lie, in bfloat16."""
        before, after = self._slots(place)
        rows, width = self._counts[place], self._shape[1]
        states = (self._products.at[place], self._memory.at[before], self._memory.at[after])
        gradients = (self._of_hidden.data_ptr(), gradient, more, self._of_memory.data_ptr())
        results = (self.of_projected.at[place], self._of_products.at[place])
        self._backward(rows, width, self.projected.at[place], *states, *gradients, *results)
        torch.mm(self._of_products.of[place], self._weight, out=self._of_hidden[:rows])

    def gradient_of_first(self, more: Tensor | None = None) -> Tensor:
        """more: another gradient of the first hidden state."""
        of_hidden = self._of_hidden.float() if more is None else self._of_hidden.float() + more
        return torch.cat((of_hidden, self._of_memory), dim=1) if self._is_lstm else of_hidden + self._of_memory

    def gradient_of_weight(self) -> Tensor:
        return weight_gradient(self._of_products.whole, self.before())

    def before(self) -> Tensor:
        """The hidden states before each position: [T, N, H], or packed."""
        return self._pack(self.hidden.whole[1:] if self._backwards else self.hidden.whole[:-1])

    def after(self) -> Tensor:
        """The hidden states after each position, likewise."""
        return self._pack(self.hidden.whole[:-1] if self._backwards else self.hidden.whole[1:])

    def _pack(self, states: Tensor) -> Tensor:
        return states if self._packing is None else self._packing.pack_slots(states)


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
