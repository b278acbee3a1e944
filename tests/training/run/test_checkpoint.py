"""Checkpoints: exact, averaged as by hand, and whole or not there at all."""

import errno
import os
import pickle
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.training.corpus.batching import Position
from dragoman.training.learning.averaging import MovingAverage
from dragoman.training.learning.stability import Stability
from dragoman.training.run.checkpoint import CheckpointFolder, DamagedCheckpointError, load_weights
from dragoman.training.run.progress import Progress, Validation, Window
from tests.training.tiny import small_disk


def network_of(*sizes: int, seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(*(nn.Linear(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)))


def adam(network: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=0.01)


def take_steps(network: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> None:
    """Steps that depend on weights and optimizer."""
    torch.manual_seed(5)
    for _ in range(num_steps):
        optimizer.zero_grad()
        network(torch.randn(5, 4)).square().mean().backward()
        optimizer.step()


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints")


def save_untrained(folder: CheckpointFolder, *updates: int) -> None:
    """Checkpoints of networks that differ by their update."""
    for update in updates:
        network = network_of(4, 3, 2, seed=update)
        folder.save(network, adam(network), Progress(update=update))


def test_a_restored_run_goes_on_as_if_nothing_had_happened(folder: CheckpointFolder) -> None:
    network = network_of(4, 3, 2)
    optimizer = adam(network)
    take_steps(network, optimizer, 3)
    progress = Progress(
        update=3,
        position=Position(1, 4, 2),
        num_batches=2,
        seconds=0.1 + 0.2,
        target_tokens=77,
        validations=[Validation(2, 1 / 3, {"bleu": 1 / 3, "loss en→de": 2.5})],
        stability=Stability(norms=[0.1, 1e-30], bad_updates=1, rollbacks=2),
        window=Window(updates=1, tokens=7, loss=2 / 3),
        awaits_validation=True,
        stops=[1],
    )
    folder.save(network, optimizer, progress)
    take_steps(network, optimizer, 2)

    other = network_of(4, 3, 2, seed=2)
    other_optimizer = adam(other)
    restored = folder.restore(3, other, other_optimizer)
    take_steps(other, other_optimizer, 2)

    assert restored == progress
    assert_equal(weights_of(other), weights_of(network))


def test_restoring_puts_the_optimizer_where_the_network_is(folder: CheckpointFolder) -> None:
    network = network_of(4, 3)
    optimizer = adam(network)
    take_steps(network, optimizer, 1)
    folder.save(network, optimizer, Progress(update=1))

    elsewhere = network_of(4, 3).to("meta")  # stands for an accelerator
    restored = adam(elsewhere)
    folder.restore(1, elsewhere, restored)

    assert {value.device.type for state in restored.state.values() for value in state.values()} == {"meta"}


def test_nothing_is_unpickled(folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        pytest.fail("pickle was used")

    for name in ("load", "loads", "Unpickler", "dump", "dumps", "Pickler"):
        monkeypatch.setattr(pickle, name, refuse)
    save_untrained(folder, 1)
    network = network_of(4, 3, 2)
    folder.restore(1, network, adam(network))
    folder.average([1], network)


def test_tied_weights_are_stored_once(folder: CheckpointFolder) -> None:
    def tied() -> nn.Sequential:
        network = network_of(4, 4, 4)
        network[1].weight = network[0].weight
        return network

    network = tied()
    optimizer = adam(network)
    take_steps(network, optimizer, 2)
    folder.save(network, optimizer, Progress(update=2))
    other = tied()
    folder.restore(2, other, adam(other))

    assert other[1].weight is other[0].weight
    assert_equal(weights_of(other), weights_of(network))


def test_updates_are_listed_by_number_and_nothing_else_counts(folder: CheckpointFolder) -> None:
    assert folder.updates() == []
    save_untrained(folder, 100, 9, 20)
    for name in ("best.safetensors", "00000003.safetensors.tmp", "notes.txt"):
        (folder.folder / name).write_bytes(b"")

    assert folder.updates() == [9, 20, 100]


def test_prune_keeps_what_it_is_told(folder: CheckpointFolder) -> None:
    save_untrained(folder, 1, 2, 3, 4)
    folder.prune({2, 4, 99})
    assert folder.updates() == [2, 4]


def test_the_average_equals_its_twin(folder: CheckpointFolder) -> None:
    save_untrained(folder, 1, 2, 3, 4)
    network = network_of(4, 3, 2)
    folder.average([1, 3, 4], network)

    parts = [weights_of(network_of(4, 3, 2, seed=update)) for update in (1, 3, 4)]
    for name, weight in weights_of(network).items():
        torch.testing.assert_close(weight, sum((part[name] for part in parts), torch.zeros(())) / 3)


def test_the_average_of_one_is_itself(folder: CheckpointFolder) -> None:
    save_untrained(folder, 5)
    network = network_of(4, 3, 2)
    folder.average([5], network)
    assert_equal(weights_of(network), weights_of(network_of(4, 3, 2, seed=5)))


def test_the_best_validation_is_the_earliest_among_equals() -> None:
    assert Progress().best is None
    validations = [Validation(update, bleu, {}) for update, bleu in enumerate([3.0, 5.0, 5.0, 4.0], 1)]
    assert Progress(validations=validations).best == validations[1]


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_refused_with_its_file(folder: CheckpointFolder, kept: float) -> None:
    save_untrained(folder, 1)
    path = folder.path(1)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    network = network_of(4, 3, 2)

    for read in (lambda: folder.restore(1, network, adam(network)), lambda: folder.average([1], network)):
        with pytest.raises(InvalidInputError, match=r"00000001\.safetensors: not a whole checkpoint: "):
            read()


def test_a_checkpoint_of_altered_content_is_refused(folder: CheckpointFolder) -> None:
    save_untrained(folder, 1)
    path = folder.path(1)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # one bit of a weight
    path.write_bytes(content)
    network = network_of(4, 3, 2)
    with pytest.raises(DamagedCheckpointError, match="is not what was written"):
        folder.restore(1, network, adam(network))


def test_the_newest_whole_checkpoint_is_found_behind_damaged_ones(folder: CheckpointFolder) -> None:
    save_untrained(folder, 1, 2, 3, 4)
    folder.path(4).write_bytes(b"")
    folder.path(3).write_bytes(folder.path(3).read_bytes()[:-1])
    said: list[str] = []

    assert folder.newest_whole(said.append) == 2

    assert folder.updates() == [1, 2]
    assert [line.split(": ")[0] for line in said] == [str(folder.path(4)), str(folder.path(3))]
    assert all(line.endswith("going on from the one before") for line in said)
    assert folder.newest_whole(said.append) == 2
    assert len(said) == 2


def test_no_checkpoint_may_be_whole(folder: CheckpointFolder) -> None:
    assert folder.newest_whole(pytest.fail) is None
    save_untrained(folder, 1)
    folder.path(1).write_bytes(b"")
    said: list[str] = []
    assert folder.newest_whole(said.append) is None
    assert [line.split("; ")[-1] for line in said] == ["the run begins anew"]


def test_a_moving_average_is_kept_and_may_begin_later(folder: CheckpointFolder) -> None:
    network = network_of(4, 3, 2)
    average = MovingAverage(network, 0.9)
    take_steps(network, adam(network), 3)
    average.follow(1)
    folder.save(network, adam(network), Progress(update=1), average)
    folder.save(network, adam(network), Progress(update=2))

    other = network_of(4, 3, 2, seed=2)
    restored = MovingAverage(other, 0.9)
    folder.restore(1, other, adam(other), restored)
    assert_equal(restored.tensors(), average.tensors())
    folder.restore(2, other, adam(other), restored)
    assert_equal(restored.tensors(), weights_of(network))


def test_a_missing_checkpoint_is_refused_with_its_file(folder: CheckpointFolder) -> None:
    network = network_of(4, 3, 2)
    with pytest.raises(InvalidInputError, match=r"00000007\.safetensors: "):
        folder.restore(7, network, adam(network))


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ((4, 5, 2), r"0\.weight has the shape \(3, 4\), but must have the shape \(5, 4\)"),
        ((4, 3, 2, 2), r"2\.weight is missing, but must have the shape \(2, 2\)"),
        ((4, 3), r"1\.bias is not in this network"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    folder: CheckpointFolder, sizes: tuple[int, ...], problem: str
) -> None:
    trained = network_of(4, 3, 2)
    optimizer = adam(trained)
    take_steps(trained, optimizer, 1)
    folder.save(trained, optimizer, Progress(update=1))
    network = network_of(*sizes)

    with pytest.raises(InvalidInputError, match=rf"00000001\.safetensors: {problem}"):
        folder.restore(1, network, adam(network))
    with pytest.raises(InvalidInputError, match=problem):
        folder.average([1], network)


def test_weights_of_a_bundle_are_no_checkpoint(folder: CheckpointFolder) -> None:
    network = network_of(4, 3)
    folder.folder.mkdir()
    save_file({f"network.{name}": weight for name, weight in weights_of(network).items()}, folder.path(1))

    with pytest.raises(InvalidInputError, match=r"00000001\.safetensors: not a checkpoint of a training run"):
        folder.restore(1, network, adam(network))


def test_load_weights_copies(tmp_path: Path) -> None:
    source, target = network_of(4, 3, seed=1), network_of(4, 3, seed=2)
    load_weights(target, {f"network.{name}": weight for name, weight in weights_of(source).items()}, tmp_path)
    assert_equal(weights_of(target), weights_of(source))


def assert_only_the_first_is_there(folder: CheckpointFolder) -> None:
    assert [path.name for path in folder.folder.iterdir()] == ["00000001.safetensors"]
    network = network_of(4, 3, 2, seed=9)
    assert folder.restore(1, network, adam(network)).update == 1
    assert_equal(weights_of(network), weights_of(network_of(4, 3, 2, seed=1)))


def test_a_full_disk_leaves_the_previous_checkpoint_good(folder: CheckpointFolder) -> None:
    save_untrained(folder, 1)

    with small_disk(folder.path(1).stat().st_size // 2), pytest.raises(DragomanError) as caught:
        save_untrained(folder, 2)

    assert str(caught.value).startswith(f"{folder.path(2)}: cannot be written: ")
    assert "\n" not in str(caught.value)
    assert_only_the_first_is_there(folder)


def test_a_disk_that_is_full_when_flushed_leaves_the_previous_checkpoint_good(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_untrained(folder, 1)

    def fail(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DragomanError) as caught:
        save_untrained(folder, 2)

    assert str(caught.value) == f"{folder.path(2)}: cannot be written: No space left on device"
    assert_only_the_first_is_there(folder)


def test_saving_again_replaces_a_checkpoint_or_leaves_it(folder: CheckpointFolder) -> None:
    save_untrained(folder, 1)
    network = network_of(4, 3, 2, seed=1)
    with small_disk(100), pytest.raises(DragomanError):
        folder.save(network_of(4, 3, 2, seed=5), adam(network), Progress(update=1))
    assert_only_the_first_is_there(folder)
