"""A run folder without the training: what a run would have written, as far as a test wants it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from dragoman.model.config import Direction
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.dev_translations import DevTranslations
from tests.training.tiny import tiny_config

SOURCES = ["The dog sees the house.", "The woman likes the tree.", "The child looks for the bridge."]
TARGETS = ["Der Hund sieht das Haus.", "Die Frau mag den Baum.", "Das Kind sucht die Brücke."]


def begin_run(folder: Path, **tables: Any) -> None:
    """A run that has written its configuration and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(tiny_config(folder, **tables).model_dump_json())


def add_metrics(folder: Path, *lines: dict[str, Any]) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def training_line(update: int, **values: float) -> dict[str, Any]:
    measured = {
        "loss": 8.0 / update,
        "negative_log_likelihood": 7.0 / update,
        "tokens_per_second": 1234.0,
        "learning_rate": 0.001,
        "epoch": 2,
    }
    return {"kind": "training", "update": update, **measured, **values}


def validation_line(update: int, bleu: float) -> dict[str, Any]:
    return {"kind": "validation", "update": update, "bleu en→de": bleu, "bleu": bleu}


def add_translations(
    folder: Path,
    *,
    sources: Sequence[str] = SOURCES,
    references: Sequence[str] = TARGETS,
    hypotheses: Sequence[str] = TARGETS,
    update: int = 2,
    is_best: bool = True,
) -> None:
    dev = [ParallelText(Direction("en", "de"), list(sources), list(references))]
    DevTranslations(folder, dev, seed=1).write(update, {"en→de": hypotheses}, is_best=is_best)


def add_checkpoint(folder: Path, update: int, **progress: Any) -> None:
    """Of a checkpoint what a report reads."""
    (folder / "checkpoints").mkdir()
    metadata = {"progress": json.dumps({"update": update, **progress})}
    path = folder / "checkpoints" / f"{update:08d}.safetensors"
    save_file({"weight": np.zeros(1, np.float32)}, path, metadata)


def add_bundle(folder: Path, bundle: Path) -> None:
    shutil.copytree(bundle, folder / "best")
