"""A bundle's weights as NumPy arrays, checked against the architecture: read, and packed. Free of torch, since the
native decoder needs none.

A bundle is made of an architecture, a codec and named arrays like this:

    info = BundleConfig(
        name=..., directions=..., architecture=architecture, vocabulary=codec.shape, storage="int8",
        num_parameters=count_parameters(architecture, codec.shape), provenance=...,
    )
    weights = pack_tensors(arrays, architecture, codec.shape, info.storage)
    write_bundle(folder, info, codec, weights, card)

`describe_parameters` lists the names and shapes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, read_file
from dragoman.model.config import Architecture, VocabularyShape
from dragoman.model.errors import InvalidInputError
from dragoman.model.parameters import Parameter, describe_parameters

SCALE_SUFFIX = ".scale"

_DESCRIPTION_BYTES = 4096
"""Bytes allowed for a tensor's entry in a safetensors header, its scales' included: many times what it takes."""


_METADATA = "__metadata__"
"""The entry of a header that is no array."""

_KINDS = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4", "I32": "<i4",
    "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
"""NumPy's names of safetensors' kinds of numbers."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """values: float32; or int8 [rows, columns] with scales: float32 [rows], which they are multiplied by."""

    values: NDArray[Any]
    scales: NDArray[np.float32] | None = None

    def is_finite(self) -> bool:
        return bool(np.isfinite(self.values).all() and (self.scales is None or np.isfinite(self.scales).all()))

    def as_floats(self) -> NDArray[np.float32]:
        """The numbers in float32, from any storage."""
        if self.scales is None:
            return self.values
        return self.values.astype(np.float32) * self.scales[:, None]


def read_weights(folder: Path, info: BundleConfig) -> dict[str, StoredTensor]:
    """Every parameter of the network by its name, tied ones under each of their names.

    Raises InvalidInputError naming the file, and the tensor that is missing or has the wrong shape.
    """
    path = folder / WEIGHTS_FILE
    parameters = describe_parameters(info.architecture, info.vocabulary)
    most_bytes = sum(4 * math.prod(parameter.shape) + _DESCRIPTION_BYTES for parameter in parameters)
    return parse_weights(read_file(path, most_bytes), info, path)


def parse_weights(content: bytes, info: BundleConfig, path: Path) -> dict[str, StoredTensor]:
    """See `read_weights`. content: of a safetensors file; path: its name in errors."""
    try:
        tensors = view_tensors(content)
    except UnknownKindError as error:  # bfloat16 is the likely one
        raise InvalidInputError(
            f"{path}: holds numbers of the kind {error}; float32, float16 or int8 are due"
        ) from error
    except ValueError as error:
        raise InvalidInputError(f"{path}: damaged or cut short: {error}") from error
    parameters = describe_parameters(info.architecture, info.vocabulary)
    found = {
        parameter.name: _stored(tensors, parameter, path)
        for parameter in parameters
        if parameter.stored_as == parameter.name
    }
    return {parameter.name: found[parameter.stored_as] for parameter in parameters}


class UnknownKindError(ValueError):
    """A kind of numbers that NumPy has not."""


def view_tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file by name, as views of its content: safetensors' own reader copies each one.

    Raises ValueError if it is damaged, UnknownKindError for a kind of numbers that NumPy has not.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    if len(content) < 8 or start > len(content):
        raise ValueError("its header is longer than the file")
    try:
        header = json.loads(content[8:start])
    except RecursionError as error:
        raise ValueError("its header is no table") from error
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    views = {name: _view(content, start, name, entry) for name, entry in header.items() if name != _METADATA}
    if sum(view.nbytes for view in views.values()) != len(content) - start:
        raise ValueError("its arrays are not all of its content")
    return views


def _view(content: bytes, start: int, name: str, entry: Any) -> NDArray[Any]:
    try:
        kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if kind not in _KINDS:
            raise UnknownKindError(kind)
        dtype, count = np.dtype(_KINDS[kind]), math.prod(shape)
        if (
            not 0 <= first <= last <= len(content) - start
            or last - first != count * dtype.itemsize
            or min(shape, default=0) < 0
        ):
            raise ValueError(f"{name} reaches beyond the file, or has another size than its shape")
        array = np.frombuffer(content, dtype, count, start + first).reshape(shape)
    except (TypeError, LookupError, OverflowError) as error:
        raise ValueError(f"{name} is not described as it should be") from error
    return np.require(array, requirements="A")


def pack_tensors(
    tensors: Mapping[str, StoredTensor], architecture: Architecture, vocabulary: VocabularyShape, storage: Storage
) -> bytes:
    """The content of a safetensors file, which `parse_weights` reads.

    tensors: a network's parameters by name, in float32 or in 8 bits with scales; a tied one may be given once or under
    each of its names. storage: see `model.network.storage.pack_weights`; with "int8", what has 8 bits stays as it is.

    Raises InvalidInputError naming a tensor that is missing, unknown, of another shape, not finite, or unlike the one
    that it is tied to.
    """
    parameters = describe_parameters(architecture, vocabulary)
    if unknown := sorted(tensors.keys() - {parameter.name for parameter in parameters}):
        raise InvalidInputError(f"this network has no tensor {unknown[0]}")
    groups: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(parameter.stored_as, []).append(parameter)
    stored = {}
    for name, group in groups.items():
        given = [(one, tensors[one.name]) for one in group if one.name in tensors]
        if not given:
            raise InvalidInputError(f"the network lacks the tensor {name}")
        for parameter, tensor in given:
            check_shape(parameter, tensor.values, "the network")
            if not tensor.is_finite():
                raise InvalidInputError(f"{parameter.name} holds what is no number, or infinite")
            if not np.array_equal(tensor.as_floats(), given[0][1].as_floats()):
                raise InvalidInputError(f"{parameter.name} is unlike {given[0][0].name}, to which it is tied")
        stored[name] = given[0][1]
    return pack_stored(stored, parameters, storage)


def pack_stored(tensors: Mapping[str, StoredTensor], parameters: Sequence[Parameter], storage: Storage) -> bytes:
    """See `pack_tensors`; checks nothing. tensors: by the names under which they are stored."""
    packed: dict[str, NDArray[Any]] = {}
    for parameter in parameters:
        name = parameter.name
        if parameter.stored_as != name:
            continue
        tensor = tensors[name]
        if storage == "int8" and parameter.is_quantizable:
            if tensor.scales is None:
                tensor = quantize(tensor.values)
            assert tensor.scales is not None
            packed[name], packed[name + SCALE_SUFFIX] = tensor.values, tensor.scales
        else:
            with np.errstate(over="ignore"):  # reading names what is infinite
                packed[name] = tensor.as_floats().astype(np.float16 if storage == "float16" else np.float32)
    return save({name: np.ascontiguousarray(values) for name, values in packed.items()})


def quantize(matrix: NDArray[np.float32]) -> StoredTensor:
    """A matrix in 8 bits, -127 to 127, with a scale for each row: the nearest that a row's largest number allows."""
    scales = np.maximum(np.abs(matrix).max(axis=1) / np.float32(127), np.finfo(np.float32).tiny)
    with np.errstate(invalid="ignore"):  # likewise: the scale of what is no number is none
        return StoredTensor(np.rint(matrix / scales[:, None]).astype(np.int8), scales)


def count_parameters(architecture: Architecture, vocabulary: VocabularyShape) -> int:
    """The numbers of a network's parameters, tied ones counted once."""
    parameters = describe_parameters(architecture, vocabulary)
    return sum(math.prod(one.shape) for one in parameters if one.stored_as == one.name)


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
