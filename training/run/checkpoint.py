"""Checkpoints: a run's complete state, in safetensors files, without pickle."""

import json
import re
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.learning.averaging import MovingAverage, mean_of
from dragoman.training.learning.distributed import World, gather, scatter_like
from dragoman.training.learning.optimizer import Optimizer
from dragoman.training.learning.sharded_state import file_checksum, is_split, load_split, save_split
from dragoman.training.run.progress import Progress


class DamagedCheckpointError(InvalidInputError):
    """A checkpoint's file is truncated, altered or missing."""


class CheckpointFolder:
    """The checkpoints of a run: `<update>.safetensors`, each written aside and renamed when complete.

    They have whole tensors, which the main process writes. Where the network is split among the processes (FSDP2), a
    checkpoint is a folder `<update>.sharded`, to which each process writes its part. Either is read by any number of
    processes, so a run may be resumed with another number. All processes call `save` and `restore`.
    """

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.folder = folder
        self.world = world or World()
        self._written: set[int] = set()  # checkpoints in shards, by these processes

    def updates(self) -> list[int]:
        """The updates at which there is a checkpoint, oldest first."""
        names = (re.fullmatch(r"(\d+)\.(safetensors|sharded)", path.name) for path in self.folder.glob("*.s*"))
        return sorted({int(match[1]) for match in names if match})

    def path(self, update: int) -> Path:
        """The checkpoint of an update, a file or a folder; if there is none, the file that it would be."""
        sharded = self.folder / f"{update:08d}.sharded"
        return sharded if sharded.is_dir() else self.folder / f"{update:08d}.safetensors"

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
        if any(map(is_split, tensors.values())):
            self._save_split(progress, tensors)
            return
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

    def _save_split(self, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
        path = self.folder / f"{progress.update:08d}.sharded"
        if progress.update in self._written:  # the same tensors, with what was measured
            self.world.on_main(lambda: _write_record(path, _read_record(path) | {"progress": asdict(progress)}))
            return
        aside = path.with_name(path.name + ".tmp")
        self.world.on_main(lambda: _make_empty(aside))
        split = {name: tensor for name, tensor in tensors.items() if is_split(tensor)}
        record = {
            "progress": asdict(progress),
            "shapes": {name: list(tensor.shape) for name, tensor in split.items()},
            "numbers": {name: tensor.item() for name, tensor in tensors.items() if name not in split},
            "files": save_split(split, aside, self.world),
        }

        def complete() -> None:
            _write_record(aside, record)
            shutil.rmtree(path, ignore_errors=True)
            aside.rename(path)

        self.world.on_main(complete)
        self._written.add(progress.update)

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
        if path.is_dir():
            return _restore_split(path, network, optimizer, average)
        tensors, metadata = _read(path)
        progress = _read_progress(metadata.get("progress", ""), path)
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
                _check(self.path(update))
                return update
            except DamagedCheckpointError as error:
                is_oldest = update == updates[0]
                say(f"{error}; {'the run begins anew' if is_oldest else 'going on from the one before'}")
                path = self.path(update)
                path.replace(path.with_name(path.name + ".damaged"))
        return None

    def average(self, updates: Sequence[int], network: nn.Module) -> None:
        """Loads the mean of the weights of several checkpoints into the network."""
        weights = mean_of(_read_weights(self.path(update)) for update in updates)
        load_weights(network, weights, self.path(updates[-1]))

    def prune(self, keep: set[int]) -> None:
        """Deletes all checkpoints except those of the given updates, and incomplete files that a kill left."""
        with suppress(OSError):  # a leftover file only takes space
            for path in self.folder.glob("*.safetensors*.tmp"):
                path.unlink()
            for path in self.folder.glob("*.sharded.tmp"):
                shutil.rmtree(path)
            for update in self.updates():
                if update not in keep:
                    _remove(self.path(update))


def _read_progress(text: str, path: Path) -> Progress:
    try:
        return Progress.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{path}: not a checkpoint of a training run of this version") from error


_RECORD = "checkpoint.json"
"""In a folder of shards: the run's progress, the tensors' shapes, the numbers among the state, the files' checksums."""


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    write_atomically(folder / _RECORD, json.dumps(record))


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_bytes())
        if not {"progress", "shapes", "numbers", "files"} <= record.keys():
            raise ValueError("a key is missing")
    except (OSError, ValueError) as error:
        raise DamagedCheckpointError(f"{folder}: not a whole checkpoint: {error}") from error
    return record


def _restore_split(folder: Path, network: nn.Module, optimizer: Optimizer, average: MovingAverage | None) -> Progress:
    record = _read_record(folder)
    progress = _read_progress(json.dumps(record["progress"]), folder)
    parameters = dict(network.named_parameters())
    _check_shapes(parameters, {name: tuple(shape) for name, shape in record["shapes"].items()}, folder)
    wanted = {f"network.{name}": parameter.detach() for name, parameter in parameters.items()}
    means = {} if average is None else {f"average.{name}": mean for name, mean in average.tensors().items()}
    saved_means = {name: mean for name, mean in means.items() if name in record["shapes"]}
    state: dict[tuple[str, str], Tensor] = {}
    for name in record["shapes"]:
        if name.startswith("optimizer."):
            _, key, parameter_name = name.split(".", 2)
            state[key, parameter_name] = torch.empty_like(parameters[parameter_name].detach())
    moments = {f"optimizer.{key}.{name}": tensor for (key, name), tensor in state.items()}
    load_split(wanted | saved_means | moments, folder)
    optimizer.state.clear()
    for name, value in record["numbers"].items():
        _, key, parameter_name = name.split(".", 2)
        optimizer.state[parameters[parameter_name]][key] = torch.tensor(value, dtype=torch.float32)
    for (key, name), tensor in state.items():
        optimizer.state[parameters[name]][key] = tensor
    for name in means.keys() - saved_means.keys():  # a moving average without a saved state begins with the weights
        means[name].copy_(wanted[name.replace("average.", "network.", 1)])
    return progress


def _check(path: Path) -> None:
    """Raises DamagedCheckpointError unless the checkpoint is as it was written."""
    if not path.is_dir():
        _read(path)
        return
    for name, checksum in _read_record(path)["files"].items():
        try:
            is_same = file_checksum(path / name) == checksum
        except OSError as error:
            raise DamagedCheckpointError(f"{path}: not a whole checkpoint: {error}") from error
        if not is_same:
            raise DamagedCheckpointError(f"{path}: not a whole checkpoint: {name} is not what was written")


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The whole weights, by names that begin with "network."; of shards also where other processes do not read."""
    if not path.is_dir():
        return _read(path, prefix="network.")[0]
    shapes = _read_record(path)["shapes"]
    weights = {name: torch.empty(shape) for name, shape in shapes.items() if name.startswith("network.")}
    load_split(weights, path, is_alone=True)
    return weights


def _make_empty(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise DragomanError(f"{folder}: cannot be written: {error.strerror}") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        (path / _RECORD).unlink()  # first, so that no part of it passes for a whole
        shutil.rmtree(path)
    else:
        path.unlink()


def _check_shapes(parameters: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    for name, parameter in parameters.items():
        shape = shapes.get(f"network.{name}")
        if shape != tuple(parameter.shape):
            found = "is missing" if shape is None else f"has the shape {shape}"
            raise InvalidInputError(f"{path}: {name} {found}, but must have the shape {tuple(parameter.shape)}")
    for name in shapes:
        if name.startswith("network.") and name.removeprefix("network.") not in parameters:
            raise InvalidInputError(f"{path}: {name.removeprefix('network.')} is not in this network")


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies whole "network.*" tensors into a network.

    Raises InvalidInputError naming a tensor that is missing, has the wrong shape or is not in the network.
    """
    parameters = dict(network.named_parameters())
    _check_shapes(parameters, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, path)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(scatter_like(tensors[f"network.{name}"], parameter))


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
