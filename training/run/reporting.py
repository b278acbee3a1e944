"""A run's reports: a live bar on a terminal, plain lines elsewhere, metrics.jsonl, TensorBoard."""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dragoman.model.errors import DragomanError
from dragoman.model.files import write_atomically
from dragoman.training.display import describe_duration
from dragoman.training.evaluation.ranking import BLEU, DECISIVE, LOSS, PERPLEXITY, TOO_MUCH
from dragoman.training.run.event_file import EventFile, write_whole
from dragoman.training.run.progress import OWN_LOSS

FEW_UPDATES = 3
"""Updates after which a run that shows plain lines first says how long it will take."""


class TrainingDisplay:
    """Updates done, tokens a second, loss, BLEU and time left."""

    def __init__(self, *, total_updates: int, done_updates: int = 0, is_shown: bool = True) -> None:
        """is_shown: True in one process of a run only."""
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False, quiet=not is_shown)
        self._live = self.console.is_terminal
        self._total = total_updates
        self._first = done_updates
        self._start = time.monotonic()
        self._has_measured = False
        self._bar = Progress(
            TextColumn("update {task.completed:,}/{task.total:,}"),
            BarColumn(),
            TextColumn("{task.fields[measured]}{task.fields[bleu]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("train", total=total_updates, completed=done_updates, measured="", bleu="")

    def begin(self, done_updates: int) -> None:
        """Starts the clock: earlier updates took none of this process's time."""
        self._first = done_updates
        self._start = time.monotonic()
        self._bar.update(self._task, completed=done_updates)

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._live:
            self._bar.print(text)
        else:
            self.console.print(text, soft_wrap=True)

    def advance(self, update: int) -> None:
        self._bar.update(self._task, completed=update)
        if update - self._first == FEW_UPDATES and not self._has_measured and not self._live:
            self.say(
                f"the first {FEW_UPDATES} updates are done: about {self._time_left(update)} left, without validations"
            )

    def validating(self) -> None:
        """A validation begins, which may take long."""
        self._bar.update(self._task, bleu="validating …")

    def _time_left(self, update: int) -> str:
        seconds = (time.monotonic() - self._start) / max(1, update - self._first)
        return describe_duration(seconds * (self._total - update))

    def measured(
        self, update: int, *, loss: float, tokens_per_second: float, own: Mapping[str, float] | None = None
    ) -> None:
        """loss: per target piece, in nats. own: that of each of several corpora, without smoothing."""
        corpora = ", ".join(f"{name} {value:.3f}" for name, value in (own or {}).items())
        measured = f"{tokens_per_second:,.0f} tokens/s  loss {loss:.3f}{f' (unsmoothed: {corpora})' * bool(corpora)}  "
        self._bar.update(self._task, completed=update, measured=measured)
        self._has_measured = True
        if not self._live:
            self.say(f"update {update:,}/{self._total:,}  {measured}{self._time_left(update)} left")

    def validated(self, update: int, values: Mapping[str, float], *, is_best: bool) -> None:
        """values: what a `Validator` measured."""
        scores, losses = (_under(prefix, values) for prefix in (BLEU, LOSS))
        name, shown = "BLEU", "  ".join(f"{label} {score:.1f}" for label, score in scores.items())
        if PERPLEXITY in values:
            name, shown = PERPLEXITY, f"{values[PERPLEXITY]:.1f}"
        self._bar.update(self._task, bleu=f"{name} {shown}")
        if TOO_MUCH in values:
            shown += f", {values[TOO_MUCH]:.1f} BLEU more lost than may be"
        elif len({label.rpartition(" ")[0] for label in scores}) > 1:
            shown += f", all {values[DECISIVE]:.1f}"
        if losses:
            shown += f"; loss {', '.join(f'{label} {loss:.3f}' for label, loss in losses.items())}"
        self.say(f"update {update:,}: dev {name} {shown}{'  (best so far)' if is_best else ''}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()


class MetricsLog:
    """Appends to `metrics.jsonl`, one JSON object a line with "update" and "kind", and to TensorBoard event files."""

    def __init__(self, folder: Path, *, resumed_update: int, validated_update: int | None = None) -> None:
        """Drops the file's lines on updates after `resumed_update`, which will be repeated, and on validations after
        `validated_update`, if given. Raises DragomanError like `write`."""
        self._folder = folder
        self._path = folder / "metrics.jsonl"
        self._owed = b""  # lines that a full disk did not take
        validated = resumed_update if validated_update is None else validated_update
        self._drop_all_but(lambda line: _is_done(line, resumed_update, validated))
        self._open(resumed_update)

    def write(self, kind: str, update: int, values: Mapping[str, float | str]) -> None:
        """Writes a line. kind: "training", "validation" or, for faults, "skipped" or "rollback". TensorBoard gets the
        numbers. Raises DragomanError if it cannot be written, as on a full disk; the next call tries again."""
        line = json.dumps({"kind": kind, "update": update, **values}) + "\n"
        self._owed += line.encode()
        size = os.fstat(self._file.fileno()).st_size
        try:
            write_whole(self._file, self._owed)
            self._owed = b""
            scalars = {f"{kind}/{name}": value for name, value in values.items() if isinstance(value, int | float)}
            self._board.write(scalars, update)
        except OSError as error:
            if self._owed:
                with suppress(OSError):  # remove half a line
                    os.ftruncate(self._file.fileno(), size)
            raise DragomanError(f"{self._path}: cannot be written: {error.strerror or error}") from error

    def rewind(self, update: int, *, rollbacks: int) -> None:
        """Drops lines on updates after the given one, which are repeated with other data, and on rollbacks after the
        first `rollbacks`: a kill may have left a line on the present one. Raises DragomanError like `write`.
        """
        self._drop_all_but(
            lambda line: (
                _is_done(line, update, update) and not (line["kind"] == "rollback" and line["number"] > rollbacks)
            )
        )
        self.close()
        self._open(update)

    def close(self) -> None:
        self._file.close()
        self._board.close()

    def _drop_all_but(self, is_kept: Callable[[dict[str, Any]], bool]) -> None:
        content = self._path.read_bytes() if self._path.exists() else b""
        lines = [*content.splitlines(), *self._owed.splitlines()]
        kept = [line + b"\n" for line in lines if (values := _parse(line)) is not None and is_kept(values)]
        if b"".join(kept) != content:
            write_atomically(self._path, b"".join(kept))
        self._owed = b""

    def _open(self, last_update: int) -> None:
        self._file: BinaryIO = self._path.open("ab", buffering=0)
        self._board = EventFile(self._folder / "tensorboard", last_update=last_update)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _is_done(line: Mapping[str, Any], resumed_update: int, validated_update: int) -> bool:
    """Whether a line is about an update or validation before the resumption."""
    return bool(line["update"] <= (validated_update if line["kind"] == "validation" else resumed_update))


def _parse(line: bytes) -> dict[str, Any] | None:
    """None for a line that a crash cut short."""
    try:
        values: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return values


def _under(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    """The values whose names have the prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


class Reporter:
    """The display and the log of a run. On a full disk it shows the error, and training goes on."""

    def __init__(self, display: TrainingDisplay, log: MetricsLog | None) -> None:
        """log: of the main process, None in the others."""
        self.display = display
        self._log = log

    def say(self, text: str) -> None:
        self.display.say(text)

    def advance(self, update: int) -> None:
        self.display.advance(update)

    def trained(self, update: int, values: Mapping[str, float]) -> None:
        """values: as logged, with "loss" and "tokens_per_second"."""
        self.display.measured(
            update,
            loss=values["loss"],
            tokens_per_second=values["tokens_per_second"],
            own=_under(OWN_LOSS, values),
        )
        self._write("training", update, values)

    def validated(self, update: int, values: Mapping[str, float], *, is_best: bool) -> None:
        """values: what a `Validator` measured."""
        self.display.validated(update, values, is_best=is_best)
        self._write("validation", update, values)

    def validating(self) -> None:
        self.display.validating()

    def left_out(self, update: int, fault: str) -> None:
        """Reports an update that was skipped. fault: the reason."""
        self.say(f"update {update:,}: {fault}; it is left out")
        self._write("skipped", update, {"fault": fault})

    def went_back(self, start: int, update: int, fault: str, *, number: int) -> None:
        """Reports the run's rollback `number`, from update `start` to an earlier one."""
        self.say(f"going back to update {update:,}, and on with the data that follows")
        try:
            if self._log is not None:
                self._log.rewind(update, rollbacks=number - 1)
        except DragomanError as error:
            self._survive(error)
        self._write("rollback", update, {"fault": fault, "from": start, "number": number})

    def _write(self, kind: str, update: int, values: Mapping[str, float | str]) -> None:
        try:
            if self._log is not None:
                self._log.write(kind, update, values)
        except DragomanError as error:
            self._survive(error)

    def _survive(self, error: DragomanError) -> None:
        self.say(f"{error}; training goes on")
