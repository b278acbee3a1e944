"""The table of the network's parameters, made from the architecture. Weights are read, checked, quantized, passed to
the kernels and exported by it. Free of torch; `model.network.transformer` computes with the parameters.

A kind of network is a branch in `describe_parameters`, a variant of it one in the kind's description.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import (
    Architecture,
    ArchitectureConfig,
    LanguageModelConfig,
    RecurrentConfig,
    TransformerLayers,
    VocabularyShape,
)

Role = Literal["embedding", "position", "output", "projection", "cached_projection", "bias", "norm", "score"]
"""embedding: a row for each piece; position: a row for each position; output: a row for each piece, for the logits;
projection: a row for each output; cached_projection: to the keys or values that a decoder caches; norm: scale or shift
of a layer norm; score: what an additive attention multiplies by."""

SOURCE_EMBEDDING, TARGET_EMBEDDING, OUTPUT_PROJECTION = (
    "source_embedding.weight",
    "target_embedding.weight",
    "output_projection.weight",
)
OUTPUT_BIAS = "output_projection.bias"


def learnt_positions(stack: str) -> str:
    """The name of the learnt positions of a stack, "encoder" or "decoder"."""
    return f"{stack}_positions.weight"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A matrix, [outputs, inputs], [pieces, d_model] or [positions, d_model], or a vector.

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

    @property
    def is_quantizable(self) -> bool:
        """Whether it may be stored in 8 bits."""
        return self.is_matrix and self.role != "position"


def describe_parameters(architecture: Architecture, vocabulary: VocabularyShape) -> tuple[Parameter, ...]:
    """Every parameter of the network, tied ones under each of their names."""
    match architecture:
        case ArchitectureConfig():
            return (*_embeddings(architecture, vocabulary), *_transformer(architecture))
        case RecurrentConfig():
            return (*_embeddings(architecture, vocabulary), *_recurrent(architecture))
        case LanguageModelConfig():
            return tuple(_language_model(architecture, vocabulary))
        case _:
            raise TypeError(f"there are no parameters of {type(architecture).__name__}")


def _embeddings(a: ArchitectureConfig | RecurrentConfig, vocabulary: VocabularyShape) -> Iterator[Parameter]:
    ties = {
        "all": (SOURCE_EMBEDDING, SOURCE_EMBEDDING),
        "target": (TARGET_EMBEDDING, TARGET_EMBEDDING),
        "source": (SOURCE_EMBEDDING, OUTPUT_PROJECTION),
        "none": (TARGET_EMBEDDING, OUTPUT_PROJECTION),
    }
    target_stored_as, output_stored_as = ties[a.tied_embeddings]
    target_shape = (vocabulary.target_size, a.d_model)
    yield Parameter(SOURCE_EMBEDDING, "embedding", (vocabulary.source_size, a.d_model), SOURCE_EMBEDDING)
    yield Parameter(TARGET_EMBEDDING, "embedding", target_shape, target_stored_as)
    yield Parameter(OUTPUT_PROJECTION, "output", target_shape, output_stored_as)
    if a.output_bias:
        yield Parameter(OUTPUT_BIAS, "bias", (vocabulary.target_size,), OUTPUT_BIAS)


def _linear(
    name: str, num_outputs: int, num_inputs: int, role: Role = "projection", *, bias: bool = True
) -> Iterator[Parameter]:
    weight = f"{name}.weight"
    yield Parameter(weight, role, (num_outputs, num_inputs), weight)
    if bias:
        yield Parameter(f"{name}.bias", "bias", (num_outputs,), f"{name}.bias")


def _norm(name: str, width: int) -> Iterator[Parameter]:
    for parameter in (f"{name}.weight", f"{name}.bias"):
        yield Parameter(parameter, "norm", (width,), parameter)


def _transformer(a: ArchitectureConfig) -> Iterator[Parameter]:
    lengths = {"encoder": a.max_source_length, "decoder": a.max_target_length}
    for stack, length in lengths.items():
        if a.positions == "learnt":
            name = learnt_positions(stack)
            yield Parameter(name, "position", (length, a.d_model), name)
        if a.embedding_norm:
            yield from _norm(f"{stack}_embedding_norm", a.d_model)
        kept: Role = "cached_projection" if stack == "decoder" else "projection"
        for index in range(a.num_encoder_layers if stack == "encoder" else a.num_decoder_layers):
            layer = f"{stack}_layers.{index}"
            attentions = ["self_attention"] if stack == "encoder" or a.decoder_mixer == "attention" else []
            if stack == "decoder":
                attentions.append("cross_attention")
                if a.decoder_mixer == "ssru":
                    yield from _linear(f"{layer}.ssru.forget", a.d_model, a.d_model)
                    yield from _linear(f"{layer}.ssru.input", a.d_model, a.d_model, bias=False)
                    yield from _norm(f"{layer}.ssru_residual.norm", a.d_model)
            yield from _layer(a, layer, attentions, kept)
        if a.final_norm:
            yield from _norm(f"{stack}_norm", a.d_model)


def _layer(a: TransformerLayers, layer: str, attentions: Sequence[str], kept: Role) -> Iterator[Parameter]:
    """A layer's attentions and feed-forward network. kept: the role of projections to keys and values."""
    for attention in attentions:
        name = f"{layer}.{attention}"
        yield from _linear(f"{name}.query", a.num_heads * a.d_key, a.d_model)
        yield from _linear(f"{name}.key", a.num_heads * a.d_key, a.d_model, kept)
        yield from _linear(f"{name}.value", a.num_heads * a.d_value, a.d_model, kept)
        yield from _linear(f"{name}.output", a.d_model, a.num_heads * a.d_value)
        yield from _norm(f"{name}_residual.norm", a.d_model)
    yield from _linear(f"{layer}.feed_forward.inner", a.d_ff, a.d_model)
    yield from _linear(f"{layer}.feed_forward.outer", a.d_model, a.d_ff)
    yield from _norm(f"{layer}.feed_forward_residual.norm", a.d_model)


def _recurrent(a: RecurrentConfig) -> Iterator[Parameter]:
    width, num_gates = a.d_model, 4 if a.cell == "lstm" else 3

    def cell(name: str, hidden: int) -> Iterator[Parameter]:
        yield from _linear(f"{name}.input", num_gates * hidden, width)
        yield from _linear(f"{name}.state", num_gates * hidden, hidden, bias=False)

    for index in range(a.num_encoder_layers):
        yield from cell(f"encoder_layers.{index}.forwards", width // 2)
        yield from cell(f"encoder_layers.{index}.backwards", width // 2)
    for index in range(a.num_decoder_layers):
        yield from _linear(f"bridges.{index}", a.num_states * width, width)
        yield from cell(f"decoder_layers.{index}", width)
    if a.attention == "none":
        return
    yield from _linear("attention.key", width, width, "cached_projection", bias=a.attention == "additive")
    if a.attention == "additive":
        yield from _linear("attention.query", width, width, bias=False)
        yield Parameter("attention.score", "score", (width,), "attention.score")
    yield from _linear("fed", num_gates * width, width, bias=False)
    yield from _linear("readout", width, 2 * width)


def _language_model(a: LanguageModelConfig, vocabulary: VocabularyShape) -> Iterator[Parameter]:
    shape = (vocabulary.target_size, a.d_model)
    yield Parameter(TARGET_EMBEDDING, "embedding", shape, TARGET_EMBEDDING)
    tied = TARGET_EMBEDDING if a.tied_embeddings == "target" else OUTPUT_PROJECTION
    yield Parameter(OUTPUT_PROJECTION, "output", shape, tied)
    if a.output_bias:
        yield Parameter(OUTPUT_BIAS, "bias", (vocabulary.target_size,), OUTPUT_BIAS)
    if a.positions == "learnt":
        name = learnt_positions("decoder")
        yield Parameter(name, "position", (a.max_target_length, a.d_model), name)
    if a.embedding_norm:
        yield from _norm("decoder_embedding_norm", a.d_model)
    for index in range(a.num_layers):
        yield from _layer(a, f"decoder_layers.{index}", ["self_attention"], "cached_projection")
    if a.final_norm:
        yield from _norm("decoder_norm", a.d_model)


def position_encodings(architecture: TransformerLayers) -> NDArray[np.float32]:
    """The fixed positions added to the embeddings, [longest sentence, d_model]; learnt ones are parameters."""
    a = architecture
    return sinusoidal_positions(
        max(a.source_limit, a.max_target_length),
        a.d_model,
        first=a.first_position,
        is_split=a.positions == "half-split",
        reaches_the_end=a.position_exponent == "half-minus-one",
    )


def sinusoidal_positions(
    length: int, d_model: int, *, first: int = 0, is_split: bool = False, reaches_the_end: bool = False
) -> NDArray[np.float32]:
    """[length, d_model]: sinusoids (Vaswani et al. 2017, section 3.5) of the positions from `first` on.

    PE(pos, 2i) = sin(pos · f(i)) and PE(pos, 2i + 1) = cos(pos · f(i)); or, if is_split, PE(pos, i) and
    PE(pos, d_model / 2 + i). f(i) = 10000^(-i / (d_model / 2)); or, if it reaches_the_end, at which it is 1/10000,
    10000^(-i / (d_model / 2 - 1)).
    """
    half = d_model // 2
    frequencies = 10000.0 ** (-np.arange(half) / (half - reaches_the_end))
    angles = np.arange(first, first + length)[:, None] * frequencies  # [length, d_model / 2]
    pairs = np.stack((np.sin(angles), np.cos(angles)), axis=1 if is_split else 2)
    return pairs.reshape(length, d_model).astype(np.float32)
