"""The recurrent encoder–decoder, with or without attention (Sutskever et al. 2014, Bahdanau et al. 2015, Luong et al.
2015), readable from top to bottom.

Shapes in comments: N sentences or rows, S source positions, T target positions, H the width of a hidden state.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

from dragoman.model.config import RecurrentConfig, VocabularyShape
from dragoman.model.network.network import DecoderCache, MemoryShape, Network
from dragoman.model.network.operations import Dropout, as_products_take_it, as_sums_take_it

Attend: TypeAlias = Callable[[Tensor], Tensor]
"""From a query [N, d_model] to what it finds in the source, [N, d_model]."""


class Cell(nn.Module, ABC):
    """A recurrent unit: its state after a position is made of the input there and the state before."""

    num_gates: int
    num_states: int

    def __init__(self, num_inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.input = nn.Linear(num_inputs, self.num_gates * width)
        self.state = nn.Linear(width, self.num_gates * width, bias=False)

    @abstractmethod
    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """projected: [N, num_gates · H] of `input`; state: [N, num_states · H], which begins with the hidden state ->
        the new state."""

    def hidden(self, state: Tensor) -> Tensor:
        """[N, num_states · H] -> [N, H], the part that others see."""
        return state[:, : self.width]

    def read(self, inputs: Tensor, mask: Tensor, *, backwards: bool) -> Tensor:
        """The hidden states [N, S, H] of all positions of inputs [N, S, num_inputs], from a state of 0 on. mask: [N, S]
        True at real positions; padding, at the end, leaves the state as it is."""
        projected = self.input(inputs).unbind(dim=1)  # at once: the gradient of a slice is as large as the whole
        is_real = mask.unsqueeze(2).unbind(dim=1)
        state = as_sums_take_it(projected[0]).new_zeros(len(inputs), self.num_states * self.width)
        hidden: list[Tensor] = [state] * len(projected)
        for place in reversed(range(len(projected))) if backwards else range(len(projected)):
            new = self.step(projected[place], state)
            state = torch.where(is_real[place], new, state) if backwards else new
            hidden[place] = self.hidden(state)
        return torch.stack(hidden, dim=1)


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000): c' = σ(f) ∘ c + σ(i) ∘ tanh(g),
    h' = σ(o) ∘ tanh(c'), where i, f, g, o = W x + b + U h. The state is h and c side by side."""

    num_gates, num_states = 4, 2

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """See `Cell`. Gates are in float32 at least: sums over many positions need it."""
        hidden, memory = state.chunk(2, dim=1)
        admitted, kept, added, shown = as_sums_take_it(projected + self.state(hidden)).chunk(4, dim=1)
        memory = kept.sigmoid() * memory + admitted.sigmoid() * added.tanh()
        return torch.cat((shown.sigmoid() * memory.tanh(), memory), dim=1)


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014): h' = (1 - z) ∘ n + z ∘ h, where r, z = σ(W x + b + U h) and
    n = tanh(W_n x + b_n + r ∘ U_n h): the reset gate follows the product, as in most libraries."""

    num_gates, num_states = 3, 1

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """See `Cell`."""
        reset, kept, new = as_sums_take_it(projected).chunk(3, dim=1)
        reset_by_state, kept_by_state, new_by_state = as_sums_take_it(self.state(state)).chunk(3, dim=1)
        kept = (kept + kept_by_state).sigmoid()
        candidate = (new + (reset + reset_by_state).sigmoid() * new_by_state).tanh()
        return (1 - kept) * candidate + kept * state


CELLS: dict[str, type[Cell]] = {"lstm": LSTMCell, "gru": GRUCell}


class Unrolling:
    """How units go over all positions of sentences; training replaces it with faster code."""

    def scale(self, embedded: Tensor, factor: float, dropout: Dropout) -> Tensor:
        """What the first layers take of embedded pieces [..., d_model]."""
        return cast(Tensor, dropout(embedded * factor))

    def read(self, cell: Cell, inputs: Tensor, mask: Tensor, *, backwards: bool) -> Tensor:
        """See `Cell.read`."""
        return cell.read(inputs, mask, backwards=backwards)

    def write(
        self,
        network: "RecurrentNetwork",
        embedded: Tensor,
        states: list[Tensor],
        memory: list[tuple[Tensor, Tensor]],
        source_mask: Tensor,
    ) -> Tensor:
        """The outputs of `RecurrentNetwork.write`."""
        return network.write(embedded, states, memory, source_mask)[0]


class EncoderLayer(nn.Module):
    """Two units, one from the first piece to the last and one from the last to the first, of half the width each."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        kind = CELLS[config.cell]
        self.forwards = kind(config.d_model, config.d_model // 2)
        self.backwards = kind(config.d_model, config.d_model // 2)
        self.unrolling = Unrolling()

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[N, S, d_model], mask [N, S] True at real positions -> [N, S, d_model]"""
        directions = (
            self.unrolling.read(self.forwards, states, mask, backwards=False),
            self.unrolling.read(self.backwards, states, mask, backwards=True),
        )
        return as_sums_take_it(torch.cat(directions, dim=2))


class AdditiveAttention(nn.Module):
    """Scores vᵀ tanh(W s + U h) of a query s and each encoder state h (Bahdanau et al. 2015)."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.d_model, config.d_model, bias=False)
        self.key = nn.Linear(config.d_model, config.d_model)
        self.score = nn.Parameter(torch.empty(config.d_model))

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """queries [G, Q, d_model], keys [G, S, d_model] -> [G, Q, S]"""
        return torch.tanh(self.query(queries).unsqueeze(2) + keys.unsqueeze(1)) @ self.score.to(keys.dtype)


class MultiplicativeAttention(nn.Module):
    """Scores sᵀ W h of a query s and each encoder state h (Luong et al. 2015, "general")."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.key = nn.Linear(config.d_model, config.d_model, bias=False)

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """queries [G, Q, d_model], keys [G, S, d_model] -> [G, Q, S]"""
        return queries.to(keys.dtype) @ keys.transpose(1, 2)


class RecurrentNetwork(Network):
    """An encoder that reads the source in both directions, and a decoder that begins with its last hidden state.

    additive: what the last hidden state of the decoder finds in the source is part of the next input.
    multiplicative: what the new hidden state finds makes, with it, the output, which is part of the next input.
    none: the decoder never sees the source again.
    """

    def __init__(self, config: RecurrentConfig, vocabulary: VocabularyShape) -> None:
        super().__init__()
        self.config: RecurrentConfig = config
        self.vocabulary = vocabulary
        width, kind = config.d_model, CELLS[config.cell]
        self.source_embedding = nn.Embedding(vocabulary.source_size, width)
        self.target_embedding = nn.Embedding(vocabulary.target_size, width)
        self.output_projection = nn.Linear(width, vocabulary.target_size, bias=config.output_bias)
        self.encoder_layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_encoder_layers))
        self.bridges = nn.ModuleList(
            nn.Linear(width, config.num_states * width) for _ in range(config.num_decoder_layers)
        )
        self.decoder_layers = nn.ModuleList(kind(width, width) for _ in range(config.num_decoder_layers))
        self.attention: AdditiveAttention | MultiplicativeAttention | None = None
        if config.attention != "none":
            is_additive = config.attention == "additive"
            self.attention = AdditiveAttention(config) if is_additive else MultiplicativeAttention(config)
            self.fed = nn.Linear(width, kind.num_gates * width, bias=False)
            self.readout = nn.Linear(2 * width, width)
        self.dropout = Dropout(config.dropout)
        self.unrolling = Unrolling()
        self._initialize()
        if config.tied_embeddings in ("target", "all"):
            self.target_embedding.weight = self.output_projection.weight
        if config.tied_embeddings in ("source", "all"):
            self.source_embedding.weight = self.target_embedding.weight

    def _initialize(self) -> None:
        """Glorot-uniform weights, orthogonal ones from state to state, zero biases, but 1 of an LSTM's forget gate, so
        that it keeps what it knows at first (Jozefowicz et al. 2015); embeddings N(0, 1 / d_model)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Cell):
                for gate in module.state.weight.split(module.width):
                    nn.init.orthogonal_(gate)
            if isinstance(module, LSTMCell):
                nn.init.ones_(module.input.bias[module.width : 2 * module.width])
            if isinstance(module, AdditiveAttention):
                nn.init.uniform_(module.score, -(self.config.d_model**-0.5), self.config.d_model**-0.5)
        for weight in (self.source_embedding.weight, self.target_embedding.weight, self.output_projection.weight):
            nn.init.normal_(weight, std=self.config.d_model**-0.5)

    @property
    def memory(self) -> MemoryShape:
        """See `Network`. With input feeding, the last output is kept as one more state."""
        c = self.config
        widths = [c.num_states * c.d_model] * c.num_decoder_layers + [c.d_model] * (c.attention == "multiplicative")
        num_attentions = int(self.attention is not None)
        return MemoryShape(num_attentions, 1, c.d_model, c.d_model, tuple(widths), begins_with_states=True)

    @property
    def layers(self) -> list[nn.Module]:
        """See `Network`."""
        return list(self.encoder_layers)

    def unroll_by(self, unrolling: Unrolling) -> None:
        """Goes over the positions of whole sentences in this way from now on."""
        self.unrolling = unrolling
        for layer in cast("list[EncoderLayer]", list(self.encoder_layers)):
            layer.unrolling = unrolling

    def encode(self, source: Tensor, source_mask: Tensor) -> Tensor:
        """See `Network`. The first half of a state is that of the unit that reads forwards."""
        states = self._embed(self.source_embedding, source)
        for index, layer in enumerate(self.encoder_layers):
            states = layer(self.dropout(states) if index else states, source_mask)
        return states

    def initial_states(self, encoded: Tensor, source_mask: Tensor) -> list[Tensor]:
        """See `Network`: h = tanh(W e + b) and, of an LSTM, c = W' e + b', e being the encoder's last hidden state: at
        the last piece forwards, at the first one backwards."""
        width = self.config.d_model
        lasts = source_mask.sum(dim=1) - 1
        forwards, backwards = encoded.chunk(2, dim=2)
        last = torch.cat((forwards[torch.arange(len(encoded)), lasts], backwards[:, 0]), dim=1)  # [N, d_model]
        states = []
        for bridge in self.bridges:
            made = as_sums_take_it(bridge(last))
            states.append(torch.cat((made[:, :width].tanh(), made[:, width:]), dim=1))
        if self.config.attention == "multiplicative":
            states.append(torch.zeros_like(states[0][:, :width]))
        return states

    def project_source(self, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
        """See `Network`: the keys are projected, the values are the encoder's states; of one head."""
        if self.attention is None:
            return []
        encoded = as_products_take_it(encoded)
        return [(self.attention.key(encoded).unsqueeze(1), encoded.unsqueeze(1))]

    def decode(
        self,
        encoded: Tensor,
        source_mask: Tensor,
        target_input: Tensor,
        attended: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """See `Network`."""
        embedded, states = self._embed(self.target_embedding, target_input), self.initial_states(encoded, source_mask)
        memory = [(keys[:, 0], values[:, 0]) for keys, values in self.project_source(encoded)]
        if attended is None:
            return self.unrolling.write(self, embedded, states, memory, source_mask)
        outputs, seen = self.write(embedded, states, memory, source_mask)
        if seen:
            attended(torch.cat(seen, dim=1).unsqueeze(1))
        return outputs

    def write(
        self, embedded: Tensor, states: list[Tensor], memory: list[tuple[Tensor, Tensor]], source_mask: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Position after position: each needs what the one before has found. The embedded target [N, T, d_model], the
        states at first, and of an attention the keys and values [N, S, d_model] -> outputs [N, T, d_model] and each
        position's weights [N, 1, S]."""
        projected, seen = self.units[0].input(embedded).unbind(dim=1), list[Tensor]()

        def attend(query: Tensor) -> Tensor:
            context, weights = self._look(query.unsqueeze(1), *memory[0], source_mask)
            seen.append(weights)
            return context.squeeze(1)

        outputs = []
        for inputs in projected:
            output, states = self._step(inputs, states, attend)
            outputs.append(output)
        return torch.stack(outputs, dim=1), seen

    def decode_step(self, token_ids: Tensor, positions: Tensor, cache: DecoderCache) -> Tensor:
        """See `Network`."""
        projected = self.units[0].input(self._embed(self.target_embedding, token_ids))
        states = [cache.last_state(layer).squeeze(1) for layer in range(len(self.memory.state_widths))]

        def attend(query: Tensor) -> Tensor:
            keys, values, mask = cache.source(0)
            # The rows of one source stand side by side: [G, R / G, d_model].
            queries = query.view(keys.shape[0], -1, query.shape[-1])
            context, weights = self._look(queries, keys[:, 0], values[:, 0], mask[:, 0, 0])
            cache.attended(0, weights.unsqueeze(1))
            return context.reshape(query.shape)

        output, states = self._step(projected, states, attend)
        for layer, state in enumerate(states):
            cache.keep_state(layer, state.unsqueeze(1))
        logits: Tensor = self.output_projection(output)
        return logits

    def _step(self, projected: Tensor, states: list[Tensor], attend: Attend) -> tuple[Tensor, list[Tensor]]:
        """One position of N rows: the embedded piece as the first layer's input takes it, and the states -> the output
        [N, d_model] and the new states."""
        layers, kind = self.units, self.config.attention
        if kind == "additive":
            context = attend(layers[-1].hidden(states[-1]))
            projected = projected + self.fed(context)
        elif kind == "multiplicative":
            projected = projected + self.fed(states[-1])
        new = []
        for index, (layer, state) in enumerate(zip(layers, states, strict=False)):
            new.append(layer.step(projected, state))
            if index + 1 < len(layers):
                projected = layers[index + 1].input(self.dropout(layer.hidden(new[-1])))
        hidden = layers[-1].hidden(new[-1])
        if kind == "none":
            return self.dropout(hidden), new
        if kind == "multiplicative":
            context = attend(hidden)
        found = torch.cat((hidden, context.to(hidden.dtype)), dim=1)
        output = self.dropout(as_sums_take_it(self.readout(found)).tanh())
        return output, [*new, output] if kind == "multiplicative" else new

    def _look(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """queries [G, Q, d_model], keys and values [G, S, d_model], mask [G, S] True at real positions -> what the
        queries find [G, Q, d_model], and the weights [G, Q, S], of which each query's add up to 1."""
        assert self.attention is not None
        scores = as_sums_take_it(self.attention.scores(queries, keys))
        weights = scores.masked_fill(~mask.unsqueeze(1), -torch.inf).softmax(dim=-1)
        return weights.to(values.dtype) @ values, weights

    def _embed(self, embedding: nn.Embedding, ids: Tensor) -> Tensor:
        """[...] -> [..., d_model], of unit variance at first."""
        return self.unrolling.scale(embedding(ids), math.sqrt(self.config.d_model), self.dropout)

    @property
    def units(self) -> list[Cell]:
        """The decoder's layers by their own type, which nn.ModuleList hides."""
        return cast("list[Cell]", list(self.decoder_layers))
