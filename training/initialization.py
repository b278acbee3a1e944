"""Fine-tuning: what a run takes from the bundle that it begins with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.bundle import WEIGHTS_FILE, BundleConfig, file_revision, find_bundle, read_config, read_vocabulary
from model.config import Direction
from model.errors import InvalidInputError, NotFoundError
from model.vocabulary import Vocabulary

_FREE_KEYS = {"dropout", "attention_dropout", "feed_forward_dropout"}
"""Of the architecture: they change no weight's shape or meaning."""


def inherit_from_bundle(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration as written, filled in with the architecture and the vocabulary's shape of its
    `initialization.bundle`, if there is one.

    Raises NotFoundError if there is no such bundle, InvalidInputError naming a key that contradicts it.
    """
    table = tree.get("initialization")
    name = table.get("bundle") if isinstance(table, dict) else None
    architecture = tree.get("architecture", {})
    if not isinstance(name, str) or not isinstance(architecture, dict):
        return dict(tree)  # nothing to take, or of a wrong type, which reading the configuration will tell
    if "vocabulary" in tree:
        raise InvalidInputError(
            f"vocabulary: the run begins with the bundle {name} and keeps its vocabulary: leave this table out"
        )
    info = read_config(_find(name))
    inherited = info.architecture.model_dump()
    for key, value in architecture.items():
        if key in inherited and key not in _FREE_KEYS and value != inherited[key]:
            raise InvalidInputError(
                f"architecture.{key}: is {value}, but the bundle {name} has {inherited[key]}: leave the key out"
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

    def checksum(self) -> dict[str, str]:
        """Of the weights' file, by its path as configured, as those of the corpora are kept; a shipped bundle's name
        stands for wherever the package lies."""
        return {str(Path(self.name) / WEIGHTS_FILE): file_revision(self.folder / WEIGHTS_FILE)}
