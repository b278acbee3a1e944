"""Named arrays of safetensors, and of PyTorch's pickles, of which nothing but tensors is unpickled."""

import io
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import MAX_MODEL_BYTES, Files

_TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "I8": "i1", "BOOL": "?"}

_WHOLE, _INDEX = (
    ("model.safetensors", "pytorch_model.bin"),
    (
        "model.safetensors.index.json",
        "pytorch_model.bin.index.json",
    ),
)


def read_tensors(files: Files) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """All tensors of a folder, and the names of their files. Raises InvalidInputError naming a damaged file."""
    names = [name for name in _WHOLE if name in files][:1]
    if not names:
        index = files.first(_INDEX)
        parts = files.read_object(index).get("weight_map") if index else None
        if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
            raise InvalidInputError(f"{files.origin}: has neither model.safetensors nor pytorch_model.bin")
        names = sorted(set(parts.values()))
        if any(name not in files for name in names):
            raise InvalidInputError(f"{files.origin}: lacks a part of the model that {index} lists")
    tensors: dict[str, NDArray[Any]] = {}
    for name in names:
        content = files.read(name, MAX_MODEL_BYTES)
        parse = parse_safetensors if name.endswith(".safetensors") else parse_pickle
        tensors |= parse(content, files.origin / name)
    return tensors, names


def parse_safetensors(content: bytes, origin: object) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file; those of bfloat16 in float32."""
    try:
        entries = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
    except (safetensors.SafetensorError, ValueError) as error:
        raise InvalidInputError(f"{origin}: damaged or cut short: {error}") from error
    tensors: dict[str, NDArray[Any]] = {}
    for name, entry in entries:
        kind, shape, data = entry["dtype"], entry["shape"], bytes(entry["data"])
        if kind == "BF16":
            values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif kind in _TYPES:
            values = np.frombuffer(data, _TYPES[kind])
        else:
            raise InvalidInputError(f"{origin}: {name} holds numbers of the unsupported kind {kind}")
        tensors[name] = values.reshape(shape)
    return tensors


def parse_pickle(content: bytes, origin: object) -> dict[str, NDArray[Any]]:
    """The tensors of a file that torch.save wrote; those of bfloat16 in float32. Needs torch."""
    import torch

    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its reader of zips, its unpickler and its types raise
        reason = " ".join(str(error).split())[:200]
        raise InvalidInputError(f"{origin}: no file of tensors alone, or damaged: {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(values, torch.Tensor) for values in state.values()):
        raise InvalidInputError(f"{origin}: holds more than tensors")
    return {
        str(name): (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        for name, values in state.items()
    }
