"""The autoregressive language model: a Transformer's decoder without a source (Radford et al. 2018)."""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from dragoman.model.config import LanguageModelConfig, VocabularyShape
from dragoman.model.network.network import DecoderCache, MemoryShape, Network
from dragoman.model.network.operations import Dropout, Operations
from dragoman.model.network.transformer import EncoderLayer, initialize, optional_norm, use_operations
from dragoman.model.parameters import position_encodings


class LanguageModelLayer(EncoderLayer):
    """Causal self-attention, then the feed-forward network: an encoder's layer with another mask."""

    def step(self, states: Tensor, layer: int, cache: DecoderCache) -> Tensor:
        """One position of R rows: [R, 1, d_model] -> [R, 1, d_model]; the past is in the cache."""

        def attend(states: Tensor) -> Tensor:
            keys, values, mask = cache.append(layer, *self.self_attention.project_keys_values(states))
            return self.self_attention(states, keys, values, mask)

        states = self.self_attention_residual(states, attend)
        return self.feed_forward_residual(states, self.feed_forward)


class LanguageModel(Network):
    """Says what the next piece of a text may be. It takes a source as every network does, and looks at none of it."""

    def __init__(self, config: LanguageModelConfig, vocabulary: VocabularyShape) -> None:
        super().__init__()
        self.config: LanguageModelConfig = config
        self.vocabulary = vocabulary
        self.target_embedding = nn.Embedding(vocabulary.target_size, config.d_model)
        self.output_projection = nn.Linear(config.d_model, vocabulary.target_size, bias=config.output_bias)
        tables = [self.target_embedding.weight, self.output_projection.weight]
        if config.positions == "learnt":
            self.decoder_positions = nn.Embedding(config.max_target_length, config.d_model)
            tables.append(self.decoder_positions.weight)
        else:
            self.register_buffer("position_encodings", torch.from_numpy(position_encodings(config)), persistent=False)
            self.position_encodings: Tensor
        self.decoder_embedding_norm = optional_norm(config, exists=config.embedding_norm)
        self.embedding_dropout = Dropout(config.dropout)
        self.decoder_layers = nn.ModuleList(LanguageModelLayer(config) for _ in range(config.num_layers))
        self.decoder_norm = optional_norm(config, exists=config.final_norm)
        initialize(self, tables, config.d_model)
        if config.tied_embeddings == "target":
            self.target_embedding.weight = self.output_projection.weight

    @property
    def memory(self) -> MemoryShape:
        """See `Network`."""
        c = self.config
        return MemoryShape(c.num_layers, c.num_heads, c.d_key, c.d_value)

    @property
    def layers(self) -> list[nn.Module]:
        """See `Network`."""
        return list(self.decoder_layers)

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """See `Network`: nothing, [N, S, 0]."""
        return self.output_projection.weight.new_empty(*source.shape, 0)

    def decode(
        self,
        encoded: Tensor,
        source_mask: Tensor,
        target_input: Tensor,
        attended: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """See `Network`. Only target_input counts."""
        length = target_input.shape[1]
        states = self._embed(target_input, self._positions()[:length])
        causal_mask = torch.ones(length, length, dtype=torch.bool, device=states.device).tril()
        for layer in self.decoder_layers:
            states = layer(states, causal_mask)
        return self.decoder_norm(states)

    def decode_step(self, token_ids: Tensor, positions: Tensor, cache: DecoderCache) -> Tensor:
        """See `Network`."""
        states = self._embed(token_ids, self._positions()[positions]).unsqueeze(1)
        for index, layer in enumerate(cast("list[LanguageModelLayer]", list(self.decoder_layers))):
            states = layer.step(states, index, cache)
        logits: Tensor = self.output_projection(self.decoder_norm(states).squeeze(1))
        return logits

    def project_source(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """See `Network`: there is no source."""
        return []

    def use(self, operations: Operations) -> None:
        """See `Network`."""
        use_operations(self, operations)

    def _positions(self) -> Tensor:
        """[positions, d_model]"""
        return self.decoder_positions.weight if self.config.positions == "learnt" else self.position_encodings

    def _embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """ids [...], positions broadcastable to [..., d_model] -> [..., d_model]"""
        embedded = self.target_embedding(ids)
        if self.config.scale_embeddings:
            embedded = embedded * math.sqrt(self.config.d_model)
        states: Tensor = self.embedding_dropout(self.decoder_embedding_norm(embedded + positions))
        return states
