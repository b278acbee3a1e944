"""What networks of every kind have in common: what training, the torch decoder and the bundle need of one.

Shapes: N sentences, R rows, S source positions, T target positions, V target pieces.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dragoman.model.config import Architecture, VocabularyShape
from dragoman.model.network.operations import Operations


class DecoderCache(Protocol):
    """What `decode_step` reads and appends, held by the caller in a layout of its own: keys and values, and the states
    of recurrent units. R rows decode at once."""

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keeps this step's self-attention keys [R, num_heads, 1, d_key] and values [R, num_heads, 1, d_value] of a
        layer. Returns all kept so far, [R, num_heads, length, ...], and a mask [R, 1, 1, length], True where kept."""
        ...

    def last_state(self, layer: int) -> Tensor:
        """The state [R, 1, width] of a recurrent layer after each row's last position; at the first position that of
        `Network.initial_states`, or 0 where there is none."""
        ...

    def keep_state(self, layer: int, state: Tensor) -> None:
        """Keeps this step's state, likewise."""
        ...

    def source(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-attention keys [G, num_heads, S, d_key], values [G, num_heads, S, d_value] and mask [G, 1, 1, S], True
        at real source positions. Row r belongs to source r // (R / G): the rows of a source share one copy."""
        ...

    def attended(self, layer: int, weights: Tensor) -> None:
        """Takes a layer's cross-attention weights [G, num_heads, R / G, S]."""
        ...


class MemoryShape(NamedTuple):
    """What a decoder keeps of each position.

    num_attentions, num_heads, d_key, d_value: of the attentions whose keys and values are kept.
    state_widths: of the states of the recurrent layers.
    begins_with_states: whether the source says what these are at the first position; otherwise they are 0.
    """

    num_attentions: int
    num_heads: int
    d_key: int
    d_value: int
    state_widths: tuple[int, ...] = ()
    begins_with_states: bool = False


class Network(nn.Module, ABC):
    """A network that writes a target piece by piece: `encode`, `decode` over whole targets, `decode_step` for one
    position. It has no notion of beams, requests or the end of a sentence, and keeps no state between calls."""

    config: Architecture
    vocabulary: VocabularyShape
    target_embedding: nn.Embedding
    output_projection: nn.Linear

    @property
    @abstractmethod
    def memory(self) -> MemoryShape:
        """What a decoder keeps."""

    @property
    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The modules that are called as a whole, of which a process may hold a part."""

    @abstractmethod
    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """source [N, S] piece ids, source_mask [N, S] True at real pieces -> encoder states [N, S, d_model]."""

    @abstractmethod
    def decode(
        self,
        encoded: Tensor,
        source_mask: Tensor,
        target_input: Tensor,
        attended: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """encoded [N, S, d_model], source_mask [N, S], target_input [N, T] -> decoder states [N, T, d_model].
        `attended` takes each layer's cross-attention weights [N, num_heads, T, S], from the first to the last.

        No target mask is needed: padding stands at the end, and no position looks at a later one.
        """

    @abstractmethod
    def decode_step(self, token_ids: Tensor, positions: Tensor, cache: DecoderCache) -> Tensor:
        """One position of R rows: token_ids [R], positions [R], each row's own (rows may be at different places)
        -> logits [R, V]. The cache holds the past and takes this step's."""

    @abstractmethod
    def project_source(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Every cross-attention's keys and values of encoder states [N, S, d_model], computed once."""

    def initial_states(self, encoded: Tensor, source_mask: Tensor) -> list[Tensor]:
        """The states [N, width] of the recurrent layers at the first position, if the source says what they are."""
        return []

    def use(self, operations: Operations) -> None:
        """Replaces the code between the matrix products, if there is a faster one for this kind of network."""

    def forward(self, source: Tensor, source_mask: Tensor, target_input: Tensor) -> Tensor:
        """Teacher forcing: source [N, S], source_mask [N, S] True at real pieces, target_input [N, T] beginning with
        the start id -> logits [N, T, V] of the piece that follows each position."""
        decoded = self.decode(self.encode(source, source_mask), source_mask, target_input)
        logits: Tensor = self.output_projection(decoded)
        return logits


def num_parameters(network: nn.Module) -> int:
    """Trainable numbers, tied matrices counted once."""
    return sum(parameter.numel() for parameter in network.parameters())


def pad_batch(sequences: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """Sequences of piece ids -> [num_sequences, longest] int64, padded at the end."""
    longest = max(map(len, sequences))
    return torch.tensor([[*ids, *[pad_id] * (longest - len(ids))] for ids in sequences])
