"""The moving average against its definition, and where it takes the weights' place."""

from pathlib import Path

import pytest
import torch
from torch import nn

from dragoman.model.network.network import Network
from dragoman.training.learning.averaging import MovingAverage
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.reporting import TrainingDisplay
from dragoman.training.run.trainer import Trainer
from tests.training.tiny import copy_corpus, tiny_config, tiny_network


def test_it_equals_its_twin() -> None:
    network = nn.Linear(1, 1, bias=False)
    weights = [5.0, 1.0, 2.0, 4.0]
    with torch.no_grad():
        network.weight.fill_(weights[0])
        average = MovingAverage(network, 0.3)
        twin = weights[0]
        for update, weight in enumerate(weights[1:], 1):
            network.weight.fill_(weight)
            average.follow(update)
            decay = min(0.3, (1 + update) / (10 + update))  # 2/11, 3/12, then 0.3
            twin = decay * twin + (1 - decay) * weight
    assert average.tensors()["weight"].item() == pytest.approx(twin)


def test_it_is_kept_in_float32() -> None:
    network = nn.Linear(1, 1).to(torch.bfloat16)
    assert {mean.dtype for mean in MovingAverage(network, 0.9).tensors().values()} == {torch.float32}


def test_what_is_validated_and_offered_is_the_average(tmp_path: Path) -> None:
    validated: list[dict[str, torch.Tensor]] = []

    def validate(network: Network) -> dict[str, float]:
        validated.append({name: weight.detach().clone() for name, weight in network.named_parameters()})
        return {"bleu": 0.0}

    config = tiny_config(tmp_path, optimization={"max_updates": 3}, averaging={"ema_decay": 0.9, "checkpoints": 1})
    trainer = Trainer(
        config,
        tiny_network(config),
        copy_corpus(40),
        CheckpointFolder(tmp_path),
        validate=validate,
        offer=lambda network, progress, bleu, averaged, share: False,
    )
    trainer.run(TrainingDisplay(total_updates=3), None)

    assert trainer.updater.average is not None
    means = trainer.updater.average.tensors()
    assert all(torch.equal(validated[0][name], mean) for name, mean in means.items())
    weights = dict(trainer.network.named_parameters())
    assert not torch.equal(means["source_embedding.weight"], weights["source_embedding.weight"])
