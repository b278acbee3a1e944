"""Who is measured: Dragoman and what its users would train with instead, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.benchmarks.processes import Side

OURS = "dragoman"
PATIENCE = 600.0
"""Seconds until a side must have answered: longer than a start, with reading the corpus, and than any round."""


@dataclass(frozen=True, slots=True)
class System:
    """title: for the table. side: the module of its process. environment: the requirements file and virtual environment
    that it needs beside this one, if any. options: what its side's `train` takes besides the plan."""

    title: str
    side: str
    environment: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


SYSTEMS = {
    OURS: System("Dragoman", "dragoman_side"),
    "marian": System("MarianMTModel, bfloat16 products (autocast)", "marian_side", options={"precision": "autocast"}),
    "marian-bfloat16": System("MarianMTModel, bfloat16 weights", "marian_side", options={"precision": "bfloat16"}),
    "marian-float32": System("MarianMTModel, float32", "marian_side", options={"precision": "float32"}),
    "joeynmt": System("Joey NMT as it comes (float32, unsorted batches)", "joeynmt_side", "joeynmt"),
    "joeynmt-helped": System(
        "Joey NMT with bfloat16 and sorted batches put in", "joeynmt_side", "joeynmt", {"helped": True}
    ),
    "eole": System("Eole, bfloat16 products (autocast)", "eole_side", "eole", {"precision": "autocast"}),
    "eole-bfloat16": System("Eole, bfloat16 weights", "eole_side", "eole", {"precision": "bfloat16"}),
    "eole-float32": System("Eole, float32", "eole_side", "eole", {"precision": "float32"}),
    "opennmt": System("OpenNMT-py, float32", "opennmt_side", "eole"),
}


def interpreter(name: str | None, folder: Path) -> str:
    """The Python that runs a system; makes its environment in `folder` when there is none of these requirements.

    Raises CalledProcessError when pip fails, with what it said in a log beside the environment.
    """
    if name is None:
        return sys.executable
    environment, requirements = folder / name, Path(__file__).parent / f"requirements-{name}.txt"
    python, done = environment / "bin" / "python", environment / ".installed"
    if not done.exists() or done.read_text() != requirements.read_text():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}-install.log").open("w") as log:
            for command in (
                [sys.executable, "-m", "venv", str(environment)],
                # Nothing besides: the lists are whole, and what some packages ask for contradicts others.
                [str(python), "-m", "pip", "install", "--no-deps", "-r", str(requirements)],
            ):
                subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
        done.write_text(requirements.read_text())
    return str(python.absolute())


def start(system: System, folder: Path, threads: int, log: IO[str]) -> Side:
    """The system's process, which waits for its first request."""
    variables = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": os.getcwd()}
    python = interpreter(system.environment, folder)
    return Side(f"training.{system.side}", variables, python=python, log=log, patience=PATIENCE)


def chosen(names: Sequence[str]) -> dict[str, System]:
    """These systems, Dragoman first. Raises ValueError that names one there is not."""
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise ValueError(f"there is no system {', '.join(unknown)}; choose among {', '.join(SYSTEMS)}")
    return {name: system for name, system in SYSTEMS.items() if name == OURS or name in names}
