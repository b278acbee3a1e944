"""Several processes, started by torchrun, train as one does: the same losses, and the same weights up to rounding."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from dragoman.model.errors import DragomanError
from dragoman.training.config import RunConfig, load_run_config
from dragoman.training.learning.distributed import PeerError, World
from dragoman.training.learning.sharded_state import load_split
from dragoman.training.run.checkpoint import CheckpointFolder, DamagedCheckpointError
from dragoman.training.run.folder import is_resumption
from dragoman.training.run.progress import Progress
from dragoman.training.run.trainer import Trainer
from dragoman.training.run.training_run import train
from tests.training.run.test_resumption import CONFIG, ROOT
from tests.training.tiny import copy_corpus, tiny_config, tiny_network, write_config

UNTIL = "optimization.max_updates={}"
ALONE = (
    'optimization.precision="float32"',  # in which two ways to add up differ little
    "optimization.adam_epsilon=1e-3",  # tiny gradients are noise, which Adam would blow up
    "optimization.clip_norm=0.5",
    "optimization.log_every=1",
    'optimization.schedule="inverse_square_root"',  # which does not depend on when the run ends
    "averaging.checkpoints=1",
    "objective.r_drop=2",
    "objective.guided_alignment=0.3",
    "objective.source_word_dropout=0.1",
)


@pytest.fixture(scope="module")
def config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "small.toml"
    write_config(path, CONFIG)
    return path


def configured(config_path: Path, run: str, *overrides: str) -> RunConfig:
    return load_run_config(config_path, [f"run_folder={config_path.parent / run}", *ALONE, *overrides])


@pytest.fixture(scope="module")
def alone(config_path: Path) -> RunConfig:
    """One process with twice the accumulation of each of two."""
    config = configured(config_path, "alone", "optimization.accumulation=2")
    train(config)
    return config


def run_with_torchrun(config_path: Path, run: str, *overrides: str, module: tuple[str, ...] = ("dragoman",)) -> str:
    """Two processes; what they write to standard error."""
    values = [f"run_folder={config_path.parent / run}", *ALONE, *overrides]
    settings = [argument for value in values for argument in ("--set", value)]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1", "-m", *module]
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    ended = subprocess.run(
        [sys.executable, *command, "train", str(config_path), *settings],
        cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def weights_of(config: RunConfig) -> dict[str, Tensor]:
    path = CheckpointFolder(config.run_folder / "checkpoints").path(config.optimization.max_updates)
    if not path.is_dir():
        return load(path.read_bytes())
    record = json.loads((path / "checkpoint.json").read_text())
    tensors = {name: torch.empty(shape) for name, shape in record["shapes"].items()}
    load_split(tensors, path, is_alone=True)
    return tensors | {name: torch.tensor(value) for name, value in record["numbers"].items()}


def losses_of(config: RunConfig) -> dict[int, float]:
    lines = map(json.loads, (config.run_folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return {line["update"]: line["loss"] for line in lines if line["kind"] == "training"}


def assert_alike(one: RunConfig, other: RunConfig) -> None:
    assert losses_of(one) == pytest.approx(losses_of(other), rel=1e-5)
    weights, expected = weights_of(one), weights_of(other)
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-4, atol=1e-6)


def test_two_processes_train_as_one_with_twice_the_accumulation_and_one_may_go_on_alone(
    config_path: Path, alone: RunConfig
) -> None:
    errors = run_with_torchrun(config_path, "two", UNTIL.format(5))
    assert errors.count("update 5/5 ") == 1, "one process alone shows"
    assert errors.count("dev BLEU") == 2

    config = configured(config_path, "two")  # accumulation is still that of one of two processes
    train(config, resume=True)
    assert_alike(config, alone)
    starts = json.loads((config.run_folder / "provenance.json").read_text())["starts"]
    assert [(start["update"], start["processes"]) for start in starts] == [(0, 2), (5, 1)]


def test_sharded_processes_survive_a_kill_and_train_as_one(config_path: Path, alone: RunConfig) -> None:
    module = ("tests.training.run.failing_run", "in_update:5")
    run_with_torchrun(config_path, "sharded", 'optimization.sharding="full"', module=module)

    config = configured(config_path, "sharded")
    assert_alike(config, alone)
    starts = json.loads((config.run_folder / "provenance.json").read_text())["starts"]
    assert [(start["update"], start["processes"]) for start in starts] == [(0, 2), (4, 2)]

    folder = CheckpointFolder(config.run_folder / "checkpoints").path(8)
    assert folder.name == "00000008.sharded"
    parts = sorted(folder.glob("*.safetensors"))
    assert len(parts) == 2, "each process writes its own part"
    assert not list(folder.glob("*metadata")), "no pickle"


@pytest.fixture(scope="module")
def halves(config_path: Path) -> RunConfig:
    """A run of two processes that hold half of the network each, stopped on the way."""
    run_with_torchrun(config_path, "whole halves", 'optimization.sharding="full"', UNTIL.format(5))
    return configured(config_path, "whole halves")


def test_a_checkpoint_in_shards_is_read_by_any_number_of_processes(
    config_path: Path, alone: RunConfig, halves: RunConfig
) -> None:
    config = configured(config_path, "halves")
    shutil.copytree(halves.run_folder, config.run_folder)
    train(config, resume=True)  # in one process, which holds the whole network
    assert_alike(config, alone)


def test_a_damaged_part_is_noticed(halves: RunConfig, tmp_path: Path) -> None:
    whole = CheckpointFolder(halves.run_folder / "checkpoints")
    shutil.copytree(whole.path(4), tmp_path / "00000004.sharded")
    shutil.copytree(whole.path(4), tmp_path / "00000006.sharded")
    part = next((tmp_path / "00000006.sharded").glob("*.safetensors"))
    content = bytearray(part.read_bytes())
    content[-5] ^= 1
    part.write_bytes(content)
    told: list[str] = []
    assert CheckpointFolder(tmp_path).newest_whole(told.append) == 4
    assert part.name in told[0]
    (tmp_path / "00000004.sharded/checkpoint.json").unlink()
    trainer = Trainer(
        tiny_config(tmp_path),
        tiny_network(tiny_config(tmp_path)),
        copy_corpus(40),
        CheckpointFolder(tmp_path),
        validate=lambda network: {},
        offer=lambda network, progress, bleu, averaged, share: False,
    )
    with pytest.raises(DamagedCheckpointError, match=r"00000004\.sharded: not a whole checkpoint"):
        trainer.resume(4)
    with pytest.raises(DragomanError, match=r"00000004\.sharded: .* must have the shape"):
        whole.restore(4, trainer.network, trainer.updater.optimizer)


def test_muon_trains_sharded_as_it_does_alone(config_path: Path) -> None:
    faster = ("optimization.learning_rate=0.02", "optimization.warmup_updates=1")
    muon = ('optimization.optimizer="muon"', *faster, UNTIL.format(4))
    module = ("tests.training.learning.left_threads",)
    errors = run_with_torchrun(config_path, "muon-sharded", 'optimization.sharding="full"', *muon, module=module)
    assert errors.count("threads at the end: ") == 2
    assert "gloo" not in errors, "a thread that meets the interpreter's end may abort the process"
    train(configured(config_path, "muon-alone", "optimization.accumulation=2", *muon))

    sharded, alone = (losses_of(configured(config_path, run, *muon)) for run in ("muon-sharded", "muon-alone"))
    assert sharded == pytest.approx(alone, rel=1e-3), "its matrices are made orthogonal in bfloat16"
    assert sharded[1] > sharded[4] + 0.1, "it learns"


def test_a_run_cannot_go_on_with_processes_that_do_not_share_its_batches(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    trainer = Trainer(
        config,
        tiny_network(config),
        copy_corpus(40),
        CheckpointFolder(config.run_folder),
        validate=lambda network: {},
        offer=lambda network, progress, bleu, averaged, share: False,
    )
    trainer.checkpoints.save(trainer.network, trainer.updater.optimizer, Progress(update=1, num_batches=2))
    trainer.world = World(size=3)
    with pytest.raises(DragomanError, match="updates have 2 batches, which 3 processes cannot share evenly"):
        trainer.resume(1)


def test_what_fails_everywhere_is_told_once() -> None:
    with pytest.raises(DragomanError) as told:
        World(size=2).fail("why")
    assert not isinstance(told.value, PeerError)
    with pytest.raises(PeerError, match="why"):
        World(rank=1, size=2).fail("why")


def test_a_world_of_one_needs_nobody() -> None:
    world = World()
    assert world.is_main
    assert world.sum([0.1, 2.0]) == [0.1, 2.0]
    assert world.share({"a": (1,)}) == {"a": (1,)}
    assert world.on_main(lambda: 5) == 5


def test_under_torchrun_resume_also_begins(tmp_path: Path, config_path: Path) -> None:
    config = configured(config_path, "fresh")
    assert not is_resumption(config, World(launcher="a"), wanted=True)


def test_only_the_torchrun_that_began_a_run_resumes_it_unasked(alone: RunConfig) -> None:
    path = alone.run_folder / "provenance.json"
    content = json.loads(path.read_text())
    content["starts"][-1]["launcher"] = "job host 17"
    path.write_text(json.dumps(content))

    assert is_resumption(alone, World(launcher="job host 17", restarts=1), wanted=False)
    for world in (World(launcher="job host 18", restarts=1), World(launcher="job host 17"), World()):
        with pytest.raises(DragomanError, match="holds a run already"):
            is_resumption(alone, world, wanted=False)
