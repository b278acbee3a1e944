"""Tensors that are split among processes, in safetensors files, of which each process writes its own part; any other
number of processes reads them (torch.distributed.checkpoint)."""

import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.training.learning.distributed import World

_CHUNK_BYTES = 1 << 20


def is_split(tensor: Tensor) -> bool:
    """Whether a process holds only a part of the tensor."""
    return isinstance(tensor, DTensor)


def save_split(tensors: Mapping[str, Tensor], folder: Path, world: World) -> dict[str, int]:
    """Writes split tensors into an existing folder, and returns the files' checksums; all processes call it.

    Raises DragomanError, in all of them, if one cannot write.
    """
    try:
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
        save(dict(tensors), storage_writer=writer)
    except CheckpointException as error:
        reasons = "; ".join(dict.fromkeys(str(reason) for reason, _ in error.failures.values()))
        raise DragomanError(f"{folder}: cannot be written: {reasons}") from error
    files = world.share(sorted(path.name for path in folder.glob("*.safetensors")))
    own = {name: file_checksum(folder / name) for name in files[world.rank :: world.size]}
    return {name: checksum for part in world.collect(own) for name, checksum in part.items()}


def load_split(tensors: Mapping[str, Tensor], folder: Path, *, is_alone: bool = False) -> None:
    """Fills tensors, whole or split in any way, by their names; all processes call it, unless one does so alone.

    Raises InvalidInputError for a folder that lacks a tensor or has it in another shape.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            load(
                dict(tensors),
                storage_reader=HuggingFaceStorageReader(str(folder)),
                no_dist=is_alone or not dist.is_initialized(),
            )
    except CheckpointException as error:
        reasons = "; ".join(dict.fromkeys(str(reason) for reason, _ in error.failures.values()))
        raise InvalidInputError(f"{folder}: cannot be read: {reasons}") from error


def file_checksum(path: Path) -> int:
    """The CRC-32 of a file. Raises OSError."""
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
