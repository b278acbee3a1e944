"""Checkpoints: a run's complete state, in safetensors files, without pickle."""

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.learning.averaging import MovingAverage, mean_of
from dragoman.training.learning.distributed import World, gather, scatter_like
from dragoman.training.learning.optimizer import Optimizer
from dragoman.training.run.progress import Progress


class DamagedCheckpointError(InvalidInputError):
    """A checkpoint's file is truncated, altered or missing."""


class CheckpointFolder:
    """The checkpoints of a run: `<update>.safetensors`, each written aside and renamed when complete.

    They have whole tensors, whatever the number of processes, and a run may be resumed with another number. The main
    process writes. All processes call `save` and `restore`.
    """

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.folder = folder
        self.world = world or World()

    def updates(self) -> list[int]:
        """The updates at which there is a checkpoint, oldest first."""
        names = (re.fullmatch(r"(\d+)\.safetensors", path.name) for path in self.folder.glob("*.safetensors"))
        return sorted(int(match[1]) for match in names if match)

    def path(self, update: int) -> Path:
        return self.folder / f"{update:08d}.safetensors"

    def save(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        progress: Progress,
        average: MovingAverage | None = None,
    ) -> None:
        """Raises DragomanError if it cannot be written, as on a full disk; older checkpoints stay."""
        tensors = {f"network.{name}": parameter.detach() for name, parameter in network.named_parameters()}
        for name, parameter in network.named_parameters():
            for key, value in optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = value
        if average is not None:
            tensors |= {f"average.{name}": mean for name, mean in average.tensors().items()}
        whole: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            gathered = gather(tensor)  # one by one: the other processes hold only one at a time
            if self.world.is_main:
                whole[name] = gathered.cpu().contiguous()
        self.world.on_main(lambda: self._write(progress, whole))

    def _write(self, progress: Progress, tensors: dict[str, Tensor]) -> None:
        checksums = {name: _checksum(tensor) for name, tensor in tensors.items()}
        metadata = {"progress": json.dumps(asdict(progress)), "checksums": json.dumps(checksums)}
        write_atomically(self.path(progress.update), save(tensors, metadata))

    def restore(
        self,
        update: int,
        network: nn.Module,
        optimizer: Optimizer,
        average: MovingAverage | None = None,
    ) -> Progress:
        """Restores weights, optimizer and moving average, and returns the run's progress.

        Raises DamagedCheckpointError, or InvalidInputError for a checkpoint of another network; both name the file.
        """
        path = self.path(update)
        tensors, metadata = _read(path)
        try:
            progress = Progress.from_json(metadata["progress"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"{path}: not a checkpoint of a training run of this version") from error
        load_weights(network, tensors, path)
        parameters = dict(network.named_parameters())
        optimizer.state.clear()
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, key, parameter_name = name.split(".", 2)
                parameter = parameters[parameter_name]
                is_alike = tensor.shape == parameter.shape
                placed = scatter_like(tensor, parameter) if is_alike else tensor.to(parameter.device)
                optimizer.state[parameter][key] = placed.clone()  # not a view into the file
        if average is not None:  # a moving average without a saved state begins with the weights
            average.restore({name: tensors.get(f"average.{name}", tensors[f"network.{name}"]) for name in parameters})
        return progress

    def newest_whole(self, say: Callable[[str], None]) -> int | None:
        """The update of the newest readable checkpoint, None if there is none. Damaged ones are reported and renamed,
        so that they no longer count as checkpoints. Only the main process calls it."""
        updates = self.updates()
        for update in reversed(updates):
            try:
                _read(self.path(update))
                return update
            except DamagedCheckpointError as error:
                is_oldest = update == updates[0]
                say(f"{error}; {'the run begins anew' if is_oldest else 'going on from the one before'}")
                path = self.path(update)
                path.replace(path.with_name(path.name + ".damaged"))
        return None

    def average(self, updates: Sequence[int], network: nn.Module) -> None:
        """Loads the mean of the weights of several checkpoints into the network."""
        weights = mean_of(_read(self.path(update), prefix="network.")[0] for update in updates)
        load_weights(network, weights, self.path(updates[-1]))

    def prune(self, keep: set[int]) -> None:
        """Deletes all checkpoints except those of the given updates, and incomplete files that a kill left."""
        with suppress(OSError):  # a leftover file only takes space
            for path in self.folder.glob("*.safetensors*.tmp"):
                path.unlink()
            for update in self.updates():
                if update not in keep:
                    self.path(update).unlink()


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies whole "network.*" tensors into a network.

    Raises InvalidInputError naming a tensor that is missing, has the wrong shape or is not in the network.
    """
    names = {f"network.{name}" for name, _ in network.named_parameters()}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            tensor = tensors.get(f"network.{name}")
            if tensor is None or tensor.shape != parameter.shape:
                found = "is missing" if tensor is None else f"has the shape {tuple(tensor.shape)}"
                raise InvalidInputError(f"{path}: {name} {found}, but must have the shape {tuple(parameter.shape)}")
            parameter.copy_(scatter_like(tensor, parameter))
    for name in tensors:
        if name.startswith("network.") and name not in names:
            raise InvalidInputError(f"{path}: {name.removeprefix('network.')} is not in this network")


def _read(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors whose names begin with the prefix, each as it was written, and the metadata."""
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a dict
            tensors = {name: file.get_tensor(name) for name in names}
            metadata: dict[str, str] = file.metadata() or {}
        checksums: dict[str, int] = json.loads(metadata.get("checksums", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedCheckpointError(f"{path}: not a whole checkpoint: {error}") from error
    for name, checksum in checksums.items():
        if name.startswith(prefix) and (name not in tensors or _checksum(tensors[name]) != checksum):
            raise DamagedCheckpointError(f"{path}: not a whole checkpoint: {name} is not what was written")
    return tensors, metadata


def _checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data)
