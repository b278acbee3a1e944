"""The Transformer for one sentence, in NumPy."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dragoman.model.config import Activation, ArchitectureConfig, LanguageModelConfig, TransformerLayers
from dragoman.model.decoding.tracing.parts import (
    Attention,
    Floats,
    Trace,
    linear,
    look_up,
    next_pieces,
    sigmoid,
)
from dragoman.model.parameters import (
    SOURCE_EMBEDDING,
    TARGET_EMBEDDING,
    learnt_positions,
    position_encodings,
)
from dragoman.model.weights import StoredTensor


def trace_transformer(
    architecture: ArchitectureConfig,
    weights: Mapping[str, StoredTensor],
    source: Sequence[int],
    target: Sequence[int],
) -> Trace:
    """See `tracing.trace.trace`."""
    network = _Network(architecture, weights)
    encoder, decoder, cross = [], [], []
    states = network.embed("encoder", SOURCE_EMBEDDING, source)
    for index in range(architecture.num_encoder_layers):
        layer = f"encoder_layers.{index}"
        states, attention = network.attend(f"{layer}.self_attention", states, None, is_causal=False)
        encoder.append(attention)
        states = network.feed_forward(layer, states)
    encoded = network.final("encoder", states)
    states = network.embed("decoder", TARGET_EMBEDDING, target)
    for index in range(architecture.num_decoder_layers):
        layer = f"decoder_layers.{index}"
        if architecture.decoder_mixer == "ssru":
            states = network.recur(f"{layer}.ssru", states)
        else:
            states, attention = network.attend(f"{layer}.self_attention", states, None, is_causal=True)
            decoder.append(attention)
        states, attention = network.attend(f"{layer}.cross_attention", states, encoded, is_causal=False)
        cross.append(attention)
        states = network.feed_forward(layer, states)
    log_probs = next_pieces(weights, network.final("decoder", states))
    return Trace(tuple(encoder), tuple(decoder), tuple(cross), log_probs)


def trace_language_model(
    architecture: LanguageModelConfig, weights: Mapping[str, StoredTensor], text: Sequence[int]
) -> Trace:
    """See `tracing.trace.trace`: self-attention alone. text: begins with the start id."""
    network = _Network(architecture, weights)
    attentions = []
    states = network.embed("decoder", TARGET_EMBEDDING, text)
    for index in range(architecture.num_layers):
        layer = f"decoder_layers.{index}"
        states, attention = network.attend(f"{layer}.self_attention", states, None, is_causal=True)
        attentions.append(attention)
        states = network.feed_forward(layer, states)
    return Trace((), tuple(attentions), (), next_pieces(weights, network.final("decoder", states)))


class _Network:
    """The network's parts, as `model.network.transformer` has them, for one sentence."""

    def __init__(self, architecture: TransformerLayers, weights: Mapping[str, StoredTensor]) -> None:
        self._a = architecture
        self._weights = weights

    def embed(self, stack: str, name: str, ids: Sequence[int]) -> Floats:
        """The embeddings of pieces with their positions: [positions, d_model]."""
        a = self._a
        states = look_up(self._weights[name], ids)
        if stack == "decoder" and getattr(a, "decoder_start", "piece") == "zero":
            states[0] = 0
        if a.scale_embeddings:
            states *= np.float32(math.sqrt(a.d_model))
        if a.positions == "learnt":
            states += self._weights[learnt_positions(stack)].as_floats()[: len(states)]
        else:
            states += position_encodings(a)[: len(states)]
        return self._norm(f"{stack}_embedding_norm", states) if a.embedding_norm else states

    def attend(self, name: str, states: Floats, memory: Floats | None, *, is_causal: bool) -> tuple[Floats, Attention]:
        """An attention's sublayer, with its residual; without memory to the states themselves."""
        a, inputs = self._a, self._before(name, states)
        memory = inputs if memory is None else memory
        queries = self._heads(f"{name}.query", inputs)
        keys, values = self._heads(f"{name}.key", memory), self._heads(f"{name}.value", memory)
        scores = queries @ keys.transpose(0, 2, 1) * np.float32(a.d_key**-0.5)  # [num_heads, queries, keys]
        if is_causal:
            scores[:, ~np.tri(len(states), dtype=bool)] = -np.inf
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        contexts = (weights @ values).transpose(1, 0, 2).reshape(len(states), -1)
        update = linear(self._weights, f"{name}.output", contexts)
        return self._after(name, states, update), Attention(weights, queries, keys, values)

    def recur(self, name: str, states: Floats) -> Floats:
        """The SSRU's sublayer, see `model.network.ssru`."""
        inputs = self._before(name, states)
        gates = sigmoid(linear(self._weights, f"{name}.forget", inputs))
        added = (1 - gates) * (inputs @ self._weights[f"{name}.input.weight"].as_floats().T)
        outputs = np.empty_like(added)
        state: Floats = np.zeros(added.shape[1], np.float32)
        for place, (gate, addition) in enumerate(zip(gates, added, strict=True)):
            state = gate * state + addition
            outputs[place] = np.maximum(state, 0)
        return self._after(name, states, outputs)

    def feed_forward(self, layer: str, states: Floats) -> Floats:
        """The feed-forward sublayer of a layer."""
        name = f"{layer}.feed_forward"
        hidden = _ACTIVATIONS[self._a.activation](linear(self._weights, f"{name}.inner", self._before(name, states)))
        return self._after(name, states, linear(self._weights, f"{name}.outer", hidden))

    def final(self, stack: str, states: Floats) -> Floats:
        """A stack's result."""
        return self._norm(f"{stack}_norm", states) if self._a.final_norm else states

    def _before(self, name: str, states: Floats) -> Floats:
        return self._norm(f"{name}_residual.norm", states) if self._a.normalization == "pre" else states

    def _after(self, name: str, states: Floats, update: Floats) -> Floats:
        total = states + update
        return self._norm(f"{name}_residual.norm", total) if self._a.normalization == "post" else total

    def _norm(self, name: str, states: Floats) -> Floats:
        centred = states - states.mean(axis=1, keepdims=True)
        variance = (centred**2).mean(axis=1, keepdims=True)
        scale, shift = self._weights[f"{name}.weight"].as_floats(), self._weights[f"{name}.bias"].as_floats()
        normalized: Floats = centred / np.sqrt(variance + np.float32(self._a.norm_epsilon))
        return normalized * scale + shift

    def _heads(self, name: str, inputs: Floats) -> Floats:
        """[positions, d_model] -> [num_heads, positions, width]"""
        projected = linear(self._weights, name, inputs)
        return projected.reshape(len(inputs), self._a.num_heads, -1).transpose(1, 0, 2)


def _gelu(x: Floats) -> Floats:
    result: Floats = np.float32(0.5) * x * (1 + _erf(x * np.float32(math.sqrt(0.5))))
    return result


def _erf(x: Floats) -> Floats:
    """The error function to 2e-7 (Abramowitz and Stegun 1964, formula 7.1.26)."""
    size = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * size)
    polynomial = np.polyval([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0.0], t)
    result: Floats = np.sign(x) * (1 - polynomial.astype(np.float32) * np.exp(-size * size))
    return result


def _gelu_tanh(x: Floats) -> Floats:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    result: Floats = np.float32(0.5) * x * (1 + np.tanh(inner))
    return result


_ACTIVATIONS: Mapping[Activation, Callable[[Floats], Floats]] = {
    "relu": lambda x: np.maximum(x, 0),
    "swish": lambda x: x * sigmoid(x),
    "gelu": _gelu,
    "gelu-tanh": _gelu_tanh,
    "gelu-sigmoid": lambda x: x * sigmoid(np.float32(1.702) * x),
}
