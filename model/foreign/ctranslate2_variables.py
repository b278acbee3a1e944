"""CTranslate2's model.bin: variables by name, of all versions and types of numbers.

Learnt from CTranslate2's src/models/model.cc and src/models/transformer.cc.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import Bytes
from dragoman.model.weights import StoredTensor

NEWEST_VERSION = 6
_NEWEST_REVISION = 7
_SPECIFICATIONS = ("", "TransformerSpec", "TransformerBase", "TransformerBig")

_TYPES = ("<f4", "i1", "<i2", "<i4", "<f2", "bfloat16")
_TYPES_BY_SIZE = {4: "<f4", 2: "<i2", 1: "i1"}
_DEFAULT_INT16_SCALE = 1000.0

_HARMLESS = frozenset(
    f"{stack}/{name}"
    for stack in ("encoder", "decoder")
    for name in ("embeddings_merge", "alignment_layer", "alignment_heads", "alibi", "alibi_use_positive_positions")
) | {"decoder/scale_alibi", "embeddings_merge", "alignment_layer", "alignment_heads", "spec_revision"}
"""Attributes that do not change the network read here, or whose effect is checked by other means."""

Variables = dict[str, NDArray[Any]]


def is_ctranslate2(head: bytes) -> bool:
    """Whether a model.bin that begins with these 16 bytes may be CTranslate2's."""
    version = int.from_bytes(head[:4], "little")
    return 1 <= version <= NEWEST_VERSION and int.from_bytes(head[4:8], "little") != 0


def parse_variables(content: bytes, origin: object) -> tuple[Variables, int]:
    """The variables of a model.bin by name, those of version 1 by their later names, and the version.

    Raises InvalidInputError, which begins with `origin`, for a damaged file or a model that is no Transformer with an
    encoder."""
    data = Bytes(content, origin)
    version = data.number(4)
    if not 1 <= version <= NEWEST_VERSION:
        raise InvalidInputError(f"{origin}: version {version}; versions 1 to {NEWEST_VERSION} are supported")
    specification, revision = "", 1
    if version >= 2:
        specification, revision = _string(data), data.number(4)
    if specification not in _SPECIFICATIONS or revision > _NEWEST_REVISION:
        raise InvalidInputError(f"{origin}: {specification}, revision {revision}: this kind of model is not supported")
    variables: Variables = {}
    for _ in range(data.number(4)):
        name = _string(data)
        shape = tuple(data.number(4) for _ in range(data.number(1)))
        kind, size = data.number(1), data.number(4)
        type_ = _TYPES[kind] if version >= 4 and kind < len(_TYPES) else _TYPES_BY_SIZE.get(kind, "")
        if version < 4:
            size *= kind
        values = _values(data.take(size), shape, type_, name, origin)
        variables[_later_name(name) if revision == 1 else name] = values
    if version >= 3:
        for _ in range(data.number(4)):
            alias, name = _string(data), _string(data)
            for suffix in ("", "_scale"):
                if name + suffix in variables:
                    variables[alias + suffix] = variables[name + suffix]
    if revision < 3:
        variables.setdefault("num_heads", np.array(16 if specification == "TransformerBig" else 8, np.int8))
    return variables, version


def _string(data: Bytes) -> str:
    return bytes(data.take(data.number(2))).rstrip(b"\0").decode("utf-8", "replace")


def _values(content: memoryview, shape: tuple[int, ...], type_: str, name: str, origin: object) -> NDArray[Any]:
    size = {"": 0, "bfloat16": 2}.get(type_) if type_ in ("", "bfloat16") else np.dtype(type_).itemsize
    if not size or math.prod(shape) * size != len(content):
        raise InvalidInputError(f"{origin}: {name} has the shape {list(shape)}, but {len(content):,} bytes")
    if type_ == "bfloat16":
        return bfloat16_as_floats(content).reshape(shape)
    return np.frombuffer(content, type_).reshape(shape)


_RENAMED = (
    ("transformer/", ""),
    (":0", ""),
    ("w_embs", "embeddings/weight"),
    ("kernel", "weight"),
    ("LayerNorm", "layer_norm"),
    ("dense", "projection"),
    ("conv1d_", "linear_"),
    ("conv1d", "linear_0"),
)


def _later_name(name: str) -> str:
    """The name that a variable of the first revision has had since the second."""
    for old, new in _RENAMED:
        name = name.replace(old, new, 1)
    if "encoder" in name:
        return name.replace("multi_head", "self_attention", 1)
    return name.replace("masked_multi_head", "self_attention", 1).replace("multi_head", "attention", 1)


class VariableReader:
    """Gives the variables by name and remembers which are left."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._left = set(variables)

    def __contains__(self, name: str) -> bool:
        return name in self._variables

    def array(self, name: str) -> NDArray[Any]:
        if name not in self._variables:
            raise InvalidInputError(f"lacks the variable {name}")
        self._left.discard(name)
        return self._variables[name]

    def scalar(self, *names: str, default: float) -> float:
        """The first attribute of these names that exists."""
        for name in names:
            if name in self._variables:
                values = self.array(name)
                if values.size != 1:
                    raise InvalidInputError(f"{name} must be one number")
                return float(values.reshape(-1)[0])
        return default

    def text(self, name: str, default: str) -> str:
        if name not in self._variables:
            return default
        return self.array(name).astype(np.uint8).tobytes().decode("utf-8", "replace")

    def matrix(self, name: str) -> StoredTensor:
        """A matrix in float32, or in 8 bits with a scale for each row."""
        values = self.array(name)
        if values.ndim != 2:
            raise InvalidInputError(f"{name} has the shape {list(values.shape)}: two numbers are due")
        if values.dtype.kind == "f":
            return StoredTensor(np.ascontiguousarray(values, np.float32))
        scales = self.array(f"{name}_scale") if f"{name}_scale" in self else np.float32(_DEFAULT_INT16_SCALE)
        if np.size(scales) not in (1, len(values)) or not np.all(np.asarray(scales) > 0):
            raise InvalidInputError(f"{name} lacks its scales, one for each row")
        inverse = np.broadcast_to(1 / np.asarray(scales, np.float32).reshape(-1), values.shape[:1])
        if values.dtype == np.int8:
            return StoredTensor(values, np.ascontiguousarray(inverse))
        return StoredTensor((values.astype(np.float32) * inverse[:, None]).astype(np.float32))

    def vector(self, name: str, size: int) -> StoredTensor:
        """A vector in float32; zeros if a bias is missing."""
        if name not in self and name.endswith("/bias"):
            return StoredTensor(np.zeros(size, np.float32))
        values = self.array(name)
        if values.shape != (size,):
            raise InvalidInputError(f"{name} has the shape {list(values.shape)}, but [{size}] is due")
        return StoredTensor(np.ascontiguousarray(values, np.float32))

    def check_left(self) -> None:
        """Raises InvalidInputError that names a variable of a variant that is not supported."""
        left = sorted(name for name in self._left - _HARMLESS if not name.endswith("_scale"))
        if left:
            raise InvalidInputError(f"has variables of a variant that is not supported: {', '.join(left[:4])}")


def bfloat16_as_floats(content: bytes | memoryview) -> NDArray[np.float32]:
    """Numbers of bfloat16, which are the upper halves of those of float32."""
    return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
