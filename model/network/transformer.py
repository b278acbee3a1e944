"""The encoder–decoder Transformer (Vaswani et al. 2017), readable from top to bottom.

Shapes in comments: N sentences or rows, S source positions, T target positions, V target pieces.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dragoman.model.config import Activation, ArchitectureConfig, TransformerLayers, VocabularyShape
from dragoman.model.network.network import DecoderCache, MemoryShape, Network
from dragoman.model.network.operations import (
    Dropout,
    Operations,
    TorchOperations,
    as_products_take_it,
    attention_weights,
    weigh_values,
)
from dragoman.model.network.ssru import SSRU
from dragoman.model.parameters import position_encodings

ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "swish": F.silu,
    "gelu": F.gelu,
    "gelu-tanh": partial(F.gelu, approximate="tanh"),
    "gelu-sigmoid": lambda states: states * torch.sigmoid(1.702 * states),
}


class MultiHeadAttention(nn.Module):
    """softmax(Q Kᵀ / √d_key) V in every head, the heads concatenated and projected back to d_model.

    `d_key` and `d_value` are free: neither must equal the other nor d_model / num_heads. Self-attention and
    cross-attention are this one module; they differ only in where the keys and values come from, so the caller
    projects those itself (`project_keys_values`) and may keep them.
    """

    operations: Operations = TorchOperations()

    def __init__(self, config: TransformerLayers) -> None:
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
    """activation(x W₁ + b₁) W₂ + b₂ at every position; in the paper, the activation is max(0, x)."""

    def __init__(self, config: TransformerLayers) -> None:
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.feed_forward_dropout)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, states: Tensor) -> Tensor:
        """[N, length, d_model] -> [N, length, d_model]"""
        return self.outer(self.dropout(self.activation(self.inner(states))))


class Residual(nn.Module):
    """The frame around each sublayer: x + sublayer(norm(x)) in pre-norm, norm(x + sublayer(x)) in post-norm."""

    operations: Operations = TorchOperations()

    def __init__(self, config: TransformerLayers) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model, config.norm_epsilon)
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

    def __init__(self, config: TransformerLayers) -> None:
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
    """Causal self-attention or an SSRU, attention to the source, then the feed-forward network."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.mixes_by_attention = config.decoder_mixer == "attention"
        if self.mixes_by_attention:
            self.self_attention = MultiHeadAttention(config)
            self.self_attention_residual = Residual(config)
        else:
            self.ssru = SSRU(config)
            self.ssru_residual = Residual(config)
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

        if self.mixes_by_attention:
            states = self.self_attention_residual(states, attend_to_target)
        else:
            states = self.ssru_residual(states, self.ssru)
        states = self.cross_attention_residual(states, attend_to_source)
        return self.feed_forward_residual(states, self.feed_forward)

    def step(self, states: Tensor, layer: int, cache: DecoderCache) -> Tensor:
        """One position of R rows: [R, 1, d_model] -> [R, 1, d_model]; the past is in the cache."""

        def attend_to_target(states: Tensor) -> Tensor:
            keys, values, mask = cache.append(layer, *self.self_attention.project_keys_values(states))
            return self.self_attention(states, keys, values, mask)

        def recur(states: Tensor) -> Tensor:
            output, state = self.ssru.step(states, cache.last_state(layer))
            cache.keep_state(layer, state)
            return output

        def attend_to_source(states: Tensor) -> Tensor:
            keys, values, mask = cache.source(layer)
            # The rows of one source stand side by side as the queries of a single attention: [G, R / G, d_model].
            queries = states.view(keys.shape[0], -1, states.shape[-1])
            weights = self.cross_attention.weights(queries, keys, mask)
            cache.attended(layer, weights)
            return self.cross_attention.weigh_values(weights, values).view_as(states)

        if self.mixes_by_attention:
            states = self.self_attention_residual(states, attend_to_target)
        else:
            states = self.ssru_residual(states, recur)
        states = self.cross_attention_residual(states, attend_to_source)
        return self.feed_forward_residual(states, self.feed_forward)


class Transformer(Network):
    """Encoder and decoder with attention alone."""

    def __init__(self, config: ArchitectureConfig, vocabulary: VocabularyShape) -> None:
        super().__init__()
        self.config: ArchitectureConfig = config
        self.vocabulary = vocabulary
        self.source_embedding = nn.Embedding(vocabulary.source_size, config.d_model)
        self.target_embedding = nn.Embedding(vocabulary.target_size, config.d_model)
        self.output_projection = nn.Linear(config.d_model, vocabulary.target_size, bias=config.output_bias)
        if config.positions == "learnt":
            self.encoder_positions = nn.Embedding(config.max_source_length, config.d_model)
            self.decoder_positions = nn.Embedding(config.max_target_length, config.d_model)
        else:
            self.register_buffer("position_encodings", torch.from_numpy(position_encodings(config)), persistent=False)
            self.position_encodings: Tensor
        self.encoder_embedding_norm = optional_norm(config, exists=config.embedding_norm)
        self.decoder_embedding_norm = optional_norm(config, exists=config.embedding_norm)
        self.embedding_dropout = Dropout(config.dropout)
        self.encoder_layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_encoder_layers))
        self.decoder_layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_decoder_layers))
        self.encoder_norm = optional_norm(config, exists=config.final_norm)
        self.decoder_norm = optional_norm(config, exists=config.final_norm)
        self._initialize()
        if config.tied_embeddings in ("target", "all"):
            self.target_embedding.weight = self.output_projection.weight
        if config.tied_embeddings in ("source", "all"):
            self.source_embedding.weight = self.target_embedding.weight

    def _initialize(self) -> None:
        matrices = [self.source_embedding.weight, self.target_embedding.weight, self.output_projection.weight]
        if self.config.positions == "learnt":
            matrices += [self.encoder_positions.weight, self.decoder_positions.weight]
        initialize(self, matrices, self.config.d_model)

    @property
    def memory(self) -> MemoryShape:
        """See `Network`."""
        c = self.config
        widths = (c.d_model,) * c.num_decoder_layers if c.decoder_mixer == "ssru" else ()
        return MemoryShape(c.num_decoder_layers, c.num_heads, c.d_key, c.d_value, widths)

    @property
    def layers(self) -> list[nn.Module]:
        """See `Network`."""
        return [*self.encoder_layers, *self.decoder_layers]

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """See `Network`."""
        positions = self._positions("encoder")[: source.shape[1]]
        states = self._embed(self.source_embedding(source), positions, self.encoder_embedding_norm)
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
        """See `Network`. The causal mask hides padding from every real position."""
        length = target_input.shape[1]
        embedded = self.target_embedding(target_input)
        if self.config.decoder_start == "zero":
            embedded = F.pad(embedded[:, 1:], (0, 0, 1, 0))
        states = self._embed(embedded, self._positions("decoder")[:length], self.decoder_embedding_norm)
        encoded = as_products_take_it(encoded)
        mask = source_mask[:, None, None, :]
        causal_mask = torch.ones(length, length, dtype=torch.bool, device=states.device).tril()
        for layer in self.decoder_layers:
            states = layer(states, causal_mask, encoded, mask, attended)
        return self.decoder_norm(states)

    def decode_step(self, token_ids: Tensor, positions: Tensor, cache: DecoderCache) -> Tensor:
        """See `Network`."""
        embedded = self.target_embedding(token_ids)
        if self.config.decoder_start == "zero":
            embedded = embedded.masked_fill((positions == 0).unsqueeze(1), 0.0)
        states = self._embed(embedded, self._positions("decoder")[positions], self.decoder_embedding_norm).unsqueeze(1)
        for index, layer in enumerate(self.decoder()):
            states = layer.step(states, index, cache)
        logits: Tensor = self.output_projection(self.decoder_norm(states).squeeze(1))
        return logits

    def project_source(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """See `Network`: of every decoder layer."""
        return [layer.cross_attention.project_keys_values(encoded) for layer in self.decoder()]

    def decoder(self) -> list[DecoderLayer]:
        """The decoder's layers, first to last, by their own type, which nn.ModuleList hides."""
        return cast("list[DecoderLayer]", list(self.decoder_layers))

    def use(self, operations: Operations) -> None:
        """See `Network`."""
        use_operations(self, operations)

    def _positions(self, stack: Literal["encoder", "decoder"]) -> Tensor:
        """[positions, d_model]"""
        if self.config.positions != "learnt":
            return self.position_encodings
        return self.encoder_positions.weight if stack == "encoder" else self.decoder_positions.weight

    def _embed(self, embedded: Tensor, positions: Tensor, norm: nn.Module) -> Tensor:
        """embedded [..., d_model], positions broadcastable to it -> [..., d_model]"""
        if self.config.scale_embeddings:
            embedded = embedded * math.sqrt(self.config.d_model)
        return self.embedding_dropout(norm(embedded + positions))


def use_operations(network: nn.Module, operations: Operations) -> None:
    """Replaces the code between the matrix products of a network."""
    for module in network.modules():
        if isinstance(module, MultiHeadAttention | Residual):
            module.operations = operations


def initialize(network: nn.Module, tables: Sequence[Tensor], d_model: int) -> None:
    """Glorot-uniform weights and zero biases; tables of embeddings and positions N(0, 1 / d_model), so that scaled by
    √d_model they have unit variance and, tied to the output, give logits of unit variance."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for table in tables:
        nn.init.normal_(table, std=d_model**-0.5)


def optional_norm(config: TransformerLayers, *, exists: bool) -> nn.Module:
    return nn.LayerNorm(config.d_model, config.norm_epsilon) if exists else nn.Identity()
