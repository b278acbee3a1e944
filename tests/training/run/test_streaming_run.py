"""Runs over shards, with weights that change: killed and resumed, and shared by two processes, they equal one that
nothing disturbed."""

import json
import signal
from pathlib import Path

import pytest

from dragoman.model.bundle import read_config
from dragoman.model.errors import InvalidInputError
from dragoman.training.config import RunConfig
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.training_run import train
from tests.training.corpus.streams.shard_files import write_json, write_tsv
from tests.training.learning.test_distributed import assert_alike, configured, run_with_torchrun
from tests.training.run.test_resumption import CONFIG, assert_same_run, read_metrics, run_command
from tests.training.run.test_resumption import configured as with_overrides
from tests.training.tiny import write_config

STREAMS = """
shuffle_pairs = 1024
sample_pairs = 1000

[[data.train]]
name = "web"
shards = "corpus/web/*.tsv.gz"
columns = { en = 2, de = 3 }
weight = [[0, 1.0], [0.5, 0.2]]

[[data.train]]
name = "books"
shards = ["corpus/books/0.jsonl"]
columns = { English = "translation.en", German = "translation.de" }

[[data.train]]
name = "ours"
"""
FILES = """
[[data.train]]
"""


def write_streams(path: Path) -> None:
    """A configuration beside its corpora: two in shards, one of files."""
    write_config(path, CONFIG.replace(FILES, STREAMS, 1))
    corpus = path.parent / "corpus"
    pairs = list(zip(*((corpus / f"train.{code}").read_text().splitlines() for code in ("en", "de")), strict=True))
    for name in ("web", "books"):
        (corpus / name).mkdir()
    for number in range(3):
        write_tsv(corpus / "web", pairs[number * 40 : number * 40 + 40], str(number))
    write_json(corpus / "books", pairs[120:])


@pytest.fixture(scope="module")
def config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "small.toml"
    write_streams(path)
    return path


@pytest.fixture(autouse=True)
def untouched_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.training.learning.allocator.keep_freed_memory", lambda: None)


@pytest.fixture(scope="module")
def undisturbed(config_path: Path) -> RunConfig:
    config = with_overrides(config_path, "undisturbed")
    train(config)
    return config


def test_a_killed_run_goes_on_with_the_batches_that_follow(config_path: Path, undisturbed: RunConfig) -> None:
    config = with_overrides(config_path, "killed")
    arguments = ["train", str(config_path), "--set", f"run_folder={config.run_folder}"]
    killed = run_command("tests.training.run.failing_run", "in_update:6", *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert CheckpointFolder(config.run_folder / "checkpoints").updates() == [2, 4]
    train(config, resume=True)
    assert_same_run(config, undisturbed)


def test_the_loss_of_each_corpus_is_shown_and_the_bundle_knows_its_text(undisturbed: RunConfig) -> None:
    shown = next(line for line in read_metrics(undisturbed) if line["kind"] == "training")
    assert {key for key in shown if " " in key} == {
        f"negative_log_likelihood {name}" for name in ("web", "books", "ours")
    }
    info = read_config(undisturbed.run_folder / "best")
    assert info.provenance["sentence_pairs"] is None
    assert info.fluent_length is not None
    assert info.fluent_length >= 12
    assert "not counted" in (undisturbed.run_folder / "best" / "README.md").read_text()
    assert {name for name in info.provenance["data_checksums"] if name.startswith("shards of ")} == {
        "shards of web",
        "shards of books",
    }


def test_shards_that_have_changed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    write_streams(path)
    config = with_overrides(path, "run", "optimization.max_updates=2")
    train(config)
    write_json(tmp_path / "corpus/books", [("one", "eins")])
    with pytest.raises(InvalidInputError, match="shards of books: has changed since the run began"):
        train(with_overrides(path, "run", "optimization.max_updates=4"), resume=True)


def test_two_processes_read_disjoint_parts_and_train_as_one(config_path: Path) -> None:
    alone = configured(config_path, "alone", "optimization.accumulation=2")
    train(alone)
    run_with_torchrun(config_path, "two")
    two = configured(config_path, "two")
    assert_alike(two, alone)
    starts = json.loads((two.run_folder / "provenance.json").read_text())["starts"]
    assert [start["processes"] for start in starts] == [2]
