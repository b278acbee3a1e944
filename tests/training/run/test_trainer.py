"""The training loop on a task that can be checked: it learns, it resumes to the bit, it stops where it should."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError
from dragoman.model.network.network import Network
from dragoman.training.corpus.batching import PoolBatches
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.progress import Progress
from dragoman.training.run.reporting import MetricsLog, TrainingDisplay
from dragoman.training.run.trainer import Offer, Trainer, Validate
from tests.model.decoding.engines.engines import finished_by_step
from tests.pieces import EOS_ID, VOCABULARY
from tests.training.tiny import copy_corpus, tiny_config, tiny_network


def no_validation(network: Network) -> dict[str, float]:
    return {"bleu": 0.0}


def scripted(scores: Sequence[float]) -> Validate:
    """Validations that give the scores one after the other."""
    remaining = iter(scores)
    return lambda network: {"bleu": next(remaining)}


class Runner:
    """Trainers over one corpus, each with a run folder of its own; their progress is shown and logged as in a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_runs = 0

    def trainer(
        self,
        corpus: EncodedCorpus,
        *,
        seed: int = 1,
        checkpoints: CheckpointFolder | None = None,
        validate: Validate = no_validation,
        offer: Offer = lambda network, progress, values, averaged, share: False,
        **tables: Any,
    ) -> Trainer:
        """tables: see `tiny_config`."""
        self.num_runs += 1
        config = tiny_config(self.folder / str(self.num_runs), **tables)
        checkpoints = checkpoints or CheckpointFolder(config.run_folder / "checkpoints")
        torch.manual_seed(seed)
        network = tiny_network(config)
        return Trainer(config, network, corpus, checkpoints, validate=validate, offer=offer)

    def run(self, trainer: Trainer) -> Trainer:
        done = trainer.progress.update
        trainer.config.run_folder.mkdir(exist_ok=True)
        with (
            TrainingDisplay(total_updates=trainer.config.optimization.max_updates, done_updates=done) as display,
            MetricsLog(trainer.config.run_folder, resumed_update=done) as log,
        ):
            trainer.run(display, log)
        return trainer


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def metrics(trainer: Trainer, kind: str = "training") -> list[dict[str, Any]]:
    lines = (trainer.config.run_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [values for values in map(json.loads, lines) if values["kind"] == kind]


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}


def state_of(trainer: Trainer) -> dict[str, Tensor]:
    """All that decides how training goes on."""
    optimizer = {
        f"{key} of {name}": value.clone()
        for name, parameter in trainer.network.named_parameters()
        for key, value in trainer.updater.optimizer.state[parameter].items()
    }
    return weights_of(trainer) | optimizer


def assert_bit_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A network that has learnt to copy."""
    runner = Runner(tmp_path_factory.mktemp("copy"))
    return runner.run(
        runner.trainer(
            copy_corpus(2000),
            architecture={"d_model": 32, "d_ff": 64},
            optimization={
                "max_updates": 500,
                "batch_tokens": 256,
                "learning_rate": 1e-2,
                "warmup_updates": 100,
                "log_every": 50,
                "checkpoint_every": 500,
            },
            stability={"spike_factor": 0},  # on a task that is solved to the last digit, all gradients leap
        )
    )


def test_the_loss_falls(trained: Trainer) -> None:
    losses = [line["negative_log_likelihood"] for line in metrics(trained)]

    assert len(losses) == 10
    assert losses[0] > 1.0
    assert losses[-1] < 0.2


@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_trained_network_copies_what_it_has_not_seen(trained: Trainer, beam_size: int) -> None:
    unseen = copy_corpus(60, seed=2).source
    sources = [tuple(unseen.pieces[start:end].tolist()) for start, end in pairwise(unseen.offsets)]
    engine = Engine(TorchDecoder(trained.network.eval(), max_slots=len(sources)))

    engine.admit([Request(i, source, SearchOptions(beam_size=beam_size), 20) for i, source in enumerate(sources)])
    outputs: dict[int, tuple[int, ...]] = {}
    while engine.num_active:
        outputs |= {finished.id: finished.hypotheses[0].token_ids for finished in finished_by_step(engine)}

    assert sum(outputs[i] == source[:-1] for i, source in enumerate(sources)) >= 50


def test_metrics_are_logged_as_they_are_configured(trained: Trainer) -> None:
    lines = metrics(trained)

    assert [line["update"] for line in lines] == list(range(50, 501, 50))
    assert lines[0]["learning_rate"] == pytest.approx(0.005)
    assert lines[1]["learning_rate"] == pytest.approx(0.01)
    assert lines[-1]["epoch"] > 0
    # Smoothed over 16 pieces the loss cannot fall below the labels' entropy, as the plain likelihood can.
    entropy = -(0.90625 * math.log(0.90625) + 15 * 0.00625 * math.log(0.00625))
    assert lines[-1]["loss"] > entropy > lines[-1]["negative_log_likelihood"]


def test_progress_counts_tokens_and_epochs(trained: Trainer) -> None:
    progress = trained.progress
    per_epoch = int(copy_corpus(2000).target.lengths.sum())

    assert progress.update == 500
    assert progress.target_tokens // per_epoch == progress.position.epoch
    assert progress.seconds > 0


DISTURBED: dict[str, Any] = {
    "architecture": {"dropout": 0.2, "attention_dropout": 0.1},
    "optimization": {
        "max_updates": 8,
        "accumulation": 3,
        "checkpoint_every": 1,
        "keep_checkpoints": 100,
        "learning_rate": 1e-2,
        "precision": "bfloat16",
    },
    "validation": {"every": 3},
}


EVERY_OPTION: dict[str, Any] = DISTURBED | {
    "objective": {"r_drop": 2.0, "source_word_dropout": 0.1, "target_word_dropout": 0.1, "guided_alignment": 0.5},
    "optimization": DISTURBED["optimization"] | {"optimizer": "muon", "weight_decay": 0.01},
}


@pytest.mark.parametrize("options", [DISTURBED, EVERY_OPTION], ids=["plain", "every option"])
def test_a_run_resumed_at_any_update_equals_an_undisturbed_one(runner: Runner, options: dict[str, Any]) -> None:
    corpus = copy_corpus(45, longest=6)
    num_batches = len(PoolBatches(corpus, 64, seed=(1, 0, 0)))
    assert 3 < num_batches < 8 * 3, "updates must fall inside an epoch and over its end"
    assert num_batches % 3, "an update must span two epochs"
    undisturbed = runner.run(runner.trainer(corpus, **options))
    expected = state_of(undisturbed)
    checkpoints = undisturbed.checkpoints
    assert checkpoints.updates() == list(range(1, 9))

    for update in range(1, 8):
        resumed = runner.trainer(
            corpus, seed=99, checkpoints=CheckpointFolder(runner.folder / f"from {update}"), **options
        )
        resumed.checkpoints.folder.mkdir()
        resumed.checkpoints.path(update).write_bytes(checkpoints.path(update).read_bytes())
        resumed.resume(update)
        assert resumed.progress.update == update
        runner.run(resumed)

        assert_bit_equal(state_of(resumed), expected)
        resumed.progress.seconds = undisturbed.progress.seconds
        resumed.progress.window.seconds = undisturbed.progress.window.seconds
        assert resumed.progress == undisturbed.progress


def test_dropout_hangs_on_the_run_s_seed(runner: Runner) -> None:
    """Else the test above would show less than it seems to."""
    corpus = copy_corpus(45, longest=6)
    runs = []
    for seed in (1, 2):
        trainer = runner.trainer(corpus, **DISTURBED)
        trainer.updater.seed = seed  # the weights and the order of the data stay the same
        runs.append(weights_of(runner.run(trainer)))
    assert not torch.equal(*(run["source_embedding.weight"] for run in runs))


def test_random_numbers_drawn_by_others_change_nothing(runner: Runner) -> None:
    corpus = copy_corpus(45, longest=6)

    def validate(network: Network) -> dict[str, float]:
        torch.rand(7)
        return {"bleu": 0.0}

    runs = [weights_of(runner.run(runner.trainer(corpus, validate=v, **DISTURBED))) for v in (no_validation, validate)]
    assert_bit_equal(*runs)


def test_two_accumulated_batches_equal_one_twice_as_large(runner: Runner) -> None:
    random = np.random.default_rng(3)
    lengths = [3] * 8 + [7] * 8  # of unequal size, so that the mean must be over tokens and not over batches
    side = EncodedSide.pack([[*random.integers(4, 16, length).tolist(), EOS_ID] for length in lengths])
    corpus = EncodedCorpus(side, side, SkippedPairs(), VOCABULARY)
    options = {"max_updates": 4, "adam_epsilon": 1e-3, "log_every": 1, "clip_norm": 0.5}

    apart = runner.trainer(corpus, optimization={**options, "batch_tokens": 64, "accumulation": 2})
    together = runner.trainer(corpus, optimization={**options, "batch_tokens": 128})
    assert [len(PoolBatches(corpus, tokens, seed=(1, 0, 0))) for tokens in (64, 128)] == [2, 1]
    runner.run(apart)
    runner.run(together)

    assert apart.progress.target_tokens == together.progress.target_tokens == 4 * int(side.lengths.sum())
    for one, other in zip(metrics(apart), metrics(together), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
    for name, weight in weights_of(apart).items():
        torch.testing.assert_close(weight, weights_of(together)[name], rtol=1e-4, atol=1e-6)


def test_training_stops_when_bleu_no_longer_rises(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    offered: list[tuple[int, float]] = []

    def offer(
        network: Network, progress: Progress, values: dict[str, float], averaged: list[int], share: float
    ) -> bool:
        assert averaged == []
        offered.append((progress.update, values["bleu"]))
        return False

    trainer = runner.run(
        runner.trainer(
            copy_corpus(40),
            validate=scripted([1.0, 3.0, 2.0, 2.5, 3.0]),  # as good as the best is not better
            offer=offer,
            optimization={"max_updates": 100},
            validation={"every": 2, "patience": 3},
        )
    )

    assert trainer.progress.update == 10
    assert offered == [(2, 1.0), (4, 3.0), (6, 2.0), (8, 2.5), (10, 3.0)]
    assert [line["bleu"] for line in metrics(trainer, "validation")] == [1.0, 3.0, 2.0, 2.5, 3.0]
    assert "no better BLEU in 3 validations: stopping early" in capsys.readouterr().err
    assert trainer.checkpoints.updates()[-1] == 10

    resumed = runner.trainer(copy_corpus(40), checkpoints=trainer.checkpoints, validation={"patience": 3})
    resumed.resume(10)
    runner.run(resumed)
    assert resumed.progress.update == 10, "a run that stopped early stays stopped"


def test_while_bleu_is_near_0_training_goes_on_as_long_as_the_dev_loss_falls(
    runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = [(0.3, 6.0), (0.1, 5.0), (0.2, 4.0), (0.0, 3.0), (0.2, 3.5), (0.1, 3.5)]
    remaining = iter([{"bleu": bleu, "loss en→de": loss} for bleu, loss in scores])
    trainer = runner.run(
        runner.trainer(
            copy_corpus(40),
            validate=lambda network: next(remaining),
            optimization={"max_updates": 100},
            validation={"every": 2, "patience": 2},
        )
    )
    assert trainer.progress.update == 12
    assert trainer.progress.best is not None
    assert trainer.progress.best.update == 8
    assert "no better dev loss in 2 validations: stopping early" in capsys.readouterr().err


def test_all_that_is_measured_is_kept_and_one_value_decides(runner: Runner) -> None:
    measured = [
        {"bleu": 20.0, "bleu general en→de": 30.0, "bleu domain en→de": 10.0, "loss domain en→de": 3.5},
        {"bleu": 19.5, "bleu general en→de": 14.0, "bleu domain en→de": 25.0, "loss domain en→de": 3.0},
    ]
    scores = iter(measured)
    trainer = runner.run(
        runner.trainer(
            copy_corpus(40),
            validate=lambda network: next(scores),
            optimization={"max_updates": 2},
            validation={"every": 1},
        )
    )
    assert trainer.progress.validations == [(1, 20.0, measured[0]), (2, 19.5, measured[1])]
    assert trainer.progress.best == (1, 20.0, measured[0])
    assert metrics(trainer, "validation") == [
        {"kind": "validation", "update": update, **values} for update, values in enumerate(measured, 1)
    ]


def test_each_of_several_corpora_has_a_loss_of_its_own(runner: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    one = copy_corpus(200)
    is_second = np.arange(len(one)) % 4 == 0
    targets = [[*sequence[-2::-1], EOS_ID] for sequence in one.source.sequences()]
    mixed = [
        target if second else source
        for source, target, second in zip(one.source.sequences(), targets, is_second, strict=True)
    ]
    names = ("copied", "reversed")
    corpus = replace(one, target=EncodedSide.pack(mixed), names=names, corpora=is_second.astype(np.int64))
    options = {"max_updates": 60, "log_every": 20, "learning_rate": 1e-2, "batch_tokens": 128}
    trainer = runner.run(runner.trainer(corpus, optimization=options))
    alone = runner.run(runner.trainer(replace(corpus, names=("",), corpora=None), optimization=options))

    assert_bit_equal(weights_of(trainer), weights_of(alone))
    own = [{name: line[f"negative_log_likelihood {name}"] for name in names} for line in metrics(trainer)]
    for losses, line, total in zip(own, metrics(trainer), metrics(alone), strict=True):
        assert line["negative_log_likelihood"] == pytest.approx(total["negative_log_likelihood"], rel=1e-5)
        assert min(losses.values()) < line["negative_log_likelihood"] < max(losses.values())
    assert own[-1]["copied"] < own[-1]["reversed"]
    assert "negative_log_likelihood copied" not in metrics(alone)[-1]
    shown = ", ".join(f"{name} {own[-1][name]:.3f}" for name in names)
    assert f"(unsmoothed: {shown})" in capsys.readouterr().err


def test_the_network_is_validated_without_dropout_and_trained_with_it(runner: Runner) -> None:
    modes: list[bool] = []

    def validate(network: Network) -> dict[str, float]:
        modes.append(network.training)
        return {"bleu": 1.0}

    trainer = runner.run(
        runner.trainer(copy_corpus(40), validate=validate, optimization={"max_updates": 3}, validation={"every": 2})
    )
    assert modes == [False, False]  # at update 2, and after the last
    assert trainer.network.training


def test_the_newest_checkpoints_are_kept_and_the_last_averaged(runner: Runner) -> None:
    trainer = runner.run(
        runner.trainer(
            copy_corpus(40),
            optimization={"max_updates": 6, "checkpoint_every": 1, "keep_checkpoints": 2},
            averaging={"checkpoints": 3},
        )
    )
    assert trainer.updates_to_average() == [4, 5, 6]
    assert trainer.checkpoints.updates() == [4, 5, 6]


def test_checkpoints_come_when_configured_and_with_each_validation(runner: Runner) -> None:
    trainer = runner.run(
        runner.trainer(
            copy_corpus(40),
            optimization={"max_updates": 11, "checkpoint_every": 4, "keep_checkpoints": 9},
            validation={"every": 5},
            averaging={"checkpoints": 1},
        )
    )
    assert trainer.checkpoints.updates() == [4, 5, 8, 10, 11]
    assert trainer.updates_to_average() == [11]


def test_the_checkpoints_of_the_best_validations_are_kept_and_averaged(runner: Runner) -> None:
    trainer = runner.run(
        runner.trainer(
            copy_corpus(40),
            validate=scripted([5.0, 1.0, 4.0, 2.0, 4.0, 0.0]),
            optimization={"max_updates": 12, "checkpoint_every": 1, "keep_checkpoints": 1},
            validation={"every": 2},
            averaging={"checkpoints": 2, "select": "best"},
        )
    )
    assert trainer.updates_to_average() == [2, 6]  # the earlier of equals
    assert trainer.checkpoints.updates() == [2, 6, 12]


def test_too_few_checkpoints_are_all_averaged(runner: Runner) -> None:
    for select in ("last", "best"):
        trainer = runner.run(
            runner.trainer(
                copy_corpus(40),
                optimization={"max_updates": 2, "checkpoint_every": 1},
                validation={"every": 1},
                averaging={"checkpoints": 5, "select": select},
            )
        )
        assert trainer.updates_to_average() == [1, 2]


def test_without_room_for_the_last_checkpoint_the_last_network_is_offered_still(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offered: list[int] = []

    def offer(network: Network, progress: Progress, *_: Any) -> bool:
        offered.append(progress.update)
        return True

    def refuse(*_: Any) -> None:
        raise DragomanError("4.safetensors: cannot be written: No space left on device")

    trainer = runner.trainer(
        copy_corpus(40), offer=offer, optimization={"max_updates": 4}, validation={"every": 2, "max_sentences": 1}
    )
    monkeypatch.setattr(CheckpointFolder, "save", refuse)
    with pytest.raises(DragomanError, match="No space left"):
        runner.run(trainer)
    assert offered == [2, 4]
    assert "training goes on without this checkpoint" in capsys.readouterr().err
