"""A run folder's record of the run: its data, the circumstances of its starts, and whether it may be resumed."""

import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from dragoman.model.bundle import CONFIG_FILE
from dragoman.model.config_files import describe_validation_error
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import write_atomically
from dragoman.training.config import RunConfig
from dragoman.training.learning.distributed import World

PROVENANCE_FILE = "provenance.json"
"""In the run folder: the seed, the data's checksums, and the circumstances of each start."""

PACKAGES = ("dragoman", "torch", "sentencepiece", "numpy", "safetensors", "sacrebleu")


def circumstances(world: World) -> dict[str, Any]:
    """The circumstances of the present start of a run, for JSON. They name no host and no person, so that a bundle may
    include them."""
    return {
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in PACKAGES}
        | {"torch": torch.__version__},  # with the build, as in 2.13.0+cpu
        "commit": _commit(Path(__file__).parent),
        "processes": world.size,
        "threads": torch.get_num_threads(),
        "device": _device_name(world.device),
        "platform": platform.platform(),
    }


def record_start(folder: Path, world: World, *, seed: int, checksums: Mapping[str, str], update: int) -> None:
    """Adds a start, at an update, to the run folder's provenance.json, or creates the file.

    Raises InvalidInputError if it is damaged, DragomanError if it cannot be written.
    """
    start = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "update": update,
        **circumstances(world),
        "launcher": world.launcher,
    }
    content = {"seed": seed, "data_checksums": checksums, "starts": [*read_starts(folder), start]}
    write_atomically(folder / PROVENANCE_FILE, json.dumps(content, indent=2) + "\n")


def read_starts(folder: Path) -> list[dict[str, Any]]:
    """The circumstances of a run's starts, first to last; empty without a file.

    Raises InvalidInputError if the file is damaged.
    """
    path = folder / PROVENANCE_FILE
    try:
        starts: list[dict[str, Any]] = json.loads(path.read_bytes())["starts"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{path}: cannot be read: {error}") from error
    return starts


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit(folder: Path) -> str | None:
    """The git commit of the code's checkout, with "+" if it was edited since; None if the code is not in a checkout of
    its own."""
    try:
        if not _git(folder, "ls-files", "."):
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + "+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()


CHECKSUMS_FILE = "checksums.json"
"""SHA-256 of each training file, by its path as configured."""


def is_resumption(config: RunConfig, world: World, *, wanted: bool) -> bool:
    """Whether a run is resumed or begins. Under torchrun `wanted` may be set in either case, and a restarted run
    resumes without it.

    Raises InvalidInputError if the run folder has a run that must not be resumed, or cannot be with this configuration,
    and NotFoundError if there is no run to resume.
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
    """Refuses to resume with edited files, since the run's place in the data would change. folder: of the run;
    checksums: of the present files. Raises InvalidInputError naming the file."""
    path = folder / CHECKSUMS_FILE
    try:
        begun: dict[str, str] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path}: the checksums of the run's corpora cannot be read: {error}") from error
    for name, checksum in checksums.items():
        if begun.get(name) != checksum:
            raise InvalidInputError(f"{name}: has changed since the run began; put it back, or begin a new run")


def _check_same_run(config: RunConfig) -> None:
    """Refuses to resume with options that would invalidate the weights or the place in the data."""
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
