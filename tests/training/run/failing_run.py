"""`dragoman` that meets with an accident: python -m tests.training.run.failing_run ACCIDENT ARGUMENTS…

An accident kills the process, as nothing can refuse, at a moment that is named here and not left to chance. Under
torchrun it befalls the last process, the first time that torchrun starts it.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import dragoman.training.run.checkpoint
import dragoman.training.run.reporting
from dragoman.command_line import main
from dragoman.model import files
from dragoman.training.evaluation.validation import Validator
from dragoman.training.learning.updater import Updater
from dragoman.training.run import event_file
from dragoman.training.run.reporting import MetricsLog


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def in_update(number: int) -> None:
    """Its gradients are computed, the weights are still as before."""
    step = Updater.step

    def stop(self: Updater, update: int) -> None:
        if update == number:
            die()
        step(self, update)

    Updater.step = stop  # type: ignore[method-assign]


def in_checkpoint(number: int) -> None:
    """Half of its file is written."""
    write = files.write_atomically

    def write_half(path: Path, content: bytes) -> None:
        if path.stem == f"{number:08d}":
            path.with_name(path.name + ".tmp").write_bytes(content[: len(content) // 2])
            die()
        write(path, content)

    vars(dragoman.training.run.checkpoint)["write_atomically"] = write_half


def before_validation(number: int) -> None:
    Validator.__call__ = lambda self, network: die()  # type: ignore[method-assign]


def in_bundle(number: int) -> None:
    """It is written aside; its name is still another's, or nobody's."""
    rename = Path.rename

    def stop(self: Path, target: Any) -> Path:
        if self.name == "best.new":
            die()
        return rename(self, target)

    Path.rename = stop  # type: ignore[assignment,method-assign]


def after_validation_line(number: int) -> None:
    """Validated, kept, logged; but no checkpoint knows of it."""
    write = MetricsLog.write

    def stop(self: MetricsLog, kind: str, update: int, values: Any) -> None:
        write(self, kind, update, values)
        if (kind, update) == ("validation", number):
            die()

    MetricsLog.write = stop  # type: ignore[method-assign]


def in_line(number: int) -> None:
    """Half of the update's line is written."""
    write = event_file.write_whole

    def stop(file: Any, content: bytes) -> None:
        if b'"training", "update": %d,' % number in content:
            file.write(content[: len(content) // 2])
            die()
        write(file, content)

    vars(dragoman.training.run.reporting)["write_whole"] = stop


def in_pruning(number: int) -> None:
    """A checkpoint more than is worth keeping."""
    dragoman.training.run.checkpoint.CheckpointFolder.prune = lambda self, keep: die()  # type: ignore[method-assign]


ACCIDENTS: dict[str, Callable[[int], None]] = {
    accident.__name__: accident
    for accident in (
        in_update,
        in_checkpoint,
        before_validation,
        in_bundle,
        after_validation_line,
        in_line,
        in_pruning,
    )
}

if __name__ == "__main__":
    name, _, number = sys.argv.pop(1).partition(":")
    is_last = os.environ.get("RANK", "0") == str(int(os.environ.get("WORLD_SIZE", "1")) - 1)
    if is_last and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        ACCIDENTS[name](int(number or 0))
    main()
