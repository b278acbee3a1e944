"""The record of a run, read from its folder: of a finished, a running or a killed run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from dragoman.model.bundle import CONFIG_FILE, BundleConfig, read_config
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import try_lock
from dragoman.training.evaluation.dev_translations import (
    BEST_FILE,
    SAMPLES_FILE,
    DevTranslation,
    read_dev_translations,
    read_json_lines,
)
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, check_tokenizer

METRICS_FILE = "metrics.jsonl"
WARNINGS_FILE = "warnings.txt"
"""The run's deviations from its configuration, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A line of metrics.jsonl. values: its numbers; texts: the rest, such as the fault of an update."""

    kind: str
    update: int
    values: Mapping[str, float]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as its folder shows it.

    config:       config.json, unchecked: an older version's keys may differ.
    measurements: in the order of their updates.
    samples, best_translations: see `training.evaluation.dev_translations`; empty for a run of an older version.
    bundle:       the best bundle's configuration; None if there is no readable one yet.
    provenance:   the run's own record, or else the bundle's; may be empty.
    warnings:     the run's deviations from its configuration.
    progress:     the newest checkpoint's progress: "seconds", "target_tokens" and more; may be empty.
    is_running:   whether a process trains in it; None if unknown.
    last_written: when its metrics were last written.
    """

    folder: Path
    config: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    samples: tuple[DevTranslation, ...]
    best_translations: tuple[DevTranslation, ...]
    bundle: BundleConfig | None
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]
    progress: Mapping[str, Any]
    is_running: bool | None
    last_written: datetime | None

    @property
    def bundle_folder(self) -> Path:
        return self.folder / "best"

    @property
    def tokenizer(self) -> str:
        """The tokenizer that scores its dev set; runs of older versions have no such option.

        Raises InvalidInputError, naming the run, if the tokenizer cannot be loaded here.
        """
        name: str = self.option("validation", "tokenize") or DEFAULT_TOKENIZER
        try:
            check_tokenizer(name)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.folder}: {error}") from error
        return name

    @property
    def dev_files(self) -> dict[str, dict[str, str]]:
        """The files of each dev set, by its name and their language; the name is "" for a single set without one."""
        dev = self.option("data", "dev")
        sets = dev if isinstance(dev, dict) else {}
        named = {name: files for name, files in sets.items() if isinstance(files, dict)}
        return {
            name: {code: path for code, path in files.items() if isinstance(path, str)}
            for name, files in (named or {"": sets}).items()
        }

    @property
    def is_of_language_model(self) -> bool:
        return bool(self.option("architecture", "kind") == "language-model")

    @property
    def update(self) -> int:
        """The last measured update; 0 before the first."""
        return self.measurements[-1].update if self.measurements else 0

    def of_kind(self, kind: str) -> list[Measurement]:
        return [measurement for measurement in self.measurements if measurement.kind == kind]

    def option(self, table: str, key: str) -> Any:
        """A value of the configuration; None if the run has no such key."""
        values = self.config.get(table)
        return values.get(key) if isinstance(values, dict) else None


def read_run(folder: Path) -> RunRecord:
    """Reads a run folder, skipping lines that a crash cut short. Raises NotFoundError for a missing folder, and
    InvalidInputError if it is not a run's or, naming the file, if a file cannot be read."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: there is no such run folder")
    config = _read_run_config(folder)
    bundle = _read_bundle(folder / "best")
    measurements = read_json_lines(folder / METRICS_FILE, _parse_measurement)
    return RunRecord(
        folder=folder,
        config=config,
        measurements=tuple(sorted(measurements, key=lambda measurement: measurement.update)),
        samples=tuple(read_dev_translations(folder / SAMPLES_FILE)),
        best_translations=tuple(read_dev_translations(folder / BEST_FILE)),
        bundle=bundle,
        provenance=_read_provenance(folder, bundle),
        warnings=_read_warnings(folder / WARNINGS_FILE),
        progress=_read_progress(folder / "checkpoints"),
        is_running=_is_locked(folder / "lock"),
        last_written=_last_written(folder / METRICS_FILE),
    )


def _read_run_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidInputError(f"{folder}: no training run has begun here, it has no {CONFIG_FILE}") from error
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInputError(f"{path}: not JSON: {error}") from error
    if not isinstance(config, dict) or "run_folder" not in config:
        raise InvalidInputError(f"{folder}: is no run folder: its {CONFIG_FILE} is not the configuration of a run")
    return config


def _parse_measurement(line: dict[str, Any]) -> Measurement:
    values = {name: value for name, value in line.items() if name not in ("kind", "update")}
    return Measurement(
        kind=str(line["kind"]),
        update=int(line["update"]),
        values={name: float(value) for name, value in values.items() if isinstance(value, int | float)},
        texts={name: value for name, value in values.items() if isinstance(value, str)},
    )


def _read_bundle(folder: Path) -> BundleConfig | None:
    try:
        return read_config(folder)
    except InvalidInputError:  # none yet, or being replaced just now
        return None


def _read_provenance(folder: Path, bundle: BundleConfig | None) -> dict[str, Any]:
    """The run's provenance, if it has one, with the entries that only the bundle has, except the bundle's copy of the
    configuration."""
    known: dict[str, Any] = dict(bundle.provenance) if bundle is not None else {}
    known.pop("run", None)
    for name, key in (("checksums.json", "data_checksums"), ("provenance.json", None)):
        try:
            content = json.loads((folder / name).read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            known |= {key: content} if key is not None else content
    return known


def _read_warnings(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text("utf-8", "replace").splitlines())
    except OSError:
        return ()


def _read_progress(folder: Path) -> dict[str, Any]:
    """The progress of the newest readable checkpoint, read without its tensors."""
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        try:
            with safe_open(path, framework="np") as file:
                progress = json.loads((file.metadata() or {})["progress"])
        except (SafetensorError, OSError, KeyError, ValueError):
            continue
        if isinstance(progress, dict):
            return progress
    return {}


def _is_locked(path: Path) -> bool | None:
    try:
        with path.open("rb") as file:
            return not try_lock(file, shared=True)
    except OSError:
        return None


def _last_written(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
