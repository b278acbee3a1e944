"""Updates that would do harm are left out, and runs that have gone astray go back."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dragoman.model.errors import DragomanError
from dragoman.training.corpus.batching import Position
from dragoman.training.learning.stability import FEWEST, WINDOW, Stability
from dragoman.training.learning.updater import Updater
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.interruption import Interrupted
from dragoman.training.run.reporting import MetricsLog, TrainingDisplay
from dragoman.training.run.trainer import Trainer
from tests.training.tiny import copy_corpus, tiny_config, tiny_network


@pytest.mark.parametrize(
    ("loss", "norm", "fault"),
    [
        (math.nan, 1.0, "the loss is nan"),
        (math.inf, 1.0, "the loss is inf"),
        (5.0, math.inf, "the norm of the gradient is inf"),
        (5.0, 50.0, None),  # nothing to hold it against yet
    ],
)
def test_the_first_update_is_judged_by_itself(loss: float, norm: float, fault: str | None) -> None:
    stability = Stability()
    assert stability.judge(loss, norm, spike_factor=10.0) == fault
    assert stability.bad_updates == (fault is not None)


def usual(norm: float) -> Stability:
    stability = Stability()
    for _ in range(FEWEST):
        assert stability.judge(1.0, norm, spike_factor=10.0) is None
    return stability


def test_a_gradient_leaps_by_the_median_of_those_before() -> None:
    assert usual(2.0).judge(1.0, 20.0, spike_factor=10.0) is None
    assert usual(2.0).judge(1.0, 20.1, spike_factor=10.0) == "the norm of the gradient is 20.1, 10 times the usual"
    assert usual(2.0).judge(1.0, 1e9, spike_factor=0) is None
    assert usual(0.0).judge(1.0, 1e-3, spike_factor=10.0) is not None


def test_a_leap_is_forgotten_after_a_good_update_and_a_new_level_becomes_usual() -> None:
    stability = usual(1.0)
    for number in range(FEWEST):
        assert stability.judge(1.0, 100.0, spike_factor=10.0)
        assert stability.bad_updates == number + 1
    assert stability.judge(1.0, 1.0, spike_factor=10.0) is None
    assert stability.bad_updates == 0
    for _ in range(WINDOW):
        stability.judge(1.0, 100.0, spike_factor=10.0)
    assert stability.judge(1.0, 100.0, spike_factor=10.0) is None
    assert len(stability.norms) == WINDOW


class Runs:
    """Small runs in which given updates' losses are no number."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.bad_positions: set[Position] = set()
        self.stop_after: Position | None = None  # a signal comes while its update is computed
        self.trained_on: list[Position] = []  # the position after the batch of each update that was made
        accumulate, step = Updater.accumulate, Updater.step
        runs = self

        def spoil(self: Updater, update: int, batches: Any, **options: Any) -> Any:
            options["is_stopping"] |= runs.trainer.progress.position == runs.stop_after
            gradients = accumulate(self, update, batches, **options)
            if runs.trainer.progress.position in runs.bad_positions:
                for parameter in self.network.parameters():
                    parameter.grad = torch.full_like(parameter, math.nan)
                likelihoods = dict.fromkeys(gradients.likelihoods, math.nan)
                return replace(gradients, loss=math.nan, likelihoods=likelihoods, norm=math.nan)
            return gradients

        def note(self: Updater, update: int) -> None:
            runs.trained_on.append(runs.trainer.progress.position)
            step(self, update)

        monkeypatch.setattr(Updater, "accumulate", spoil)
        monkeypatch.setattr(Updater, "step", note)

    def begin(self, **stability: Any) -> Trainer:
        config = tiny_config(
            self.folder,
            optimization={"max_updates": 10, "checkpoint_every": 2, "log_every": 1, "keep_checkpoints": 1},
            averaging={"checkpoints": 1},
            stability=stability,
        )
        torch.manual_seed(1)
        self.trainer = Trainer(
            config,
            tiny_network(config),
            copy_corpus(400),
            CheckpointFolder(self.folder / "checkpoints"),
            validate=lambda network: {"bleu": 0.0},
            offer=lambda network, progress, bleu, averaged, share: False,
        )
        return self.trainer

    def run(self, trainer: Trainer) -> None:
        done = trainer.progress.update
        with TrainingDisplay(total_updates=10) as display, MetricsLog(self.folder, resumed_update=done) as log:
            trainer.run(display, log)

    def metrics(self) -> list[tuple[str, int]]:
        lines = map(json.loads, (self.folder / "metrics.jsonl").read_text("utf-8").splitlines())
        return [(line["kind"], line["update"]) for line in lines]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(tmp_path, monkeypatch)


def batches(*numbers: int) -> set[Position]:
    """Positions after the batches of these numbers, from 1, which the updates of an undisturbed run have."""
    return {Position(batch=number) for number in numbers}


def test_a_bad_update_is_left_out_and_the_weights_stay(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs.bad_positions = batches(3, 4, 6)
    trainer = runs.begin()
    runs.run(trainer)

    assert runs.trained_on == [Position(batch=number) for number in (1, 2, 5, 7, 8, 9, 10)]
    assert all(torch.isfinite(parameter).all() for parameter in trainer.network.parameters())
    assert "update 3: the loss is nan; it is left out" in capsys.readouterr().err
    assert [line for line in runs.metrics() if line[0] == "skipped"] == [("skipped", n) for n in (3, 4, 6)]
    # Those due after updates 4 and 6, which were bad, came with the next good ones.
    assert trainer.checkpoints.updates() == [10]
    assert trainer.progress.stability.rollbacks == 0


def test_after_several_the_run_goes_back_and_on_with_later_data(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs.bad_positions = batches(6, 7, 8)
    trainer = runs.begin(bad_updates=3)
    runs.run(trainer)

    # Update 8 is the third in a row; from the checkpoint of update 4 the run goes on with the ninth batch.
    assert runs.trained_on == [Position(batch=number) for number in (1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14)]
    assert trainer.progress.update == 10
    assert "going back to update 4, and on with the data that follows" in capsys.readouterr().err
    done = [("training", n) for n in range(1, 5)] + [("rollback", 4)] + [("training", n) for n in range(5, 11)]
    assert runs.metrics() == [*done, ("validation", 10)]


@pytest.mark.parametrize("moment", ["in the next update", "before the checkpoint"])
def test_going_back_is_the_same_after_a_kill(runs: Runs, moment: str) -> None:
    runs.bad_positions = batches(6, 7, 8)
    undisturbed = runs.begin(bad_updates=3)
    runs.run(undisturbed)
    lines = runs.metrics()

    runs.folder = runs.folder / "killed"
    runs.folder.mkdir()
    trainer = runs.begin(bad_updates=3)
    step, save = Updater.step, CheckpointFolder.save

    def kill_in_update(self: Updater, update: int) -> None:
        if trainer.progress.position == Position(batch=9):  # the first after going back
            raise KeyboardInterrupt
        step(self, update)

    def kill_before_checkpoint(self: CheckpointFolder, *arguments: Any) -> None:
        if trainer.progress.stability.rollbacks:
            raise KeyboardInterrupt
        save(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        if moment == "in the next update":
            patch.setattr(Updater, "step", kill_in_update)
        else:
            patch.setattr(CheckpointFolder, "save", kill_before_checkpoint)
        with pytest.raises(KeyboardInterrupt):
            runs.run(trainer)
    resumed = runs.begin(bad_updates=3)
    resumed.resume(4)
    runs.run(resumed)

    assert runs.metrics() == lines
    assert resumed.progress.stability == undisturbed.progress.stability
    expected = dict(undisturbed.network.named_parameters())
    assert all(torch.equal(weight, expected[name]) for name, weight in resumed.network.named_parameters())


def test_what_a_signal_had_saved_does_not_outlive_going_back_behind_it(runs: Runs) -> None:
    runs.bad_positions = batches(6, 7, 8)
    runs.stop_after = Position(batch=5)
    with pytest.raises(Interrupted):
        runs.run(runs.begin(bad_updates=3))
    assert runs.trainer.checkpoints.updates() == [4, 5]

    runs.stop_after = Position(batch=9)  # the first after going back to update 4: update 5 again, with other data
    resumed = runs.begin(bad_updates=3)
    resumed.resume(5)
    with pytest.raises(Interrupted):
        runs.run(resumed)
    assert resumed.checkpoints.updates() == [4, 5]
    again = runs.begin(bad_updates=3)
    again.resume(5)
    assert again.progress.position == Position(batch=9)


def test_a_run_gives_up_in_the_end_and_says_what_to_do(runs: Runs) -> None:
    runs.bad_positions = batches(*range(6, 100))
    with pytest.raises(DragomanError) as told:
        runs.run(runs.begin(bad_updates=2, rollbacks=3))
    assert str(told.value).startswith(
        "update 6: the loss is nan, as bad as all of the last 2 updates, after going back 3"
    )
    assert runs.trainer.checkpoints.updates() == [4]


def test_without_a_checkpoint_there_is_no_way_back(runs: Runs) -> None:
    runs.bad_positions = batches(1, 2)
    with pytest.raises(DragomanError, match="and there is no checkpoint yet"):
        runs.run(runs.begin(bad_updates=2))


def test_a_last_update_that_is_bad_still_ends_the_run_with_a_checkpoint(runs: Runs) -> None:
    runs.bad_positions = batches(10)
    trainer = runs.begin()
    runs.run(trainer)
    assert trainer.checkpoints.updates()[-1] == 10
    assert [(one.update, one.bleu) for one in trainer.progress.validations] == [(10, 0.0)]
