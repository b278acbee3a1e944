"""The table of the network's parameters, made from the architecture. Weights are read, checked, quantized, passed to
the kernels and exported by it. Free of torch; `model.network.transformer` computes with the parameters.

A variant of the network is a branch in `describe_parameters`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import ArchitectureConfig, VocabularyShape

Role = Literal["embedding", "output", "projection", "cached_projection", "bias", "norm"]
"""embedding: a row for each piece; output: likewise, for the logits; projection: a row for each output;
cached_projection: to the keys or values that a decoder caches; norm: scale or shift of a layer norm."""

LAYER_NORM_EPSILON = 1e-5

SOURCE_EMBEDDING, TARGET_EMBEDDING, OUTPUT_PROJECTION = (
    "source_embedding.weight",
    "target_embedding.weight",
    "output_projection.weight",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A matrix, [outputs, inputs] or [pieces, d_model], or a vector.

    name:      as in `Transformer.named_parameters`.
    stored_as: the name under which it is stored: that of the matrix that it is tied to, otherwise its own.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    stored_as: str

    @property
    def module(self) -> str:
        """The name of its module."""
        return self.name.rpartition(".")[0]

    @property
    def is_matrix(self) -> bool:
        return len(self.shape) == 2


def describe_parameters(architecture: ArchitectureConfig, vocabulary: VocabularyShape) -> tuple[Parameter, ...]:
    """Every parameter of the network, tied ones under each of their names."""
    return tuple(_describe(architecture, vocabulary))


def _describe(a: ArchitectureConfig, vocabulary: VocabularyShape) -> Iterator[Parameter]:
    def linear(name: str, num_outputs: int, num_inputs: int, role: Role = "projection") -> Iterator[Parameter]:
        weight, bias = f"{name}.weight", f"{name}.bias"
        yield Parameter(weight, role, (num_outputs, num_inputs), weight)
        yield Parameter(bias, "bias", (num_outputs,), bias)

    def norm(name: str) -> Iterator[Parameter]:
        for parameter in (f"{name}.weight", f"{name}.bias"):
            yield Parameter(parameter, "norm", (a.d_model,), parameter)

    ties = {
        "all": (SOURCE_EMBEDDING, SOURCE_EMBEDDING),
        "target": (TARGET_EMBEDDING, TARGET_EMBEDDING),
        "none": (TARGET_EMBEDDING, OUTPUT_PROJECTION),
    }
    target_stored_as, output_stored_as = ties[a.tied_embeddings]
    target_shape = (vocabulary.target_size, a.d_model)
    yield Parameter(SOURCE_EMBEDDING, "embedding", (vocabulary.source_size, a.d_model), SOURCE_EMBEDDING)
    yield Parameter(TARGET_EMBEDDING, "embedding", target_shape, target_stored_as)
    yield Parameter(OUTPUT_PROJECTION, "output", target_shape, output_stored_as)
    stacks = (
        ("encoder", a.num_encoder_layers, ("self_attention",)),
        ("decoder", a.num_decoder_layers, ("self_attention", "cross_attention")),
    )
    for stack, num_layers, attentions in stacks:
        kept: Role = "cached_projection" if stack == "decoder" else "projection"
        for index in range(num_layers):
            layer = f"{stack}_layers.{index}"
            for attention in attentions:
                name = f"{layer}.{attention}"
                yield from linear(f"{name}.query", a.num_heads * a.d_key, a.d_model)
                yield from linear(f"{name}.key", a.num_heads * a.d_key, a.d_model, kept)
                yield from linear(f"{name}.value", a.num_heads * a.d_value, a.d_model, kept)
                yield from linear(f"{name}.output", a.d_model, a.num_heads * a.d_value)
                yield from norm(f"{name}_residual.norm")
            yield from linear(f"{layer}.feed_forward.inner", a.d_ff, a.d_model)
            yield from linear(f"{layer}.feed_forward.outer", a.d_model, a.d_ff)
            yield from norm(f"{layer}.feed_forward_residual.norm")
        if a.normalization == "pre":
            yield from norm(f"{stack}_norm")


def position_encodings(architecture: ArchitectureConfig) -> NDArray[np.float32]:
    """The positions added to the embeddings, [longest sentence, d_model]: sinusoids (Vaswani et al. 2017, section 3.5).

    PE(pos, 2i) = sin(pos / 10000^(2i / d_model)) and PE(pos, 2i + 1) = cos of the same.
    """
    longest = max(architecture.max_source_length, architecture.max_target_length)
    return sinusoidal_positions(longest, architecture.d_model)


def sinusoidal_positions(length: int, d_model: int) -> NDArray[np.float32]:
    """See `position_encodings`: [length, d_model]."""
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, d_model, 2) / d_model)  # [length, d_model / 2]
    return np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(length, d_model).astype(np.float32)
