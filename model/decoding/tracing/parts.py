"""What a trace holds, and what the networks of all kinds compute alike.

Shapes: S source positions, T target positions, V target pieces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dragoman.model.parameters import OUTPUT_BIAS, OUTPUT_PROJECTION
from dragoman.model.weights import StoredTensor

Floats: TypeAlias = NDArray[np.float32]

AttentionKind = Literal["encoder", "decoder", "cross"]

_ROWS = 4096
"""Rows of the output's matrix that are in float32 at a time."""


@dataclass(frozen=True, slots=True)
class Attention:
    """The attention of one layer.

    weights: [num_heads, queries, keys]; each row adds up to 1. queries, keys: [num_heads, positions, d_key]. values:
    [num_heads, positions, d_value].
    """

    weights: Floats
    queries: Floats
    keys: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Trace:
    """What the network computes for a source and the beginning of its translation, layer by layer.

    encoder:   self-attention of the source, S to S.
    decoder:   self-attention of the target, T to T, to no later position; empty for an SSRU, which has none.
    cross:     attention of the target to the source, T to S.
    log_probs: [T, V] of the piece that follows each target position.
    """

    encoder: tuple[Attention, ...]
    decoder: tuple[Attention, ...]
    cross: tuple[Attention, ...]
    log_probs: Floats

    def layers(self, kind: AttentionKind) -> tuple[Attention, ...]:
        """The attentions of a kind, first layer first."""
        return {"encoder": self.encoder, "decoder": self.decoder, "cross": self.cross}[kind]


def look_up(matrix: StoredTensor, ids: Sequence[int]) -> Floats:
    """The rows of an embedding: [positions, d_model]."""
    rows = list(ids)
    states: Floats = matrix.values[rows].astype(np.float32)
    if matrix.scales is not None:
        states *= matrix.scales[rows, None]
    return states


def linear(weights: Mapping[str, StoredTensor], name: str, inputs: Floats) -> Floats:
    """A projection of [..., inputs], with its bias if it has one."""
    outputs: Floats = inputs @ weights[f"{name}.weight"].as_floats().T
    bias = weights.get(f"{name}.bias")
    return outputs if bias is None else outputs + bias.as_floats()


def next_pieces(weights: Mapping[str, StoredTensor], states: Floats) -> Floats:
    """[T, d_model] -> [T, V], the log probabilities of the next piece."""
    matrix = weights[OUTPUT_PROJECTION]
    logits = np.empty((len(states), len(matrix.values)), np.float32)
    for begin in range(0, len(matrix.values), _ROWS):
        part = slice(begin, begin + _ROWS)
        logits[:, part] = states @ matrix.values[part].astype(np.float32).T
    if matrix.scales is not None:
        logits *= matrix.scales
    if OUTPUT_BIAS in weights:
        logits += weights[OUTPUT_BIAS].as_floats()
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


def softmax(scores: Floats) -> Floats:
    """Over the last axis."""
    weights: Floats = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)); overflows nowhere."""
    result: Floats = np.float32(0.5) * (1 + np.tanh(x / 2))
    return result
