"""The encoder–decoder Transformer (Vaswani et al. 2017), readable from top to bottom.

Shapes in comments: N sentences or rows, S source positions, T target positions, V target pieces.
The network has no notion of beams, requests or the end of a sentence, and keeps no state between calls.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.network.operations import (
    Dropout,
    Operations,
    TorchOperations,
    as_products_take_it,
    attention_weights,
    weigh_values,
)
from dragoman.model.parameters import LAYER_NORM_EPSILON, position_encodings


class DecoderCache(Protocol):
    """The keys and values that `decode_step` reads and appends, held by the caller in a layout of its own. R rows
    decode
    at once."""

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keeps this step's self-attention keys [R, num_heads, 1, d_key] and values [R, num_heads, 1, d_value] of a
        layer. Returns all kept so far, [R, num_heads, length, ...], and a mask [R, 1, 1, length], True where kept."""
        ...

    def source(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-attention keys [G, num_heads, S, d_key], values [G, num_heads, S, d_value] and mask [G, 1, 1, S], True
        at real source positions. Row r belongs to source r // (R / G): the rows of a source share one copy."""
        ...

    def attended(self, layer: int, weights: Tensor) -> None:
        """Takes a layer's cross-attention weights [G, num_heads, R / G, S]."""
        ...


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ / √d_key) V in every head, the heads concatenated and projected back to d_model.

    `d_key` and `d_value` are free: neither must equal the other nor d_model / num_heads. Self-attention and
    cross-attention are this one module; they differ only in where the keys and values come from, so the caller
    projects those itself (`project_keys_values`) and may keep them.
    """

    operations: Operations = TorchOperations()

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query = nn.Linear(config.d_model, config.num_heads * config.d_key)
        self.key = nn.Linear(config.d_model, config.num_heads * config.d_key)
        self.value = nn.Linear(config.d_model, config.num_heads * config.d_value)
        self.output = nn.Linear(config.num_heads * config.d_value, config.d_model)
        self.dropout = Dropout(config.attention_dropout)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Attends from every query position to the given keys.

        queries: [N, query_length, d_model], not yet projected.
        keys, values: [N, num_heads, key_length, d_key] and [..., d_value], from `project_keys_values`.
        mask: broadcastable to [N, num_heads, query_length, key_length], True where a query may look; every query must
            be allowed to look somewhere.
        Returns [N, query_length, d_model].
        """
        return self.output(
            self.operations.attend(self._split_heads(self.query(queries)), keys, values, mask, self.dropout)
        )

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """How much every query looks at every key, in every head: [N, num_heads, query_length, key_length], whose rows
        add up to 1; the arguments as for `forward`."""
        return attention_weights(self._split_heads(self.query(queries)), keys, mask)

    def weigh_values(self, weights: Tensor, values: Tensor) -> Tensor:
        """The sum of values weighted by `weights`, projected back to d_model: [N, query_length, d_model]."""
        return self.output(weigh_values(self.dropout(weights), values))

    def project_keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """[N, length, d_model] -> keys [N, num_heads, length, d_key] and values [N, num_heads, length, d_value]."""
        return self._split_heads(self.key(states)), self._split_heads(self.value(states))

    def _split_heads(self, projected: Tensor) -> Tensor:
        """[N, length, num_heads · d] -> [N, num_heads, length, d]"""
        return projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """max(0, x W₁ + b₁) W₂ + b₂ at every position."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.feed_forward_dropout)

    def forward(self, states: Tensor) -> Tensor:
        """[N, length, d_model] -> [N, length, d_model]"""
        return self.outer(self.dropout(F.relu(self.inner(states))))


class Residual(nn.Module):
    """The frame around each sublayer: x + sublayer(norm(x)) in pre-norm, norm(x + sublayer(x)) in post-norm."""

    operations: Operations = TorchOperations()

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model, LAYER_NORM_EPSILON)
        self.dropout = Dropout(config.dropout)
        self.pre_norm = config.normalization == "pre"

    def forward(self, states: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """[N, length, d_model] -> [N, length, d_model]"""
        operations = self.operations
        if self.pre_norm:
            return operations.add_dropped(states, sublayer(operations.normalize(states, self.norm)), self.dropout)
        return self.norm(operations.add_dropped(states, sublayer(as_products_take_it(states)), self.dropout))


class EncoderLayer(nn.Module):
    """Self-attention over the whole source, then the feed-forward network."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.self_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(self, states: Tensor, source_mask: Tensor) -> Tensor:
        """states [N, S, d_model], source_mask [N, 1, 1, S] -> [N, S, d_model]"""

        def attend(states: Tensor) -> Tensor:
            keys, values = self.self_attention.project_keys_values(states)
            return self.self_attention(states, keys, values, source_mask)

        states = self.self_attention_residual(states, attend)
        return self.feed_forward_residual(states, self.feed_forward)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source, then the feed-forward network."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.self_attention_residual = Residual(config)
        self.cross_attention = MultiHeadAttention(config)
        self.cross_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self,
        states: Tensor,
        causal_mask: Tensor,
        encoded: Tensor,
        source_mask: Tensor,
        attended: Callable[[Tensor], None] | None,
    ) -> Tensor:
        """All positions at once: states [N, T, d_model], causal_mask [T, T], encoded [N, S, d_model], source_mask
        [N, 1, 1, S] -> [N, T, d_model]. `attended` takes the cross-attention weights [N, num_heads, T, S]."""

        def attend_to_target(states: Tensor) -> Tensor:
            keys, values = self.self_attention.project_keys_values(states)
            return self.self_attention(states, keys, values, causal_mask)

        def attend_to_source(states: Tensor) -> Tensor:
            keys, values = self.cross_attention.project_keys_values(encoded)
            if attended is None:
                return self.cross_attention(states, keys, values, source_mask)
            weights = self.cross_attention.weights(states, keys, source_mask)
            attended(weights)
            return self.cross_attention.weigh_values(weights, values)

        states = self.self_attention_residual(states, attend_to_target)
        states = self.cross_attention_residual(states, attend_to_source)
        return self.feed_forward_residual(states, self.feed_forward)

    def step(self, states: Tensor, layer: int, cache: DecoderCache) -> Tensor:
        """One position of R rows: [R, 1, d_model] -> [R, 1, d_model]; keys and values of the past are in the cache."""

        def attend_to_target(states: Tensor) -> Tensor:
            keys, values, mask = cache.append(layer, *self.self_attention.project_keys_values(states))
            return self.self_attention(states, keys, values, mask)

        def attend_to_source(states: Tensor) -> Tensor:
            keys, values, mask = cache.source(layer)
            # The rows of one source stand side by side as the queries of a single attention: [G, R / G, d_model].
            queries = states.view(keys.shape[0], -1, states.shape[-1])
            weights = self.cross_attention.weights(queries, keys, mask)
            cache.attended(layer, weights)
            return self.cross_attention.weigh_values(weights, values).view_as(states)

        states = self.self_attention_residual(states, attend_to_target)
        states = self.cross_attention_residual(states, attend_to_source)
        return self.feed_forward_residual(states, self.feed_forward)


class Transformer(nn.Module):
    """The encoder–decoder network: `encode`, `forward` over whole targets, `decode_step` for one position."""

    def __init__(self, config: ArchitectureConfig, vocabulary: VocabularyShape) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.source_embedding = nn.Embedding(vocabulary.source_size, config.d_model)
        self.target_embedding = nn.Embedding(vocabulary.target_size, config.d_model)
        self.output_projection = nn.Linear(config.d_model, vocabulary.target_size, bias=False)
        self.embedding_dropout = Dropout(config.dropout)
        self.encoder_layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_encoder_layers))
        self.decoder_layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_decoder_layers))
        # In pre-norm nothing has normalized the last residual sum yet; in post-norm the last layer has.
        pre_norm = config.normalization == "pre"
        self.encoder_norm = nn.LayerNorm(config.d_model, LAYER_NORM_EPSILON) if pre_norm else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.d_model, LAYER_NORM_EPSILON) if pre_norm else nn.Identity()
        self.register_buffer("position_encodings", torch.from_numpy(position_encodings(config)), persistent=False)
        self.position_encodings: Tensor
        self._initialize()
        if config.tied_embeddings in ("target", "all"):
            self.target_embedding.weight = self.output_projection.weight
        if config.tied_embeddings == "all":
            self.source_embedding.weight = self.output_projection.weight

    def _initialize(self) -> None:
        """Glorot-uniform weights and zero biases; embeddings N(0, 1 / d_model), so that scaled by √d_model they have
        unit variance and, tied to the output, give logits of unit variance."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for weight in (self.source_embedding.weight, self.target_embedding.weight, self.output_projection.weight):
            nn.init.normal_(weight, std=self.config.d_model**-0.5)

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """source [N, S] piece ids, source_mask [N, S] True at real pieces -> encoder states [N, S, d_model]."""
        states = self._embed(self.source_embedding, source, self.position_encodings[: source.shape[1]])
        mask = source_mask[:, None, None, :]
        for layer in self.encoder_layers:
            states = layer(states, mask)
        return self.encoder_norm(states)

    def decode(
        self,
        encoded: Tensor,
        source_mask: Tensor,
        target_input: Tensor,
        attended: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """encoded [N, S, d_model], source_mask [N, S], target_input [N, T] -> decoder states [N, T, d_model].
        `attended` takes each layer's cross-attention weights [N, num_heads, T, S], from the first to the last.

        No target mask is needed: padding stands at the end, and the causal mask hides it from every real position.
        """
        states = self._embed(self.target_embedding, target_input, self.position_encodings[: target_input.shape[1]])
        encoded = as_products_take_it(encoded)
        mask = source_mask[:, None, None, :]
        length = target_input.shape[1]
        causal_mask = torch.ones(length, length, dtype=torch.bool, device=states.device).tril()
        for layer in self.decoder_layers:
            states = layer(states, causal_mask, encoded, mask, attended)
        return self.decoder_norm(states)

    def forward(self, source: Tensor, source_mask: Tensor, target_input: Tensor) -> Tensor:
        """Teacher forcing: source [N, S], source_mask [N, S] True at real pieces, target_input [N, T] beginning with
        the start id -> logits [N, T, V] of the piece that follows each position."""
        decoded = self.decode(self.encode(source, source_mask), source_mask, target_input)
        return self.output_projection(decoded)

    def decode_step(self, token_ids: Tensor, positions: Tensor, cache: DecoderCache) -> Tensor:
        """One position of R rows: token_ids [R], positions [R], each row's own (rows may be at different places)
        -> logits [R, V]. The cache holds the past keys and values and takes this step's."""
        states = self._embed(self.target_embedding, token_ids, self.position_encodings[positions]).unsqueeze(1)
        for index, layer in enumerate(self.decoder()):
            states = layer.step(states, index, cache)
        return self.output_projection(self.decoder_norm(states).squeeze(1))

    def project_source(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Every decoder layer's cross-attention keys and values of encoder states [N, S, d_model], computed once."""
        return [layer.cross_attention.project_keys_values(encoded) for layer in self.decoder()]

    def decoder(self) -> list[DecoderLayer]:
        """The decoder's layers, first to last, by their own type, which nn.ModuleList hides."""
        return cast("list[DecoderLayer]", list(self.decoder_layers))

    def use(self, operations: Operations) -> None:
        """Replaces the code between the matrix products."""
        for module in self.modules():
            if isinstance(module, MultiHeadAttention | Residual):
                module.operations = operations

    def _embed(self, embedding: nn.Embedding, ids: Tensor, positions: Tensor) -> Tensor:
        """ids [...], positions broadcastable to [..., d_model] -> [..., d_model]"""
        return self.embedding_dropout(embedding(ids) * math.sqrt(self.config.d_model) + positions)


def num_parameters(network: nn.Module) -> int:
    """Trainable numbers, tied matrices counted once."""
    return sum(parameter.numel() for parameter in network.parameters())


def pad_batch(sequences: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """Sequences of piece ids -> [num_sequences, longest] int64, padded at the end."""
    longest = max(map(len, sequences))
    return torch.tensor([[*ids, *[pad_id] * (longest - len(ids))] for ids in sequences])
