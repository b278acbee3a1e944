"""`dragoman tune`, with a tiny bundle and a tiny corpus."""

import json
import os
import re
import shutil
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.bundle import read_config
from dragoman.training.config import load_run_config
from dragoman.training.grammar import write_corpus
from dragoman.training.intake.split import fold
from tests.commands.running import Run, assert_refused, write_lines

BASE = """
run_folder = "base"
[data]
directions = ["en-de"]
max_length = 40
[[data.train]]
en = "grammar/train.en"
de = "grammar/train.de"
[data.dev]
en = "grammar/dev.en"
de = "grammar/dev.de"
[vocabulary]
size = 400
[architecture]
d_model = 16
d_ff = 32
num_heads = 2
num_encoder_layers = 1
num_decoder_layers = 1
max_source_length = 64
max_target_length = 64
[optimization]
optimizer = "muon"
learning_rate = 1e-2
max_updates = 20
batch_tokens = 512
[validation]
every = 20
[bundle]
name = "tiny"
storage = "float32"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, base/best; a domain, memory.tsv, of 200 pairs; and general text of 130."""
    from dragoman.training.run.training_run import train

    folder = tmp_path_factory.mktemp("made")
    write_corpus(folder / "grammar", num_train=400, num_held_out=20, seed=1)
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    (folder / "base.toml").write_text(BASE, encoding="utf-8")
    train(load_run_config(folder / "base.toml"))
    patch.undo()
    sides = [(folder / "grammar" / f"train.{code}").read_text("utf-8").splitlines() for code in ("en", "de")]
    pairs = [f"{source}\t{target}" for source, target in zip(*sides, strict=True)]
    write_lines(folder / "memory.tsv", "English\tGerman", *pairs[:200])
    write_lines(folder / "general.tsv", "English\tGerman", *pairs[190:320])
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands."""
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


def lines_of(*paths: Path) -> list[str]:
    return [line for path in paths for line in path.read_text("utf-8").splitlines()]


def test_tune_needs_a_bundle_and_a_corpus_alone(run: Run, here: Path) -> None:
    outcome = run("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 4)
    assert outcome.status == 0, outcome
    best = Path("runs/tiny-memory/best")
    assert re.search(
        r"domain en→de +10 +BLEU +\d+\.\d ± \d+\.\d +\d+\.\d ± \d+\.\d +[+-]\d+\.\d +\d\.\d{3} ", outcome.output
    )
    assert "general" not in outcome.output.split("before")[1].split("confidence")[0]
    assert "forgets of other text was not measured" in outcome.output
    assert f"dragoman serve {best}" in outcome.output
    assert read_config(best).directions == read_config(Path("base/best")).directions
    assert run("translate", "--model", best, "--to", "de", "a house").output.strip()


def test_own_translations_are_half_of_the_text(run: Run, here: Path) -> None:
    assert run("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 2).status == 0
    folder = Path("runs/tiny-memory")
    own = lines_of(folder / "own/en-de.en"), lines_of(folder / "own/en-de.de")
    train = lines_of(folder / "corpus/train.en")
    assert set(own[0]) <= set(train)
    assert len(own[0]) == len(own[1]) > 0.5 * len(train)  # nonsense beyond all lengths is left out
    corpora = tomllib.loads((folder / "tune.toml").read_text("utf-8"))["data"]["train"]
    assert [(corpus["name"], corpus["repeat"]) for corpus in corpora] == [("domain", 1), ("own en-de", 1)]
    said = dict(zip(*own, strict=True))
    sentence = own[0][0]
    assert said[sentence] == run("translate", "--model", "base/best", "--to", "de", sentence).output.strip()


def test_general_text_is_measured_limited_and_apart_from_the_domain(run: Run, here: Path) -> None:
    outcome = run("tune", "base/best", "memory.tsv", "--general", "general.tsv", "--held-out", 10, "--updates", 4)
    assert outcome.status == 0, outcome
    assert re.search(r"general en→de +60 +BLEU", outcome.output)
    assert re.search(r"General text (lost|gained) \d+\.\d BLEU on its test set", outcome.output)
    assert re.search(r"No sure gain|Your text (gained|seems)", outcome.output)
    assert "100% of the general test set is in the bundle's own training text" in outcome.errors
    recorded = {(score.test_set, score.metric) for score in read_config(Path("runs/tiny-memory/best")).scores}
    assert {("domain", "BLEU"), ("general", "chrF")} <= recorded
    folder = Path("runs/tiny-memory")
    config = load_run_config(folder / "tune.toml")
    assert (config.data.dev_sets["general"].weight, config.data.dev_sets["general"].max_loss) == (0, 0.5)
    sides = [
        {fold(line) for line in lines_of(*(folder / name / f"{part}.en" for part in parts))}
        for name, parts in (
            ("corpus", ("train", "dev", "test")),
            ("general", ("dev",)),
            ("general", ("test",)),
        )
    ]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert outcome.errors.count("of the initial bundle's weights:") == len(config.averaging.initial_shares)


def test_general_text_may_lose_what_the_user_allows(run: Run, here: Path) -> None:
    arguments = ("tune", "base/best", "memory.tsv", "--general", "general.tsv", "--held-out", 10, "--updates", 2)
    outcome = run(*arguments, "--max-loss", 2)
    assert "on its dev set it was allowed to lose 2" in outcome.output, outcome
    assert load_run_config(Path("runs/tiny-memory/tune.toml")).data.dev_sets["general"].max_loss == 2
    assert_refused(run(*arguments), "was begun with max_loss 2.0, not 0.5", "--output")


def test_tune_continues_after_an_interruption(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.training.run.trainer import Trainer

    arguments = ("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 3)
    assert run(*arguments).status == 0
    folder = Path("runs/tiny-memory")
    whole = {path: path.read_bytes() for path in (folder / "best").iterdir() if path.name != "config.json"}
    shutil.rmtree(folder)

    train_on = Trainer._train_on

    def interrupt(trainer: Trainer, *arguments: Any) -> Any:
        if trainer.progress.update == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return train_on(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_on", interrupt)
        outcome = run(*arguments)
    assert outcome.status == 130
    assert "the same command continues" in outcome.errors
    before = {path: path.stat().st_mtime_ns for path in (folder / "own").iterdir()}
    outcome = run(*arguments)
    assert outcome.status == 0, outcome
    assert "goes on after update 2 of 3" in outcome.errors
    assert {path: path.stat().st_mtime_ns for path in (folder / "own").iterdir()} == before
    assert {path: path.read_bytes() for path in whole} == whole
    assert run(*arguments).status == 0  # a finished run shows its table again
    assert_refused(run(*arguments[:-1], 5), "was begun with updates 3, not 5", "--output")


def test_own_translations_that_are_interrupted_continue(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.training.synthesis import own_translations

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    arguments = ("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 2)
    with monkeypatch.context() as patch:
        patch.setattr(own_translations, "translate_own", interrupt)
        outcome = run(*arguments)
    assert outcome.status == 130
    assert "interrupted: the same command continues" in outcome.errors
    assert run(*arguments).status == 0


def test_train_takes_the_configuration_and_tune_an_edited_one(run: Run, here: Path) -> None:
    assert run("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 3).status == 0
    config = Path("runs/tiny-memory/tune.toml")
    weights = Path("runs/tiny-memory/best/weights.safetensors").read_bytes()
    assert run("train", config, "--set", "run_folder=again").status == 0
    assert Path("again/best/weights.safetensors").read_bytes() == weights

    shutil.copytree("runs/tiny-memory", "runs/edited", ignore=lambda *_: ["best", "config.json", "checkpoints"])
    edited = config.read_text("utf-8").replace("runs/tiny-memory", "runs/edited").replace("= 0.1", "= 0.2")
    Path("runs/edited/tune.toml").write_text(edited, encoding="utf-8")
    assert (
        run("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 3, "--output", "runs/edited").status == 0
    )
    assert json.loads(Path("runs/edited/config.json").read_text("utf-8"))["architecture"]["dropout"] == 0.2


def test_a_dry_run_estimates_and_writes_nothing(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.training.intake import speed

    measure = speed.measure_speed
    monkeypatch.setattr(speed, "measure_speed", lambda run, **options: measure(run, **options | {"seconds": 0.01}))
    before = sorted(here.rglob("*"))
    outcome = run("tune", "base/best", "memory.tsv", "--dry-run")
    assert outcome.status == 0, outcome
    assert "tuning en→de: 150 updates" in outcome.output
    assert "would write: train " in outcome.output
    assert "written: " not in outcome.output
    assert re.search(r"time: about .* on this machine: own translations .*, training .*, validations ", outcome.output)
    assert sorted(here.rglob("*")) == before
    assert run("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 2).status == 0
    refused = run("tune", "base/best", "memory.tsv", "--held-out", 10, "--updates", 3, "--dry-run")
    assert_refused(refused, "was begun with updates 2, not 3", "--output")


def test_tune_refuses_what_it_cannot_do(run: Run, here: Path) -> None:
    assert_refused(run("tune", "base/best", "nowhere.tmx"), "nowhere.tmx: no such file")
    assert_refused(run("tune", "base/best", "memory.tsv", "--to", "fr"), "tiny has no direction from any to fr: en→de")
    (here / "full").mkdir()
    write_lines(here / "full" / "notes.txt", "mine")
    assert_refused(run("tune", "base/best", "memory.tsv", "--output", "full"), "full: is not empty")
    write_lines(here / "few.tsv", "English\tGerman", *lines_of(here / "general.tsv")[1:40])
    # Nothing has begun yet, so a corrected request may follow.
    for corpus in ("memory.tsv", "general.tsv"):
        refused = run("tune", "base/best", corpus, "--general", "few.tsv", "--output", "mine")
        assert refused.status == 2
        assert "at least 100 are needed" in refused.errors
        assert json.loads(Path("mine/tune.json").read_text("utf-8"))["corpora"] == [corpus]
        assert lines_of(Path("mine/corpus/train.en"))
