"""Phases and long loops, shown on a terminal."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def is_main_process() -> bool:
    """Like `World.is_main`, before and after there is a world, and without torch."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def show_phase(name: str, *, is_shown: bool = True) -> Iterator[None]:
    """Shows the name of a phase: a spinner on a terminal, a line elsewhere."""
    console = Console(stderr=True, highlight=False, quiet=not is_shown)
    if console.is_terminal:
        with console.status(name):
            yield
    else:
        console.print(name)
        yield


def track_on_terminal(items: Iterable[Item], title: str, total: int | None) -> Iterator[Item]:
    """The same items, with a bar on standard error if that is a terminal. total: their number, if known."""
    console = Console(stderr=True)
    yield from track(items, title, total, console=console, disable=not console.is_terminal)


def describe_duration(seconds: float) -> str:
    """Such as "40 s", "12 min" or "3 h 05 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
