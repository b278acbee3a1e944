"""Fine-tuning: a run's initial bundle, and the configuration inherited from it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, file_revision, find_bundle, read_config, read_vocabulary
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

_FREE_KEYS = {"dropout", "attention_dropout", "feed_forward_dropout"}
"""Keys of the architecture that change no weight's shape or meaning."""

_DEPTHS = {"encoder_layers": "num_encoder_layers", "decoder_layers": "num_decoder_layers"}
"""Prefix of a stack's weights → the key of its depth, which may be less than the bundle's."""

_LAYER_WEIGHT = re.compile(rf"({'|'.join(_DEPTHS)})\.(\d+)\.(.+)")


def inherit_from_bundle(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration, completed by the architecture and the vocabulary's shape of its `initialization.bundle`,
    if there is one.

    Raises NotFoundError if there is no such bundle, InvalidInputError naming a key that contradicts it.
    """
    table = tree.get("initialization")
    name = table.get("bundle") if isinstance(table, dict) else None
    architecture = tree.get("architecture", {})
    if not isinstance(name, str) or not isinstance(architecture, dict):
        return dict(tree)  # nothing to inherit, or a wrong type, which reading the configuration reports
    if "vocabulary" in tree:
        raise InvalidInputError(
            f"vocabulary: the run begins with the bundle {name} and keeps its vocabulary: leave this table out"
        )
    info = read_config(_find(name))
    inherited = info.architecture.model_dump()
    for key, value in architecture.items():
        if key not in inherited or key in _FREE_KEYS or value == inherited[key]:
            continue
        is_depth = key in _DEPTHS.values()
        if is_depth and isinstance(value, int) and value < inherited[key]:
            continue  # reading the configuration refuses what is below 1
        raise InvalidInputError(
            f"architecture.{key}: is {value}, but the bundle {name} has {inherited[key]}: leave the key out"
            + (", or say fewer" if is_depth else "")
        )
    shape = info.vocabulary
    return {
        **tree,
        "architecture": inherited | architecture,
        "vocabulary": {"size": shape.source_size, "joint": shape.joint},
    }


def _find(name: str) -> Path:
    try:
        return find_bundle(name)
    except NotFoundError as error:
        raise NotFoundError(f"initialization.bundle: {error}") from error


class InitialBundle:
    """The bundle that a run begins with."""

    def __init__(self, name: str) -> None:
        """Raises NotFoundError, or InvalidInputError naming the file at fault."""
        self.name = name
        self.folder = _find(name)
        self.info: BundleConfig = read_config(self.folder)
        self.vocabulary: Vocabulary = read_vocabulary(self.folder, self.info)

    def check_directions(self, directions: Sequence[Direction]) -> None:
        """Raises InvalidInputError for a direction into a language that the vocabulary has no tag for."""
        for direction in directions:
            if self.vocabulary.source.tag_id(direction.target) is None:
                known = ", ".join(sorted({known.target for known in self.info.directions}))
                raise InvalidInputError(
                    f'data.directions: {direction}: the vocabulary of the bundle {self.name} has no tag for "'
                    f'{direction.target}"; it can be fine-tuned for directions into {known}'
                )

    def initial_weights(self, architecture: ArchitectureConfig) -> "dict[str, Tensor]":
        """The initial state of a network, by name as in its `state_dict()`.

        architecture: the bundle's own, or one with fewer layers, which takes some of the bundle's: see `spread_evenly`.
        """
        from dragoman.model.network.storage import load_network

        theirs = load_network(self.folder, self.info).state_dict()
        kept = {
            stack: spread_evenly(getattr(self.info.architecture, key), getattr(architecture, key))
            for stack, key in _DEPTHS.items()
        }
        weights = {}
        for name, weight in theirs.items():
            match = _LAYER_WEIGHT.fullmatch(name)
            if match is None:
                weights[name] = weight
            elif (layer := int(match[2])) in kept[match[1]]:
                weights[f"{match[1]}.{kept[match[1]].index(layer)}.{match[3]}"] = weight
        return weights

    def checksum(self) -> dict[str, str]:
        """The checksum of the weights' file, by its path as configured, like those of the corpora; a shipped bundle's
        name stands for its path, which depends on the installation."""
        return {str(Path(self.name) / WEIGHTS_FILE): file_revision(self.folder / WEIGHTS_FILE)}


def spread_evenly(num_layers: int, num_kept: int) -> list[int]:
    """The layers of a deeper stack that initialize a shallower one: the first, the last, and others evenly between; for
    a single layer, the first (shrink and fine-tune: Shleifer and Rush 2020).

    num_kept: 1 to num_layers. Returns [num_kept] increasing numbers from 0.
    """
    if num_kept == 1:
        return [0]
    return [round(index * (num_layers - 1) / (num_kept - 1)) for index in range(num_kept)]
