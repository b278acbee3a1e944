"""The recurrent network for one sentence, in NumPy."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dragoman.model.config import RecurrentConfig
from dragoman.model.decoding.tracing.parts import (
    Attention,
    Floats,
    Trace,
    linear,
    look_up,
    next_pieces,
    sigmoid,
    softmax,
)
from dragoman.model.parameters import SOURCE_EMBEDDING, TARGET_EMBEDDING
from dragoman.model.weights import StoredTensor


def trace_recurrent(
    config: RecurrentConfig, weights: Mapping[str, StoredTensor], source: Sequence[int], target: Sequence[int]
) -> Trace:
    """See `tracing.trace.trace`. An attention is one layer with one head: the queries are the decoder's states, the
    keys projected encoder states, the values the encoder states themselves. Without one there is nothing in it."""
    network = _Network(config, weights)
    encoded = network.encode(source)
    states, seen = network.decode(encoded, target)
    cross = []
    if seen:
        queries, found = (np.stack(part)[None] for part in zip(*seen, strict=True))
        keys = linear(weights, "attention.key", encoded)
        cross.append(Attention(found, queries, keys[None], encoded[None]))
    return Trace((), (), tuple(cross), next_pieces(weights, states))


class _Network:
    """The network's parts, as `model.network.recurrent` has them, for one sentence."""

    def __init__(self, config: RecurrentConfig, weights: Mapping[str, StoredTensor]) -> None:
        self._config = config
        self._weights = weights

    def encode(self, source: Sequence[int]) -> Floats:
        """[S, d_model]"""
        states = self._embed(SOURCE_EMBEDDING, source)
        for index in range(self._config.num_encoder_layers):
            layer = f"encoder_layers.{index}"
            forwards = self._read(f"{layer}.forwards", states, range(len(states)))
            backwards = self._read(f"{layer}.backwards", states, range(len(states) - 1, -1, -1))
            states = np.concatenate((forwards, backwards), axis=1)
        return states

    def decode(self, encoded: Floats, target: Sequence[int]) -> tuple[Floats, list[tuple[Floats, Floats]]]:
        """The outputs [T, d_model], and each position's query [d_model] and weights [S]."""
        c, width = self._config, self._config.d_model
        last = np.concatenate((encoded[-1, : width // 2], encoded[0, width // 2 :]))
        states = []
        for layer in range(c.num_decoder_layers):
            made = linear(self._weights, f"bridges.{layer}", last)
            states.append(np.concatenate((np.tanh(made[:width]), made[width:])))
        output: Floats = np.zeros(width, np.float32)
        outputs, seen = [], list[tuple[Floats, Floats]]()
        for piece in self._embed(TARGET_EMBEDDING, target):
            inputs = linear(self._weights, "decoder_layers.0.input", piece)
            if c.attention == "additive":
                context = self._look(states[-1][:width], encoded, seen)
                inputs = inputs + linear(self._weights, "fed", context)
            elif c.attention == "multiplicative":
                inputs = inputs + linear(self._weights, "fed", output)
            for layer in range(c.num_decoder_layers):
                if layer:
                    inputs = linear(self._weights, f"decoder_layers.{layer}.input", states[layer - 1][:width])
                states[layer] = self._step(f"decoder_layers.{layer}", inputs, states[layer])
            output = states[-1][:width]
            if c.attention == "multiplicative":
                context = self._look(output, encoded, seen)
            if c.attention != "none":
                output = np.tanh(linear(self._weights, "readout", np.concatenate((output, context))))
            outputs.append(output)
        return np.stack(outputs), seen

    def _embed(self, name: str, ids: Sequence[int]) -> Floats:
        return look_up(self._weights[name], ids) * np.float32(math.sqrt(self._config.d_model))

    def _read(self, cell: str, inputs: Floats, places: Iterable[int]) -> Floats:
        """The hidden states [S, d_model / 2] of a direction."""
        width = self._config.d_model // 2
        projected = linear(self._weights, f"{cell}.input", inputs)
        hidden = np.empty((len(inputs), width), np.float32)
        state: Floats = np.zeros(self._config.num_states * width, np.float32)
        for place in places:
            state = self._step(cell, projected[place], state)
            hidden[place] = state[:width]
        return hidden

    def _step(self, cell: str, projected: Floats, state: Floats) -> Floats:
        """A new state of a unit."""
        if self._config.cell == "lstm":
            hidden, memory = np.split(state, 2)
            gates = projected + linear(self._weights, f"{cell}.state", hidden)
            admitted, kept, added, shown = np.split(gates, 4)
            memory = sigmoid(kept) * memory + sigmoid(admitted) * np.tanh(added)
            return np.concatenate((sigmoid(shown) * np.tanh(memory), memory))
        by_state = np.split(linear(self._weights, f"{cell}.state", state), 3)
        reset, kept, new = np.split(projected, 3)
        kept = sigmoid(kept + by_state[1])
        return (1 - kept) * np.tanh(new + sigmoid(reset + by_state[0]) * by_state[2]) + kept * state

    def _look(self, query: Floats, encoded: Floats, seen: list[tuple[Floats, Floats]]) -> Floats:
        """What a query finds; notes the query and the weights."""
        keys = linear(self._weights, "attention.key", encoded)
        if self._config.attention == "additive":
            score = self._weights["attention.score"].as_floats()
            scores = np.tanh(linear(self._weights, "attention.query", query) + keys) @ score
        else:
            scores = keys @ query
        found = softmax(scores)
        seen.append((query, found))
        return found @ encoded
