"""What a side counts in a round, and that it waits between rounds."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.benchmarks.training.plan import Plan
from tests.benchmarks.training.rounds import Rounds

PLAN = {"shape": "4+4x128", "corpus": "c", "scratch": "s", "batch_tokens": 64, "threads": 1}


class FakeParameter:
    def __init__(self, size: int) -> None:
        self.size = size

    def numel(self) -> int:
        return self.size


class FakeNetwork:
    def parameters(self) -> list[FakeParameter]:
        return [FakeParameter(30), FakeParameter(12)]


class Clock:
    """Every batch takes a second; the time between two rounds is long and must not count."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Requests(io.StringIO):
    """Lines that come an hour late."""

    def __init__(self, clock: Clock, *requests: dict[str, Any]) -> None:
        super().__init__("".join(json.dumps({"method": "any", "arguments": request}) + "\n" for request in requests))
        self.clock = clock

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        self.clock.now += 3600
        return super().readline(-1 if size is None else size)


def run(*seconds: float) -> list[dict[str, Any]]:
    """The replies of a side that trains on batches of 10, 20, 30 … target tokens, in rounds of these seconds."""
    clock, replies = Clock(), io.StringIO()
    requests = Requests(clock, {"plan": PLAN, "factor": 10}, *({"seconds": value} for value in seconds))
    rounds = Rounds(requests, replies, clock=clock, memory=lambda: 77)

    def train(rounds: Rounds, plan: Plan, factor: int) -> None:
        assert plan == Plan("4+4x128", "c", "s", 64, 1)
        for number in batch_numbers():
            tokens = factor * number
            rounds.batch(
                FakeNetwork(),
                num_pairs=number,
                num_target_tokens=tokens,
                num_tokens=2 * tokens,
                num_places=3 * tokens,
            )
            clock.now += 1

    with pytest.raises(SystemExit):
        rounds.serve(train, ("pytest",))
    return [json.loads(line) for line in replies.getvalue().splitlines()]


def batch_numbers() -> Iterator[int]:
    yield from range(1, 1000)


def test_a_start_tells_parameters_and_versions() -> None:
    described = run()[0]["result"]
    assert described == {"num_parameters": 42, "versions": {"pytest": pytest.__version__}}


def test_each_batch_counts_in_the_round_that_trains_on_it_and_waiting_in_none() -> None:
    _, first, second = run(3.0, 2.0)
    assert first["result"] == {
        "seconds": 3.0,
        "num_updates": 3,
        "num_pairs": 1 + 2 + 3,
        "num_target_tokens": 10 + 20 + 30,
        "num_tokens": 120,
        "num_places": 180,
        "peak_memory": 77,
    }
    assert second["result"]["seconds"] == 2.0
    assert second["result"]["num_target_tokens"] == 40 + 50


def test_a_round_ends_with_the_update_in_which_its_time_is_up() -> None:
    _, first = run(2.5)
    assert first["result"]["seconds"] == 3.0
    assert first["result"]["num_updates"] == 3


def test_a_loop_that_fails_or_ends_says_so() -> None:
    clock = Clock()
    replies = io.StringIO()
    Rounds(Requests(clock, {"plan": PLAN}), replies, clock=clock).serve(lambda rounds, plan: None, ())
    assert "the training loop ended before the benchmark did" in json.loads(replies.getvalue())["error"]
