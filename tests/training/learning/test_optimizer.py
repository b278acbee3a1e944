"""Which weights are whose, and that a step of Muon moves a matrix alike in all directions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dragoman.model.network.transformer import Transformer
from dragoman.training.learning.optimizer import MuonWithAdamW, Optimizer, make_optimizer
from tests.training.tiny import tiny_config, tiny_network


def network_and_optimizer(folder: Path, **options: Any) -> tuple[Transformer, Optimizer]:
    config = tiny_config(folder, optimization=options)
    torch.manual_seed(1)
    network = tiny_network(config)
    optimizer = make_optimizer(network, config.optimization)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    return network, optimizer


def step(network: Transformer, optimizer: Optimizer) -> dict[str, Tensor]:
    """What a step adds to each weight."""
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer.step()
    return {name: parameter.detach() - before[name] for name, parameter in network.named_parameters()}


def test_every_weight_is_in_one_group_whatever_the_optimizer(tmp_path: Path) -> None:
    for optimizer_name in ("adamw", "muon"):
        network, optimizer = network_and_optimizer(tmp_path, optimizer=optimizer_name)
        held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        assert sorted(held) == sorted(id(parameter) for parameter in network.parameters())


def test_adamw_is_what_there_is_without_muon(tmp_path: Path) -> None:
    _, optimizer = network_and_optimizer(tmp_path)
    assert isinstance(optimizer, torch.optim.AdamW)


def test_muon_has_the_layers_matrices_alone(tmp_path: Path) -> None:
    network, optimizer = network_and_optimizer(tmp_path, optimizer="muon")
    assert isinstance(optimizer, MuonWithAdamW)
    optimizer.step()
    with_momentum = {
        name for name, parameter in network.named_parameters() if "momentum_buffer" in optimizer.state[parameter]
    }
    expected = {
        name
        for name, parameter in network.named_parameters()
        if parameter.dim() == 2 and "embedding" not in name and name != "output_projection.weight"
    }
    assert with_momentum == expected
    assert len(expected) == 6 + 10  # encoder layer: 4 of attention, 2 of feed-forward; decoder layer: 8 and 2


def test_a_step_of_muon_is_nearly_orthogonal_and_as_large_as_one_of_adam(tmp_path: Path) -> None:
    network, optimizer = network_and_optimizer(tmp_path, optimizer="muon")
    change = step(network, optimizer)["encoder_layers.0.feed_forward.inner.weight"]  # 32 x 16
    singular_values = torch.linalg.svdvals(change) / (0.01 * 0.2 * 32**0.5)
    assert singular_values.min() > 0.5
    assert singular_values.max() < 1.5
    assert change.square().mean().sqrt().item() == pytest.approx(0.01 * 0.2, rel=0.3)


def test_weight_decay_falls_on_matrices_alone(tmp_path: Path) -> None:
    for optimizer_name in ("adamw", "muon"):
        changes = []
        for weight_decay in (0.0, 0.5):
            network, optimizer = network_and_optimizer(tmp_path, optimizer=optimizer_name, weight_decay=weight_decay)
            changes.append(step(network, optimizer))
        for name, parameter in network.named_parameters():
            assert torch.equal(changes[0][name], changes[1][name]) == (parameter.dim() < 2), name


def test_zero_grad_forgets_all(tmp_path: Path) -> None:
    network, optimizer = network_and_optimizer(tmp_path, optimizer="muon")
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in network.parameters())
