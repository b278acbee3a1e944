"""A bundle's weights as NumPy arrays, checked against the architecture. Free of torch, which the native decoder needs
as little as it does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, read_file
from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.errors import InvalidInputError

SCALE_SUFFIX = ".scale"

SOURCE_EMBEDDING, TARGET_EMBEDDING, OUTPUT_PROJECTION = (
    "source_embedding.weight",
    "target_embedding.weight",
    "output_projection.weight",
)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """values: float32; or int8 [rows, columns] with scales: float32 [rows], which they are multiplied by."""

    values: NDArray[Any]
    scales: NDArray[np.float32] | None = None

    def as_floats(self) -> NDArray[np.float32]:
        """float32, whatever it is stored in."""
        if self.scales is None:
            return self.values
        return self.values.astype(np.float32) * self.scales[:, None]


def read_weights(folder: Path, config: BundleConfig) -> dict[str, StoredTensor]:
    """Every parameter of `model.network.transformer.Transformer` by its name, tied ones under each of their names.

    Raises InvalidInputError naming the file, and the tensor that is missing or has the wrong shape.
    """
    path = folder / WEIGHTS_FILE
    try:
        tensors = load(read_file(path))
    except (SafetensorError, ValueError) as error:
        raise InvalidInputError(f"{path}: damaged or cut short: {error}") from error
    except KeyError as error:  # bfloat16 is the likely one
        kind = error.args[0]
        raise InvalidInputError(
            f"{path}: holds numbers of the kind {kind}; float32, float16 or int8 are due"
        ) from error
    shapes = parameter_shapes(config.architecture, config.vocabulary)
    stored_as = tied_names(config.architecture)
    found = {
        name: _stored(tensors, name, shape, path) for name, shape in shapes.items() if stored_as.get(name, name) == name
    }
    return {name: found[stored_as.get(name, name)] for name in shapes}


def tied_names(architecture: ArchitectureConfig) -> dict[str, str]:
    """The name that each tied matrix is stored under."""
    match architecture.tied_embeddings:
        case "all":
            return {TARGET_EMBEDDING: SOURCE_EMBEDDING, OUTPUT_PROJECTION: SOURCE_EMBEDDING}
        case "target":
            return {OUTPUT_PROJECTION: TARGET_EMBEDDING}
    return {}


def parameter_shapes(architecture: ArchitectureConfig, vocabulary: VocabularyShape) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of `model.network.transformer.Transformer`, tied ones under each of their names."""
    return dict(_parameter_shapes(architecture, vocabulary))


def _parameter_shapes(a: ArchitectureConfig, vocabulary: VocabularyShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    def linear(name: str, num_outputs: int, num_inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (num_outputs, num_inputs)
        yield f"{name}.bias", (num_outputs,)

    def norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (a.d_model,)
        yield f"{name}.bias", (a.d_model,)

    yield SOURCE_EMBEDDING, (vocabulary.source_size, a.d_model)
    yield TARGET_EMBEDDING, (vocabulary.target_size, a.d_model)
    yield OUTPUT_PROJECTION, (vocabulary.target_size, a.d_model)
    stacks = (
        ("encoder", a.num_encoder_layers, ("self_attention",)),
        ("decoder", a.num_decoder_layers, ("self_attention", "cross_attention")),
    )
    for stack, num_layers, attentions in stacks:
        for index in range(num_layers):
            layer = f"{stack}_layers.{index}"
            for attention in attentions:
                yield from linear(f"{layer}.{attention}.query", a.num_heads * a.d_key, a.d_model)
                yield from linear(f"{layer}.{attention}.key", a.num_heads * a.d_key, a.d_model)
                yield from linear(f"{layer}.{attention}.value", a.num_heads * a.d_value, a.d_model)
                yield from linear(f"{layer}.{attention}.output", a.d_model, a.num_heads * a.d_value)
                yield from norm(f"{layer}.{attention}_residual.norm")
            yield from linear(f"{layer}.feed_forward.inner", a.d_ff, a.d_model)
            yield from linear(f"{layer}.feed_forward.outer", a.d_model, a.d_ff)
            yield from norm(f"{layer}.feed_forward_residual.norm")
        if a.normalization == "pre":
            yield from norm(f"{stack}_norm")


def _stored(tensors: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], path: Path) -> StoredTensor:
    stored = tensors.get(name)
    if stored is None:
        raise InvalidInputError(f"{path}: lacks the tensor {name}")
    if stored.shape != shape:
        raise InvalidInputError(f"{path}: {name} has the shape {list(stored.shape)}, but {list(shape)} is due")
    if np.issubdtype(stored.dtype, np.floating):
        return StoredTensor(_finite(stored, name, path))
    if stored.dtype != np.int8 or stored.ndim != 2:
        raise InvalidInputError(f"{path}: {name} holds {stored.dtype}; only matrices may, and in int8 alone")
    scales = tensors.get(name + SCALE_SUFFIX)
    if scales is None or scales.shape != shape[:1]:
        raise InvalidInputError(f"{path}: {name} lacks its scales, one for each row")
    return StoredTensor(stored, _finite(scales, name, path))


def _finite(values: NDArray[Any], name: str, path: Path) -> NDArray[np.float32]:
    """As float32. Where a training has diverged there is no model, but 8-bit arithmetic would make numbers of it."""
    if not np.isfinite(values).all():
        raise InvalidInputError(f"{path}: {name} holds what is no number, or infinite")
    return np.ascontiguousarray(values, dtype=np.float32)
