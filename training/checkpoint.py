"""Checkpoints: all that a run needs to go on as if nothing had happened, in safetensors files, without pickle."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from model.errors import InvalidInputError
from model.files import write_atomically
from training.batching import Position


@dataclass(slots=True)
class Progress:
    """Where a run stands."""

    update: int = 0  # updates done
    position: Position = field(default_factory=Position)  # in the stream of batches
    seconds: float = 0.0  # spent training, over all resumptions
    target_tokens: int = 0  # trained on
    validations: list[tuple[int, float]] = field(default_factory=list)  # (update, mean BLEU)

    @property
    def best(self) -> tuple[int, float] | None:
        """The best validation so far, the earliest among equals."""
        return max(self.validations, key=lambda validation: (validation[1], -validation[0]), default=None)


class CheckpointFolder:
    """The checkpoints of a run: `<update>.safetensors`, each written aside and renamed when it is whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def updates(self) -> list[int]:
        """The updates at which there is a checkpoint, oldest first."""
        names = (re.fullmatch(r"(\d+)\.safetensors", path.name) for path in self.folder.glob("*.safetensors"))
        return sorted(int(match[1]) for match in names if match)

    def path(self, update: int) -> Path:
        return self.folder / f"{update:08d}.safetensors"

    def save(self, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Raises DragomanError when it cannot be written, as on a full disk; older checkpoints stay as they are."""
        tensors = {f"network.{name}": parameter.detach() for name, parameter in network.named_parameters()}
        for name, parameter in network.named_parameters():
            for key, value in optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = value
        tensors["random_state"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["cuda_random_state"] = torch.cuda.get_rng_state()
        content = save(
            {name: tensor.contiguous() for name, tensor in tensors.items()}, {"progress": json.dumps(asdict(progress))}
        )
        write_atomically(self.path(progress.update), content)

    def restore(self, update: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Puts weights, optimizer and random state back as they were and returns where the run stood.

        Raises InvalidInputError naming the file if it is damaged or of another network.
        """
        tensors, metadata = _read(self.path(update))
        if "random_state" not in tensors or "progress" not in metadata:
            raise InvalidInputError(f"{self.path(update)}: not a checkpoint of a training run")
        parameters = dict(network.named_parameters())
        load_weights(network, tensors, self.path(update))
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, key, parameter_name = name.split(".", 2)
                parameter = parameters[parameter_name]
                optimizer.state[parameter][key] = tensor.to(parameter.device)
        torch.set_rng_state(tensors["random_state"])
        if torch.cuda.is_available() and "cuda_random_state" in tensors:
            torch.cuda.set_rng_state(tensors["cuda_random_state"])
        values = json.loads(metadata["progress"])
        values["position"] = Position(**values["position"])
        values["validations"] = [(update, bleu) for update, bleu in values["validations"]]
        return Progress(**values)

    def average(self, updates: Sequence[int], network: nn.Module) -> None:
        """Loads into the network the mean of the weights of several checkpoints."""
        total: dict[str, Tensor] = {}
        for update in updates:
            tensors, _ = _read(self.path(update), prefix="network.")
            for name, tensor in tensors.items():
                total[name] = total[name] + tensor.double() if name in total else tensor.double()
        mean = {name: (tensor / len(updates)).float() for name, tensor in total.items()}
        load_weights(network, mean, self.path(updates[-1]))

    def prune(self, keep: set[int]) -> None:
        """Deletes all checkpoints but those of the given updates."""
        for update in self.updates():
            if update not in keep:
                self.path(update).unlink()


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies "network.*" tensors into a network.

    Raises InvalidInputError naming what is missing, misshapen or more than the network has.
    """
    names = {f"network.{name}" for name, _ in network.named_parameters()}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            tensor = tensors.get(f"network.{name}")
            if tensor is None or tensor.shape != parameter.shape:
                found = "is missing" if tensor is None else f"has the shape {tuple(tensor.shape)}"
                raise InvalidInputError(f"{path}: {name} {found}, but must have the shape {tuple(parameter.shape)}")
            parameter.copy_(tensor)
    for name in tensors:
        if name.startswith("network.") and name not in names:
            raise InvalidInputError(f"{path}: {name.removeprefix('network.')} is not in this network")


def _read(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a dict
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InvalidInputError(f"{path}: not a whole checkpoint: {error}") from error
