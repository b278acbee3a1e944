"""A bundle's weights as NumPy arrays, checked against the architecture. Free of torch, since the native decoder needs
none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, read_file
from dragoman.model.errors import InvalidInputError
from dragoman.model.parameters import Parameter, describe_parameters

SCALE_SUFFIX = ".scale"

_DESCRIPTION_BYTES = 4096
"""Bytes allowed for a tensor's entry in a safetensors header, its scales' included: many times what it takes."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """values: float32; or int8 [rows, columns] with scales: float32 [rows], which they are multiplied by."""

    values: NDArray[Any]
    scales: NDArray[np.float32] | None = None

    def as_floats(self) -> NDArray[np.float32]:
        """The numbers in float32, from any storage."""
        if self.scales is None:
            return self.values
        return self.values.astype(np.float32) * self.scales[:, None]


def read_weights(folder: Path, info: BundleConfig) -> dict[str, StoredTensor]:
    """Every parameter of `model.network.transformer.Transformer` by its name, tied ones under each of their names.

    Raises InvalidInputError naming the file, and the tensor that is missing or has the wrong shape.
    """
    path = folder / WEIGHTS_FILE
    parameters = describe_parameters(info.architecture, info.vocabulary)
    most_bytes = sum(4 * math.prod(parameter.shape) + _DESCRIPTION_BYTES for parameter in parameters)
    return parse_weights(read_file(path, most_bytes), info, path)


def parse_weights(content: bytes, info: BundleConfig, path: Path) -> dict[str, StoredTensor]:
    """See `read_weights`. content: of a safetensors file; path: its name in errors."""
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise InvalidInputError(f"{path}: damaged or cut short: {error}") from error
    except KeyError as error:  # bfloat16 is the likely one
        kind = error.args[0]
        raise InvalidInputError(
            f"{path}: holds numbers of the kind {kind}; float32, float16 or int8 are due"
        ) from error
    parameters = describe_parameters(info.architecture, info.vocabulary)
    found = {
        parameter.name: _stored(tensors, parameter, path)
        for parameter in parameters
        if parameter.stored_as == parameter.name
    }
    return {parameter.name: found[parameter.stored_as] for parameter in parameters}


def check_shape(parameter: Parameter, values: NDArray[Any], origin: object) -> None:
    """Raises InvalidInputError, which begins with `origin`, if a parameter's values have the wrong shape."""
    if values.shape != parameter.shape:
        raise InvalidInputError(
            f"{origin}: {parameter.name} has the shape {list(values.shape)}, but {list(parameter.shape)} is due"
        )


def _stored(tensors: Mapping[str, NDArray[Any]], parameter: Parameter, path: Path) -> StoredTensor:
    name = parameter.name
    stored = tensors.get(name)
    if stored is None:
        raise InvalidInputError(f"{path}: lacks the tensor {name}")
    check_shape(parameter, stored, path)
    if np.issubdtype(stored.dtype, np.floating):
        return StoredTensor(_finite(stored, name, path))
    if stored.dtype != np.int8 or not parameter.is_quantizable:
        raise InvalidInputError(f"{path}: {name} holds {stored.dtype}; only matrices may, and in int8 alone")
    scales = tensors.get(name + SCALE_SUFFIX)
    if scales is None or scales.shape != parameter.shape[:1]:
        raise InvalidInputError(f"{path}: {name} lacks its scales, one for each row")
    return StoredTensor(stored, _finite(scales, name, path))


def _finite(values: NDArray[Any], name: str, path: Path) -> NDArray[np.float32]:
    """The values as float32. Raises InvalidInputError for NaN, which a diverged training leaves and 8-bit arithmetic
    would hide, and for infinite values."""
    if not np.isfinite(values).all():
        raise InvalidInputError(f"{path}: {name} holds what is no number, or infinite")
    return np.ascontiguousarray(values, dtype=np.float32)
