"""The network a second time, in NumPy and float64, for one sentence: written from the papers, formula by formula."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import ArchitectureConfig

Array = NDArray[np.float64]


def logits_of(
    a: ArchitectureConfig, weights: Mapping[str, NDArray[np.float32]], source: list[int], target: list[int]
) -> Array:
    """[len(target), target vocabulary]: the logits of the piece that follows each piece of `target`."""
    w = {name: np.asarray(values, np.float64) for name, values in weights.items()}
    if a.tied_embeddings in ("all", "source"):
        assert (w["source_embedding.weight"] == w["target_embedding.weight"]).all()
    if a.tied_embeddings in ("all", "target"):
        assert (w["output_projection.weight"] == w["target_embedding.weight"]).all()
    memory = _stack(a, w, "encoder", _embedded(a, w, "encoder", w["source_embedding.weight"][source]), None)
    rows = w["target_embedding.weight"][target]
    if a.decoder_start == "zero":
        rows[0] = 0
    states = _stack(a, w, "decoder", _embedded(a, w, "decoder", rows), memory)
    logits: Array = states @ w["output_projection.weight"].T
    return logits + w["output_projection.bias"] if a.output_bias else logits


def _embedded(a: ArchitectureConfig, w: Mapping[str, Array], stack: str, rows: Array) -> Array:
    states = rows * math.sqrt(a.d_model) if a.scale_embeddings else rows.copy()
    for place, state in enumerate(states):
        if a.positions == "learnt":
            state += w[f"{stack}_positions.weight"][place]
        else:
            state += _sinusoid(a, place + a.first_position)
    return _norm(a, w, f"{stack}_embedding_norm", states) if a.embedding_norm else states


def _sinusoid(a: ArchitectureConfig, position: int) -> list[float]:
    half = a.d_model // 2
    divisor = {"half": half, "half-minus-one": half - 1}[a.position_exponent]
    angles = [position / 10000 ** (i / divisor) for i in range(half)]
    if a.positions == "half-split":
        return [*map(math.sin, angles), *map(math.cos, angles)]
    return [wave(angle) for angle in angles for wave in (math.sin, math.cos)]


def _stack(a: ArchitectureConfig, w: Mapping[str, Array], stack: str, states: Array, memory: Array | None) -> Array:
    num_layers = a.num_encoder_layers if memory is None else a.num_decoder_layers
    for index in range(num_layers):
        layer = f"{stack}_layers.{index}"
        if memory is not None and a.decoder_mixer == "ssru":
            inputs = _before(a, w, f"{layer}.ssru", states)
            states = _after(a, w, f"{layer}.ssru", states, _ssru(w, f"{layer}.ssru", inputs))
        else:
            inputs = _before(a, w, f"{layer}.self_attention", states)
            update = _attention(a, w, f"{layer}.self_attention", inputs, inputs, is_causal=memory is not None)
            states = _after(a, w, f"{layer}.self_attention", states, update)
        if memory is not None:
            inputs = _before(a, w, f"{layer}.cross_attention", states)
            update = _attention(a, w, f"{layer}.cross_attention", inputs, memory, is_causal=False)
            states = _after(a, w, f"{layer}.cross_attention", states, update)
        inputs = _before(a, w, f"{layer}.feed_forward", states)
        hidden = np.vectorize(lambda x: _activation(a, x))(_linear(w, f"{layer}.feed_forward.inner", inputs))
        states = _after(a, w, f"{layer}.feed_forward", states, _linear(w, f"{layer}.feed_forward.outer", hidden))
    return _norm(a, w, f"{stack}_norm", states) if a.final_norm else states


def _before(a: ArchitectureConfig, w: Mapping[str, Array], name: str, states: Array) -> Array:
    return _norm(a, w, f"{name}_residual.norm", states) if a.normalization == "pre" else states


def _after(a: ArchitectureConfig, w: Mapping[str, Array], name: str, states: Array, update: Array) -> Array:
    total = states + update
    return _norm(a, w, f"{name}_residual.norm", total) if a.normalization == "post" else total


def _norm(a: ArchitectureConfig, w: Mapping[str, Array], name: str, states: Array) -> Array:
    mean = states.mean(axis=1, keepdims=True)
    variance = ((states - mean) ** 2).mean(axis=1, keepdims=True)
    normalized: Array = (states - mean) / np.sqrt(variance + a.norm_epsilon)
    return normalized * w[f"{name}.weight"] + w[f"{name}.bias"]


def _linear(w: Mapping[str, Array], name: str, inputs: Array) -> Array:
    outputs: Array = inputs @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    return outputs


def _attention(
    a: ArchitectureConfig, w: Mapping[str, Array], name: str, inputs: Array, memory: Array, *, is_causal: bool
) -> Array:
    queries, keys = _linear(w, f"{name}.query", inputs), _linear(w, f"{name}.key", memory)
    values = _linear(w, f"{name}.value", memory)
    contexts = np.zeros((len(inputs), a.num_heads * a.d_value))
    for head in range(a.num_heads):
        k, v = slice(head * a.d_key, (head + 1) * a.d_key), slice(head * a.d_value, (head + 1) * a.d_value)
        for t in range(len(inputs)):
            last = t + 1 if is_causal else len(memory)
            scores = np.exp(keys[:last, k] @ queries[t, k] / math.sqrt(a.d_key))
            contexts[t, v] = scores / scores.sum() @ values[:last, v]
    return _linear(w, f"{name}.output", contexts)


def _ssru(w: Mapping[str, Array], name: str, inputs: Array) -> Array:
    state, outputs = np.zeros(inputs.shape[1]), []
    for x in inputs:
        forget = 1 / (1 + np.exp(-(w[f"{name}.forget.weight"] @ x + w[f"{name}.forget.bias"])))
        state = forget * state + (1 - forget) * (w[f"{name}.input.weight"] @ x)
        outputs.append(np.maximum(state, 0))
    return np.array(outputs)


def _activation(a: ArchitectureConfig, x: float) -> float:
    match a.activation:
        case "relu":
            return max(0.0, x)
        case "swish":
            return x / (1 + math.exp(-x))
        case "gelu":
            return x * (1 + math.erf(x / math.sqrt(2))) / 2
        case "gelu-tanh":
            return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
        case "gelu-sigmoid":
            return x / (1 + math.exp(-1.702 * x))
