"""The weights of a bundle: one safetensors file, in 32, 16 or 8 bits."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from model.bundle import WEIGHTS_FILE, BundleConfig, Storage, read_file
from model.errors import InvalidInputError
from model.transformer import Transformer

SCALE_SUFFIX = ".scale"


def pack_weights(network: Transformer, storage: Storage) -> bytes:
    """The network's parameters, tied ones once, as the content of a safetensors file.

    float16 and float32: as they are. int8: each matrix as integers -127 to 127 and, under its name with ".scale", a
    float32 scale for each row (a row of a projection is one output, a row of an embedding one piece); vectors, which
    are few, in float32.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        values = parameter.detach().float().cpu()
        if storage == "int8" and values.dim() == 2:
            tensors[name], tensors[name + SCALE_SUFFIX] = quantize_rows(values)
        else:
            tensors[name] = values.half() if storage == "float16" else values
    return save(tensors)


def quantize_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """[rows, columns] -> int8 of the same shape and float32 scales [rows], so that matrix ≈ int8 · scale."""
    scales = (matrix.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
    return (matrix / scales.unsqueeze(1)).round().to(torch.int8), scales


def load_network(folder: Path, config: BundleConfig) -> Transformer:
    """The bundle's network in float32, in evaluation mode.

    Raises InvalidInputError naming the file, and the tensor that is missing or has the wrong shape.
    """
    path = folder / WEIGHTS_FILE
    try:
        tensors = load(read_file(path))
    except SafetensorError as error:
        raise InvalidInputError(f"{path}: damaged or cut short: {error}") from error
    network = Transformer(config.architecture, config.vocabulary)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(_stored_matrix(tensors, name, parameter.shape, path))
    return network.eval()


def _stored_matrix(tensors: dict[str, Tensor], name: str, shape: torch.Size, path: Path) -> Tensor:
    stored = tensors.get(name)
    if stored is None:
        raise InvalidInputError(f"{path}: lacks the tensor {name}")
    if stored.shape != shape:
        raise InvalidInputError(f"{path}: {name} has the shape {list(stored.shape)}, but {list(shape)} is due")
    if stored.is_floating_point():
        return stored
    if stored.dtype != torch.int8 or stored.dim() != 2:
        raise InvalidInputError(f"{path}: {name} holds {stored.dtype}; only matrices may, and in int8 alone")
    scales = tensors.get(name + SCALE_SUFFIX)
    if scales is None or scales.shape != shape[:1]:
        raise InvalidInputError(f"{path}: {name} lacks its scales, one for each row")
    return stored.float() * scales.unsqueeze(1)
