"""Runs commands in this process, for tests of any room."""

import signal
import string
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dragoman.command_line import main

LONG = " ".join(first + second for first in string.ascii_lowercase for second in string.ascii_lowercase[:12])
"""A text with more pieces than the tiny bundle takes, none of them like another."""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    output: str
    errors: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process, which spares importing torch anew."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run_command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dragoman", *map(str, arguments)])
        capsys.readouterr()
        status: int | str | None = 0
        try:
            main()
        except SystemExit as exit_:
            status = exit_.code
        captured = capsys.readouterr()
        return Outcome(int(status or 0), captured.out, captured.err)

    yield run_command
    for number, handler in handlers.items():  # `serve` takes them
        signal.signal(number, handler)


def assert_refused(outcome: Outcome, *parts: str) -> None:
    """Exit code 2 and, after what a training says of its phases, one line on standard error that holds all parts."""
    assert outcome.status == 2, outcome
    *phases, error = outcome.errors.splitlines()
    assert error.startswith("dragoman: ")
    chosen = "not configured, so chosen for "
    ends = ("loading PyTorch", " the corpus", " the vocabulary")
    assert all(phase.endswith(ends) or phase.startswith(chosen) for phase in phases), phases
    for part in parts:
        assert part in error


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
