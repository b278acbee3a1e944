"""Whether a run goes on, and with what it may."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from dragoman.model.bundle import CONFIG_FILE
from dragoman.model.config import describe_validation_error
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.config.run import RunConfig
from dragoman.training.learning.distributed import World
from dragoman.training.run.provenance import read_starts

CHECKSUMS_FILE = "checksums.json"
"""SHA-256 of each file that a run learns from, by its path as configured."""


def is_resumption(config: RunConfig, world: World, *, wanted: bool) -> bool:
    """Whether a run goes on, or begins. Under torchrun `wanted` may be set for both; and a run that it starts anew goes
    on without.

    Raises InvalidInputError if the run folder holds a run that is not to go on or cannot with this configuration, and
    NotFoundError if there is nothing that could go on.
    """
    folder = config.run_folder
    if not (folder / CONFIG_FILE).exists():
        # A folder without it is of a run that was killed while it read its corpus.
        if wanted and world.launcher is None and not folder.exists():
            raise NotFoundError(f"{folder}: there is no run to resume")
        return False
    if not wanted:
        starts = read_starts(folder) if world.restarts else []
        if not starts or starts[-1]["launcher"] != world.launcher:
            raise InvalidInputError(
                f"{folder}: holds a run already; go on with it by --resume, or name another by --set run_folder=FOLDER"
            )
    _check_same_run(config)
    return True


def check_same_corpus(folder: Path, checksums: Mapping[str, str]) -> None:
    """Refuses to resume with edited files: the place in the data would be another. folder: the run's; checksums: of
    the files as they are now. Raises InvalidInputError naming the file."""
    path = folder / CHECKSUMS_FILE
    try:
        begun: dict[str, str] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path}: the checksums of the run's corpora cannot be read: {error}") from error
    for name, checksum in checksums.items():
        if begun.get(name) != checksum:
            raise InvalidInputError(f"{name}: has changed since the run began; put it back, or begin a new run")


def _check_same_run(config: RunConfig) -> None:
    """Refuses to resume where what has been learnt, or the place in the data, would lose its meaning."""
    path = config.run_folder / CONFIG_FILE
    try:
        begun = RunConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidInputError(f"{path}: {describe_validation_error(error)}") from error
    fixed = {
        "seed": (begun.seed, config.seed),
        "data": (begun.data, config.data),
        "initialization": (begun.initialization, config.initialization),
        "vocabulary": (begun.vocabulary, config.vocabulary),
        "subword_regularization": (begun.subword_regularization, config.subword_regularization),
        "architecture": (begun.architecture, config.architecture),
        "optimization.optimizer": (begun.optimization.optimizer, config.optimization.optimizer),
        "optimization.batch_tokens": (begun.optimization.batch_tokens, config.optimization.batch_tokens),
        "optimization.accumulation": (begun.optimization.accumulation, config.optimization.accumulation),
    }
    for key, (before, now) in fixed.items():
        if before != now:
            raise InvalidInputError(f"{path}: {key} differs from what the run began with; it cannot change on the way")
