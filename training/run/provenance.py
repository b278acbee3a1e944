"""What a result hangs on besides configuration and data: versions, commit, machine, processes and threads."""

import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.learning.distributed import World

PROVENANCE_FILE = "provenance.json"
"""In the run folder: the seed, the data's checksums, and the circumstances of each start."""

PACKAGES = ("dragoman", "torch", "sentencepiece", "numpy", "safetensors", "sacrebleu")


def circumstances(world: World) -> dict[str, Any]:
    """Of the present start of a run, for JSON; they name no host and no person, so that a bundle may tell of them."""
    return {
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in PACKAGES}
        | {"torch": torch.__version__},  # tells the build, too, as in 2.13.0+cpu
        "commit": _commit(Path(__file__).parent),
        "processes": world.size,
        "threads": torch.get_num_threads(),
        "device": _device_name(world.device),
        "platform": platform.platform(),
    }


def record_start(folder: Path, world: World, *, seed: int, checksums: Mapping[str, str], update: int) -> None:
    """Adds a start, at an update, to the run folder's provenance.json, or begins the file.

    Raises InvalidInputError if it is damaged, DragomanError when it cannot be written.
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
    """The circumstances of a run's starts, first to last; none if there is no such file.

    Raises InvalidInputError if it is damaged.
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
    """The git commit that the code was checked out of, with "+" if it was edited since; None if it was not, but, say,
    installed within a checkout of something else."""
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
