"""`--profile` waits for a new file, whatever an earlier benchmark has left."""

import argparse
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.benchmarks.training import __main__ as benchmark
from tests.benchmarks.training.plan import Plan


def test_the_profile_of_an_earlier_benchmark_is_not_taken_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "marian-profile-4+4x128.txt"
    path.write_text("old")

    class FakeSide:
        def call(self, *_: object, **__: object) -> None:
            path.write_text("new")

    def start(*_: object, profile: str, **__: object) -> tuple[Any, dict[str, Any]]:
        assert profile == str(path)
        return FakeSide(), {}

    monkeypatch.setattr(benchmark, "_start", start)
    plan = Plan("4+4x128", "corpus", "scratch", batch_tokens=64, threads=1)
    benchmark._profile(plan, argparse.Namespace(folder=tmp_path), Console(quiet=True))
    assert path.read_text() == "new"
