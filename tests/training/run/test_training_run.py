"""Whole runs, small ones: what they leave on the disk, and how they go on after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dragoman.model.bundle import read_config
from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import exclusive_lock
from dragoman.model.network.storage import load_network
from dragoman.model.network.transformer import Transformer
from dragoman.training.config import RunConfig, load_run_config
from dragoman.training.evaluation.validation import Validator
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.training_run import train
from dragoman.translation.translator import Translator
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
warmup_updates = 4
log_every = 1
checkpoint_every = 2
keep_checkpoints = 3

[validation]
every = 4
max_sentences = 4
beam_size = 2

[averaging]
checkpoints = 1

[bundle]
name = "small"
storage = "float32"
"""


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    write_config(path, CONFIG)
    return path


def configured(config_path: Path, run: str, *overrides: str) -> RunConfig:
    """A run in a folder beside its configuration."""
    return load_run_config(config_path, [f"run_folder={config_path.parent / run}", *overrides])


def checkpoint_of(config: RunConfig, update: int) -> dict[str, Tensor]:
    """Weights, optimizer and random state; not the seconds, which no two runs share."""
    return load_file(CheckpointFolder(config.run_folder / "checkpoints").path(update))


def updates_of(config: RunConfig) -> list[int]:
    return CheckpointFolder(config.run_folder / "checkpoints").updates()


def assert_bit_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """A run that went to its end undisturbed. Tests leave it as it is."""
    path = tmp_path_factory.mktemp("finished") / "small.toml"
    write_config(path, CONFIG)
    config = configured(path, "run")
    assert train(config) == config.run_folder / "best"
    return config


def test_a_run_folder_holds_all_of_a_run(finished: RunConfig) -> None:
    folder = finished.run_folder
    names = {"config.json", "warnings.txt", "vocabulary", "checkpoints", "metrics.jsonl", "tensorboard", "best"}
    names |= {"checksums.json", "lock", "corpus cache", "provenance.json", "samples.jsonl", "best.translations.jsonl"}

    assert {path.name for path in folder.iterdir()} == names
    assert RunConfig.model_validate_json((folder / "config.json").read_text("utf-8")) == finished
    assert updates_of(finished) == [4, 6, 8]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["update"] for line in lines if line["kind"] == "training"] == list(range(1, 9))
    assert [line["update"] for line in lines if line["kind"] == "validation"] == [4, 8]


def test_the_best_bundle_translates_and_tells_where_it_came_from(finished: RunConfig) -> None:
    best = finished.run_folder / "best"
    translator = Translator.load(best)
    info = read_config(best)

    assert translator.translate(["The dog sleeps."], to="de")[0].text
    assert (info.name, info.directions, info.storage) == ("small", (Direction("en", "de"),), "float32")
    assert 100 < info.provenance["sentence_pairs"] <= 200
    assert info.provenance["updates"] in (4, 8)
    assert info.provenance["run"] == json.loads(finished.model_dump_json())
    corpus = finished.run_folder.parent / "corpus"
    assert set(info.provenance["data_checksums"]) == {
        str(corpus / name) for name in ("train.en", "train.de", "dev.en", "dev.de")
    }
    assert (best / "README.md").read_text("utf-8").startswith("# small\n")
    update = info.provenance["updates"]
    weights = {f"network.{name}": weight for name, weight in load_network(best, info).named_parameters()}
    assert all(torch.equal(weights[name], checkpoint_of(finished, update)[name]) for name in weights)


def test_the_same_configuration_gives_the_same_weights(finished: RunConfig, config_path: Path) -> None:
    again = configured(config_path, "again")
    train(again)
    assert_bit_equal(checkpoint_of(again, 8), checkpoint_of(finished, 8))


def test_a_run_is_not_overwritten(finished: RunConfig) -> None:
    before = (finished.run_folder / "metrics.jsonl").read_bytes()
    with pytest.raises(InvalidInputError, match="holds a run already; go on with it by --resume") as caught:
        train(finished)
    assert str(finished.run_folder) in str(caught.value)
    assert (finished.run_folder / "metrics.jsonl").read_bytes() == before


def test_there_must_be_a_run_to_resume(config_path: Path) -> None:
    config = configured(config_path, "nothing")
    with pytest.raises(NotFoundError, match="nothing: there is no run to resume"):
        train(config, resume=True)
    assert not config.run_folder.exists()


def test_a_finished_run_stays_as_it_is_when_resumed(config_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(config_path, "run", "optimization.max_updates=2", "validation.every=2")
    train(config)
    weights = (config.run_folder / "best" / "weights.safetensors").read_bytes()
    metrics = (config.run_folder / "metrics.jsonl").read_bytes()

    capsys.readouterr()
    train(config, resume=True)

    assert "goes on after update 2 of 2" in capsys.readouterr().err.splitlines()
    assert (config.run_folder / "best" / "weights.safetensors").read_bytes() == weights
    assert (config.run_folder / "metrics.jsonl").read_bytes() == metrics
    assert updates_of(config) == [2]


def test_a_run_killed_before_its_first_checkpoint_begins_anew(
    finished: RunConfig, config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(config_path, "run", "optimization.max_updates=2")
    train(config)
    for path in (config.run_folder / "checkpoints").iterdir():
        path.unlink()

    capsys.readouterr()
    train(configured(config_path, "run"), resume=True)

    assert "there is no checkpoint to go on from: begins anew" in capsys.readouterr().err.splitlines()
    assert_bit_equal(checkpoint_of(config, 8), checkpoint_of(finished, 8))
    lines = (config.run_folder / "metrics.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 8 + 2  # updates and validations of the second try alone


def kill_after_line(arguments: list[str], start: str) -> None:
    """Runs `dragoman` and kills it, as nothing can refuse, when it writes a line that begins with `start`."""
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman", *arguments],
        cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"},  # as many threads as here: their number changes the rounding
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with process:
        assert process.stderr is not None
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line.startswith(start):
                    return
            pytest.fail(f"the run ended: {''.join(lines)}")
        finally:
            process.kill()


def test_a_killed_run_resumes_to_the_bit(config_path: Path) -> None:
    endless = ["optimization.max_updates=1000000", "validation.every=1000000"]
    killed = configured(config_path, "killed", *endless)
    overrides = [f"run_folder={killed.run_folder}", *endless]
    kill_after_line(
        ["train", str(config_path), *(argument for override in overrides for argument in ("--set", override))],
        "update 5/",  # the checkpoint of update 4 has been written
    )
    last = updates_of(killed)[-1]
    assert last >= 4
    assert not (killed.run_folder / "best").exists()

    until = [f"optimization.max_updates={last + 3}", "validation.every=1000000"]
    train(configured(config_path, "killed", *until), resume=True)
    undisturbed = configured(config_path, "undisturbed", *until)
    train(undisturbed)

    assert_bit_equal(checkpoint_of(killed, last + 3), checkpoint_of(undisturbed, last + 3))
    weights = [(config.run_folder / "best" / "weights.safetensors").read_bytes() for config in (killed, undisturbed)]
    assert weights[0] == weights[1]


def script_validations(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    remaining = iter(scores)

    def validate(self: Validator, network: Transformer) -> dict[str, float]:
        assert not network.training
        self.hypotheses = {str(text.direction): text.source for text in self.dev}
        return {"bleu": next(remaining)}

    monkeypatch.setattr(Validator, "__call__", validate)


def test_the_mean_of_checkpoints_is_the_best_bundle_if_it_scores_best(
    config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_validations(monkeypatch, 1.0, 2.0, 3.0)  # at updates 4 and 8, and of the mean
    config = configured(config_path, "run", "averaging.checkpoints=2")
    best = train(config)

    info = read_config(best)
    assert info.provenance["averaged_checkpoints"] == [6, 8]
    parts = [checkpoint_of(config, update) for update in (6, 8)]
    for name, weight in load_network(best, info).named_parameters():
        torch.testing.assert_close(weight.detach(), (parts[0][f"network.{name}"] + parts[1][f"network.{name}"]) / 2)


@pytest.mark.parametrize(
    ("scores", "update", "share"),
    [((2.0, 3.0, 3.5, 2.5), 8, 0.25), ((3.0, 2.0, 2.5, 2.5), 4, 0.5), ((2.0, 3.0, 3.0, 3.5), 8, None)],
    ids=["another-share-at-the-end", "the-first-share-on-the-way", "without-the-initial-weights"],
)
def test_the_best_mean_with_the_initial_weights_is_kept(
    config_path: Path, monkeypatch: pytest.MonkeyPatch, scores: tuple[float, ...], update: int, share: float | None
) -> None:
    first = train(configured(config_path, "first"))
    config_path.write_text(config_path.read_text("utf-8").replace("[vocabulary]\nsize = 400\n", ""), encoding="utf-8")
    # At updates 0, 4 and 8, and of the other shares.
    script_validations(monkeypatch, 1.0, *scores)
    tuned = configured(
        config_path,
        "tuned",
        f"initialization.bundle={first}",
        "averaging.initial_shares=[0.5, 0.25, 0]",
    )
    best = train(tuned)

    info = read_config(best)
    assert info.provenance["updates"] == update
    assert info.provenance.get("initial_share") == share
    initial = dict(load_network(first, read_config(first)).named_parameters())
    last = checkpoint_of(tuned, update)
    for name, weight in load_network(best, info).named_parameters():
        mean = torch.lerp(last[f"network.{name}"], initial[name].detach(), share or 0.0)
        torch.testing.assert_close(weight.detach(), mean, rtol=1e-5, atol=1e-6)


def test_the_initial_bundle_has_no_share_of_itself(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(configured(config_path, "first"))
    config_path.write_text(config_path.read_text("utf-8").replace("[vocabulary]\nsize = 400\n", ""), encoding="utf-8")
    script_validations(monkeypatch, 3.0, 1.0, 2.0)
    tuned = configured(config_path, "tuned", f"initialization.bundle={first}", "averaging.initial_shares=[0.5]")
    provenance = read_config(train(tuned)).provenance
    assert provenance["updates"] == 0
    assert "initial_share" not in provenance


def test_the_best_single_checkpoint_stays_if_the_mean_is_worse(
    config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_validations(monkeypatch, 3.0, 2.0, 2.5)
    best = train(configured(config_path, "run", "averaging.checkpoints=2"))

    provenance = read_config(best).provenance
    assert (provenance["averaged_checkpoints"], provenance["updates"]) == ([], 4)


PAIRS = [(f"The number is {number}.", f"Die Zahl ist {number}.") for number in range(40)]


def write_corpora(folder: Path) -> dict[str, Path]:
    files = {f"{split}.{code}": folder / f"{split}.{code}" for split in ("train", "dev") for code in ("en", "de")}
    for name, path in files.items():
        path.write_text("".join(f"{pair[name.endswith('de')]}\n" for pair in PAIRS), encoding="utf-8")
    return files


def from_files(config_path: Path, files: dict[str, Path]) -> RunConfig:
    tables: dict[str, Any] = {"data.train": "[{en='%s', de='%s'}]", "data.dev": "{en='%s', de='%s'}"}
    paths = {key: (files[f"{key[5:]}.en"], files[f"{key[5:]}.de"]) for key in tables}
    overrides = [f"{key}={table % paths[key]}" for key, table in tables.items()]
    return configured(config_path, "run", "optimization.max_updates=1", *overrides)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.de", b"eins\n", r"train\.de has 1 lines, but .*train\.en has 40"),
        ("train.en", b"one\n\xff\n" * 20, r"train\.en, line 2: invalid UTF-8"),
        ("train.en", b"\n" * 40, r"train\.en: the corpus is empty"),
        ("train.en", b"word " * 60 + b"\n" * 40, r"the corpus is empty: 39 pairs have a blank side, 1 have more than"),
        ("dev.en", None, r"dev\.en: no such file"),
        ("dev.en", b"word " * 100 + b"\n" * 40, r"data\.dev has no sentence for en→de"),
    ],
    ids=["lengths", "utf-8", "empty", "too long", "missing", "dev"],
)
def test_bad_corpora_do_not_block_the_next_try(
    tmp_path: Path, config_path: Path, name: str, content: bytes | None, message: str
) -> None:
    files = write_corpora(tmp_path)
    config = from_files(config_path, files)
    if content is None:
        files[name].unlink()
    else:
        files[name].write_bytes(content)
    with pytest.raises(DragomanError, match=message) as caught:
        train(config)
    assert "\n" not in str(caught.value)
    assert {path.name for path in config.run_folder.iterdir()} <= {"lock", "corpus cache"}

    write_corpora(tmp_path)
    assert (train(config) / "weights.safetensors").exists()


def test_corpora_of_one_name_keep_a_checksum_each(tmp_path: Path, config_path: Path) -> None:
    """Corpora often differ by their folder alone."""
    files = {}
    for split in ("train", "dev"):
        (tmp_path / split).mkdir()
        for name, path in write_corpora(tmp_path / split).items():
            if name.startswith(split):
                files[name] = path.rename(path.with_name(f"corpus{path.suffix}"))
    best = train(from_files(config_path, files))
    assert set(read_config(best).provenance["data_checksums"]) == set(map(str, files.values()))


def test_blank_and_long_pairs_are_counted_for_the_user(
    tmp_path: Path, config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_corpora(tmp_path)
    with files["train.en"].open("a") as english, files["train.de"].open("a") as german:
        english.write("\nfull\n" + "word " * 60 + "\n")
        german.write("voll\n \nlang\n")
    train(from_files(config_path, files))
    assert "40 sentence pairs; left out: 2 with a blank side, 1 too long" in capsys.readouterr().err


def test_a_corpus_that_was_edited_cannot_be_resumed_with(config_path: Path) -> None:
    config = configured(config_path, "run", "optimization.max_updates=2")
    train(config)
    checksums = config.run_folder / "checksums.json"
    begun = json.loads(checksums.read_text("utf-8"))
    edited = next(iter(begun))
    checksums.write_text(json.dumps(begun | {edited: "another"}), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="has changed since the run began") as caught:
        train(config, resume=True)
    assert edited in str(caught.value)


@pytest.mark.parametrize("change", ["seed=2", "architecture.d_ff=16", "optimization.batch_tokens=128"])
def test_what_gives_a_run_its_sense_cannot_change_on_the_way(config_path: Path, change: str) -> None:
    train(configured(config_path, "run", "optimization.max_updates=2"))
    with pytest.raises(InvalidInputError, match="differs from what the run began with"):
        train(configured(config_path, "run", "optimization.max_updates=2", change), resume=True)


def test_only_one_process_trains_in_a_run_folder(config_path: Path) -> None:
    config = configured(config_path, "run")
    with exclusive_lock(config.run_folder / "lock"), pytest.raises(DragomanError, match="another process is at work"):
        train(config)


def test_a_better_mean_outlives_a_resumption(config_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [1.0, 3.0, 2.0, 4.0]  # a validation, the mean, and again after resuming
    script_validations(monkeypatch, *scores)
    tables = ("validation.every=100", "averaging.checkpoints=2", "optimization.checkpoint_every=1")
    best = train(configured(config_path, "run", "optimization.max_updates=2", *tables))
    assert read_config(best).provenance["dev_bleu"] == 3.0
    assert read_config(best).provenance["averaged_checkpoints"] == [1, 2]

    train(configured(config_path, "run", "optimization.max_updates=3", *tables), resume=True)
    assert read_config(best).provenance["dev_bleu"] == 4.0
    assert read_config(best).provenance["averaged_checkpoints"] == [2, 3]
    assert read_config(best).provenance["updates"] == 3
