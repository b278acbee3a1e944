"""What a person sees of a running training: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, track

Item = TypeVar("Item")


@contextmanager
def show_phase(name: str) -> Iterator[None]:
    """Says what is being done: a spinner on a terminal, a line elsewhere."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status(name):
            yield
    else:
        console.print(name)
        yield


def track_on_terminal(items: Iterable[Item], title: str, total: int | None) -> Iterator[Item]:
    """The same items, with a bar on standard error if that is a terminal; total: their number, if it is known."""
    console = Console(stderr=True)
    yield from track(items, title, total, console=console, disable=not console.is_terminal)


class TrainingDisplay:
    """Updates done, tokens a second, loss, BLEU and time left."""

    def __init__(self, *, total_updates: int, done_updates: int = 0, is_shown: bool = True) -> None:
        """is_shown: False in all but one of the processes of a run."""
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False, quiet=not is_shown)
        self._live = self.console.is_terminal
        self._total = total_updates
        self._first = done_updates
        self._start = time.monotonic()
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
        """Counts from here: what was done before took none of this process's time."""
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

    def measured(self, update: int, *, loss: float, tokens_per_second: float) -> None:
        """loss: per target piece, in nats."""
        measured = f"{tokens_per_second:,.0f} tokens/s  loss {loss:.3f}  "
        self._bar.update(self._task, completed=update, measured=measured)
        if not self._live:
            left = (time.monotonic() - self._start) / max(1, update - self._first) * (self._total - update)
            self.console.print(
                f"update {update:,}/{self._total:,}  {measured}{left / 60:.0f} min left",
                soft_wrap=True,
            )

    def validated(self, update: int, bleu: dict[str, float], *, is_best: bool) -> None:
        """bleu: by direction."""
        scores = "  ".join(f"{direction} {score:.1f}" for direction, score in bleu.items())
        self._bar.update(self._task, bleu=f"BLEU {scores}")
        self.say(f"update {update:,}: dev BLEU {scores}{'  (best so far)' if is_best else ''}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()
