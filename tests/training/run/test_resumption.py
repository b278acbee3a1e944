"""Runs that are killed, stopped or damaged go on as if nothing had happened: compared tensor by tensor."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load
from torch import Tensor
from typer.testing import CliRunner

from dragoman.command_line import make_app
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.training.config import RunConfig, load_run_config
from dragoman.training.learning.updater import Updater
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.interruption import Interrupted
from dragoman.training.run.training_run import train
from tests.training.tiny import write_config

ROOT = Path(__file__).parents[3]

CONFIG = """
[data]
directions = ["en-de"]
max_length = 40

[[data.train]]
en = "corpus/train.en"
de = "corpus/train.de"

[data.dev]
en = "corpus/dev.en"
de = "corpus/dev.de"

[vocabulary]
size = 400

[augmentation]
capitals = 0.1
typos = 0.2
concatenated = 0.2
copied_signs = 0.1

[subword_regularization]
source_alpha = 0.3
target_alpha = 0.3

[architecture]
d_model = 16
d_ff = 32
num_heads = 2
num_encoder_layers = 1
num_decoder_layers = 1
dropout = 0.2
max_source_length = 64
max_target_length = 64

[optimization]
max_updates = 8
batch_tokens = 256
warmup_updates = 2
schedule = "cosine"
weight_decay = 0.01
log_every = 3
checkpoint_every = 2
keep_checkpoints = 2

[validation]
every = 4
max_sentences = 4
beam_size = 2

[averaging]
checkpoints = 3
ema_decay = 0.9

[bundle]
storage = "float32"
"""


@pytest.fixture(autouse=True)
def untouched_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tuning would last for the whole test process."""
    monkeypatch.setattr("dragoman.training.learning.allocator.keep_freed_memory", lambda: None)


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    write_config(path, CONFIG)
    return path


def configured(config_path: Path, run: str, *overrides: str) -> RunConfig:
    return load_run_config(config_path, [f"run_folder={config_path.parent / run}", *overrides])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """A run that went to its end. Tests leave it as it is."""
    path = tmp_path_factory.mktemp("undisturbed") / "small.toml"
    write_config(path, CONFIG)
    config = configured(path, "run")
    train(config)
    return config


def read_checkpoint(config: RunConfig, update: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, and where the run stood but for the time it took and the signals it met."""
    path = CheckpointFolder(config.run_folder / "checkpoints").path(update)
    with safe_open(path, framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
    del progress["seconds"], progress["window"]["seconds"], progress["stops"]
    return load(path.read_bytes()), progress  # which, unlike load_file, does not look into the file later


def read_metrics(config: RunConfig) -> list[dict[str, Any]]:
    lines = map(json.loads, (config.run_folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]


def assert_same_run(one: RunConfig, other: RunConfig) -> None:
    folders = [CheckpointFolder(config.run_folder / "checkpoints") for config in (one, other)]
    assert folders[0].updates() == folders[1].updates()
    assert [path.suffix for path in folders[0].folder.iterdir()] == [".safetensors"] * len(folders[0].updates())
    for update in folders[0].updates():
        (tensors, progress), (expected, expected_progress) = (read_checkpoint(c, update) for c in (one, other))
        assert tensors.keys() == expected.keys()
        assert [name for name in tensors if not torch.equal(tensors[name], expected[name])] == []
        assert progress == expected_progress
    assert read_metrics(one) == read_metrics(other)
    for name in ("best/weights.safetensors", "samples.jsonl", "best.translations.jsonl"):
        assert (one.run_folder / name).read_bytes() == (other.run_folder / name).read_bytes()


def run_command(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"},  # as many threads as here: their number changes the rounding
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    "accidents",
    [
        {"in_checkpoint:4": [2], "before_validation": [2, 4], "in_bundle": [2, 4]},
        {"after_validation_line:4": [2, 4], "in_line:6": [2, 4], "in_update:7": [2, 4, 6], "in_pruning": [2, 4, 6, 8]},
    ],
    ids=["until the first validation", "after it"],
)
def test_a_run_killed_again_and_again_equals_an_undisturbed_one(
    undisturbed: RunConfig, config_path: Path, accidents: dict[str, list[int]]
) -> None:
    config = configured(config_path, "killed")
    arguments = ["train", str(config_path), "--set", f"run_folder={config.run_folder}"]
    for number, (accident, checkpoints) in enumerate(accidents.items()):
        killed = run_command("tests.training.run.failing_run", accident, *arguments, *(["--resume"] if number else []))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert CheckpointFolder(config.run_folder / "checkpoints").updates() == checkpoints, accident

    train(config, resume=True)
    assert_same_run(config, undisturbed)


def test_a_run_killed_while_it_learns_its_vocabulary_may_be_resumed(
    undisturbed: RunConfig, config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(config_path, "run")
    with monkeypatch.context() as patch:
        patch.setattr(
            "dragoman.training.run.material.make_vocabulary", lambda *arguments: pytest.skip("stands for a kill")
        )
        with pytest.raises(pytest.skip.Exception):
            train(config)
    train(config, resume=True)
    assert_same_run(config, undisturbed)


def test_a_damaged_checkpoint_is_told_of_and_the_one_before_taken(
    undisturbed: RunConfig, config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(config_path, "run", "optimization.checkpoint_every=1")
    train(config)
    folder = CheckpointFolder(config.run_folder / "checkpoints")
    expected = read_checkpoint(config, 8)
    folder.path(8).write_bytes(folder.path(8).read_bytes()[:-100])

    train(config, resume=True)

    assert re.search(
        r"00000008\.safetensors: not a whole checkpoint: .*; going on from the one before", capsys.readouterr().err
    )
    tensors, progress = read_checkpoint(config, 8)
    assert all(torch.equal(tensors[name], expected[0][name]) for name in tensors)
    assert progress == expected[1]


def raise_signal_in_update(monkeypatch: pytest.MonkeyPatch, number: int, signal_number: int) -> None:
    step = Updater.step

    def interrupted(self: Updater, update: int) -> None:
        if update == number:
            signal.raise_signal(signal_number)
        step(self, update)

    monkeypatch.setattr(Updater, "step", interrupted)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_a_run_with_all_it_has_learnt(
    undisturbed: RunConfig, config_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    config = configured(config_path, "run")
    handler = signal.getsignal(getattr(signal, name))  # a job in the background ignores SIGINT
    with monkeypatch.context() as patch:
        raise_signal_in_update(patch, 2, getattr(signal, name))  # is seen in the update after it
        arguments = ["train", str(config_path), "--set", f"run_folder={config.run_folder}"]
        ended = CliRunner().invoke(make_app(), arguments)
    assert ended.exit_code == code
    assert f"stopped by {name} after update 3; all is saved: go on with --resume" in ended.stderr
    assert CheckpointFolder(config.run_folder / "checkpoints").updates() == [2, 3]
    assert signal.getsignal(getattr(signal, name)) == handler

    train(config, resume=True)
    assert_same_run(config, undisturbed)


def test_a_signal_ends_a_validation_at_once(
    undisturbed: RunConfig, config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(config_path, "run")
    with monkeypatch.context() as patch:

        def interrupt(*arguments: Any) -> dict[str, float]:
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("the signal was not heeded")

        patch.setattr("dragoman.training.evaluation.validation.Validator.__call__", interrupt)
        with pytest.raises(Interrupted, match="after update 4"):
            train(config)
    train(config, resume=True)
    assert_same_run(config, undisturbed)


def test_there_must_be_a_run_to_resume(config_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing: there is no run to resume"):
        train(configured(config_path, "nothing"), resume=True)


def test_an_edited_bundle_or_corpus_is_named(config_path: Path) -> None:
    config = configured(config_path, "run", "optimization.max_updates=1")
    train(config)
    checksums = config.run_folder / "checksums.json"
    checksums.write_text("{}")
    with pytest.raises(InvalidInputError, match="has changed since the run began"):
        train(config, resume=True)


def test_a_full_disk_at_the_last_checkpoint_is_an_error(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CheckpointFolder, *arguments: Any) -> None:
        raise DragomanError("00000002.safetensors: cannot be written: No space left on device")

    monkeypatch.setattr(CheckpointFolder, "_write", full)
    with pytest.raises(DragomanError, match="No space left"):
        train(configured(config_path, "run", "optimization.max_updates=2"))


def test_a_full_disk_before_the_last_checkpoint_is_told_of(
    undisturbed: RunConfig, config_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(config_path, "run")
    write = CheckpointFolder._write

    def fill(self: CheckpointFolder, progress: Any, tensors: Any) -> None:
        if progress.update == 4:
            raise DragomanError("00000004.safetensors: cannot be written: No space left on device")
        write(self, progress, tensors)

    monkeypatch.setattr(CheckpointFolder, "_write", fill)
    train(config)
    told = "00000004.safetensors: cannot be written: No space left on device; training goes on without this checkpoint"
    assert told in capsys.readouterr().err
    assert read_metrics(config) == read_metrics(undisturbed)
    assert CheckpointFolder(config.run_folder / "checkpoints").updates() == [2, 6, 8]
