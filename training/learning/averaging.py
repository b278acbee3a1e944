"""Means of weights: the moving average of a run, and the mean of several bundles."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, Storage, bundle_revision, write_bundle
from dragoman.model.config import Architecture
from dragoman.model.decoding.loading import open_alike
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.training.card import model_card
from dragoman.training.learning.distributed import scatter_like


class MovingAverage:
    """An exponential moving average of the weights, in float32: average = decay · average + (1 - decay) · weights.

    The decay rises to its final value as (1 + n) / (10 + n) over the updates n = 1, 2, …, so that the first, random
    weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begins with the network's present weights. decay: of later updates, 0 to 1."""
        self.decay = decay
        self._parameters = dict(network.named_parameters())
        self._means = {name: weight.detach().float().clone() for name, weight in self._parameters.items()}

    @torch.no_grad()
    def follow(self, update: int) -> None:
        """Adds the weights after update `update`, which is 1 or more."""
        decay = min(self.decay, (1 + update) / (10 + update))
        for name, mean in self._means.items():
            mean.lerp_(self._parameters[name].float(), 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """The means by the parameters' names, sharded like the parameters."""
        return self._means

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Replaces the means by whole tensors, by the parameters' names."""
        for name, mean in self._means.items():
            mean.copy_(scatter_like(tensors[name], mean))


_NO_SHAPE = {"dropout", "attention_dropout", "feed_forward_dropout", "max_source_length", "max_target_length"}
"""Keys of the architecture on which no weight's shape or meaning depends."""


@torch.no_grad()
def mean_of(weights: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several networks' weights, by name, in float32 of sums in float64; one network is held at a time."""
    total: dict[str, Tensor] = {}
    count = 0
    for tensors in weights:
        count += 1
        for name, tensor in tensors.items():
            total[name] = total[name] + tensor.double() if name in total else tensor.double()
    return {name: (tensor / count).float() for name, tensor in total.items()}


def network_weights(network: nn.Module) -> list[Tensor]:
    """Copies of a network's weights, in its own order."""
    return [weight.detach().clone() for weight in network.parameters()]


@torch.no_grad()
def blend_weights(network: nn.Module, first: Iterable[Tensor], last: Iterable[Tensor], share: float) -> None:
    """Gives a network the mean of two networks' weights, in its own order. share: of the first, 0 to 1."""
    for weight, one, other in zip(network.parameters(), first, last, strict=True):
        weight.copy_(other.lerp(one, share))


def average_bundles(names_or_paths: Sequence[str], output: Path, storage: Storage) -> BundleConfig:
    """Writes a bundle with the mean of several bundles' weights: a model soup (Wortsman et al. 2022). It is useful only
    for models fine-tuned from the same one.

    names_or_paths: two or more. output: the new bundle's folder; an existing bundle is replaced.

    Returns the new bundle's configuration: the first one's name and description, and the directions that all have.
    Raises NotFoundError for an unknown bundle, InvalidInputError for a damaged one and for bundles that differ in
    kind, vocabulary or architecture, have no direction in common or lie in `output`, and DragomanError if the new
    bundle cannot be written.
    """
    if len(names_or_paths) < 2:
        raise InvalidInputError("a mean needs two bundles or more")
    model = open_alike(names_or_paths)
    for folder, info in zip(model.folders, model.infos, strict=True):
        _check_apart(output, folder)
        _check_alike(model.folders[0], model.infos[0].architecture, folder, info.architecture)
    mean = load_network(model.folders[0], model.infos[0])
    weights = mean_of(
        dict(load_network(folder, info).named_parameters())
        for folder, info in zip(model.folders, model.infos, strict=True)
    )
    with torch.no_grad():
        for name, parameter in mean.named_parameters():
            parameter.copy_(weights[name])
    info = replace(
        model.info,
        name=model.infos[0].name,
        storage=storage,
        num_parameters=num_parameters(mean),
        provenance=_provenance(names_or_paths, model.folders, model.infos),
    )
    write_bundle(output, info, model.vocabulary, pack_weights(mean, storage), model_card(info))
    return info


def share_their_origin(infos: Sequence[BundleConfig]) -> bool:
    """Whether, by their provenance, bundles were fine-tuned from the same one."""
    origins = {_origin(info.provenance) for info in infos}
    return len(origins) == 1 and None not in origins


def _origin(story: Mapping[str, Any]) -> tuple[str, str] | None:
    """The name and the weights' checksum of a bundle's initial bundle."""
    try:
        name = str(story["run"]["initialization"]["bundle"])
        return name, str(story["data_checksums"][str(Path(name) / WEIGHTS_FILE)])
    except (LookupError, TypeError):
        return None


def _check_apart(output: Path, folder: Path) -> None:
    """Writing a bundle replaces the whole folder."""
    written, read = output.resolve(), folder.resolve()
    if written == read or written in read.parents or read in written.parents:
        raise InvalidInputError(f"{output}: would be written over {folder}, which is needed")


def _check_alike(first: Path, expected: Architecture, other: Path, found: Architecture) -> None:
    for key, value in asdict(expected).items():
        if key not in _NO_SHAPE and getattr(found, key, None) != value:
            raise InvalidInputError(
                f"{first} and {other} have no mean: architecture.{key} is {value} and {getattr(found, key, None)}"
            )


def _provenance(names: Sequence[str], folders: Sequence[Path], infos: Sequence[BundleConfig]) -> dict[str, Any]:
    """The first bundle's description, with each one's whole provenance and the training data of all."""
    stories = [info.provenance for info in infos]
    joined = {
        key: " ".join(dict.fromkeys(str(story[key]) for story in stories if story.get(key)))
        for key in ("data", "licence")
    }
    return {
        "description": stories[0].get("description", ""),
        **joined,
        "sentence_pairs": max(_count(story.get("sentence_pairs")) for story in stories),
        "date": time.strftime("%Y-%m-%d"),
        "mean_of": [
            {"bundle": name, "revision": bundle_revision(folder), "provenance": story}
            for name, folder, story in zip(names, folders, stories, strict=True)
        ],
    }


def _count(value: Any) -> int:
    """A count from a provenance, which may contain anything."""
    return value if isinstance(value, int) else 0
