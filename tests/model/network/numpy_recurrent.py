"""The recurrent network a second time, in NumPy and float64, for one sentence: written from the papers, piece by
piece, with plain loops."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import RecurrentConfig

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def logits_of(
    c: RecurrentConfig, weights: Mapping[str, NDArray[np.float32]], source: list[int], target: list[int]
) -> tuple[Array, list[Array]]:
    """[len(target), target vocabulary]: the logits of the piece that follows each piece of `target`; and the attention
    of each of these to the source."""
    w = {name: np.asarray(values, np.float64) for name, values in weights.items()}
    inputs = [w["source_embedding.weight"][piece] * math.sqrt(c.d_model) for piece in source]
    for layer in range(c.num_encoder_layers):
        forwards = _read(c, w, f"encoder_layers.{layer}.forwards", inputs)
        backwards = _read(c, w, f"encoder_layers.{layer}.backwards", inputs[::-1])[::-1]
        inputs = [np.concatenate(both) for both in zip(forwards, backwards, strict=True)]
    # What has read everything: forwards at the end, backwards at the beginning.
    last = np.concatenate([forwards[-1], backwards[0]])
    hidden, memory = [], []
    for layer in range(c.num_decoder_layers):
        bridge = w[f"bridges.{layer}.weight"] @ last + w[f"bridges.{layer}.bias"]
        hidden.append(np.tanh(bridge[: c.d_model]))
        memory.append(bridge[c.d_model :])
    fed = np.zeros(c.d_model)
    logits: list[Array] = []
    attention: list[Array] = []
    for piece in target:
        more = np.zeros(0)
        if c.attention == "additive":
            keys = [w["attention.key.weight"] @ one + w["attention.key.bias"] for one in inputs]
            query = w["attention.query.weight"] @ hidden[-1]
            scores = [float(w["attention.score"] @ np.tanh(query + key)) for key in keys]
            context = _find(scores, inputs, attention)
            more = w["fed.weight"] @ context
        elif c.attention == "multiplicative":
            more = w["fed.weight"] @ fed
        below = w["target_embedding.weight"][piece] * math.sqrt(c.d_model)
        for layer in range(c.num_decoder_layers):
            name = f"decoder_layers.{layer}"
            hidden[layer], memory[layer] = _cell(c, w, name, below, hidden[layer], memory[layer], more)
            below, more = hidden[layer], np.zeros(0)
        if c.attention == "multiplicative":
            scores = [float(below @ (w["attention.key.weight"] @ one)) for one in inputs]
            context = _find(scores, inputs, attention)
        if c.attention != "none":
            below = fed = np.tanh(w["readout.weight"] @ np.concatenate([below, context]) + w["readout.bias"])
        bias = w["output_projection.bias"] if c.output_bias else 0.0
        logits.append(w["output_projection.weight"] @ below + bias)
    return np.stack(logits), attention


def _find(scores: list[float], values: list[Array], attention: list[Array]) -> Array:
    total = sum(math.exp(score) for score in scores)
    weights = [math.exp(score) / total for score in scores]
    attention.append(np.array(weights))
    context: Array = np.sum([weight * value for weight, value in zip(weights, values, strict=True)], axis=0)
    return context


def _read(c: RecurrentConfig, w: Weights, name: str, inputs: list[Array]) -> list[Array]:
    hidden = memory = np.zeros(c.d_model // 2)
    states = []
    for one in inputs:
        hidden, memory = _cell(c, w, name, one, hidden, memory, np.zeros(0))
        states.append(hidden)
    return states


def _cell(
    c: RecurrentConfig, w: Weights, name: str, x: Array, hidden: Array, memory: Array, more: Array
) -> tuple[Array, Array]:
    """The new hidden state and, of an LSTM, its memory. more: added to what x gives; may be empty."""
    from_input = w[f"{name}.input.weight"] @ x + w[f"{name}.input.bias"]
    if more.size:
        from_input = from_input + more
    from_state = w[f"{name}.state.weight"] @ hidden
    new_hidden, new_memory = np.zeros_like(hidden), np.zeros_like(memory)
    width = len(hidden)
    for i in range(width):
        if c.cell == "lstm":
            admit, keep, add, show = (from_input[i + g * width] + from_state[i + g * width] for g in range(4))
            new_memory[i] = _sigmoid(keep) * memory[i] + _sigmoid(admit) * math.tanh(add)
            new_hidden[i] = _sigmoid(show) * math.tanh(new_memory[i])
        else:
            reset = _sigmoid(from_input[i] + from_state[i])
            keep = _sigmoid(from_input[i + width] + from_state[i + width])
            candidate = math.tanh(from_input[i + 2 * width] + reset * from_state[i + 2 * width])
            new_hidden[i] = (1 - keep) * candidate + keep * hidden[i]
    return new_hidden, new_memory


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
