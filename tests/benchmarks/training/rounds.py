"""A side's end of a round: counts what a training loop does between two requests, and holds the loop still otherwise.

Each side runs its system's own training loop and calls `Rounds.batch` just before the network gets a batch. There the
loop waits for the next request, and there a round ends: it holds as many updates as fetched batches, with optimizer,
bookkeeping and loader. Needs the standard library alone.
"""

import importlib.metadata
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from tests.benchmarks.processes import peak_memory, take_standard_output
from tests.benchmarks.training.plan import Plan


class Network(Protocol):
    """The part of a torch module that is needed here."""

    def parameters(self) -> Iterable[Any]: ...


@dataclass(slots=True)
class _Counts:
    """Of the batches of one round."""

    seconds_wanted: float
    started: float
    num_updates: int = 0
    num_pairs: int = 0
    num_target_tokens: int = 0
    num_tokens: int = 0
    num_places: int = 0


class Rounds:
    """Answers the requests of `tests.benchmarks.processes.Side`: first `start`, then `round` again and again."""

    def __init__(
        self,
        requests: TextIO | None = None,
        replies: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        memory: Callable[[], int] = peak_memory,
    ) -> None:
        """requests, replies: standard input and output if left out."""
        self._requests = requests or sys.stdin
        self._replies = replies or take_standard_output()
        self._clock = clock
        self._memory = memory
        self._packages: Sequence[str] = ()
        self._counts: _Counts | None = None

    def serve(self, train: Callable[..., None], packages: Sequence[str]) -> None:
        """Calls `train(self, plan, **options)` with what `start` asks for, and lets it run through all rounds.

        packages: those whose versions are told.
        """
        self._packages = packages
        arguments = self._receive()
        try:
            train(self, Plan(**arguments.pop("plan")), **arguments)
            raise RuntimeError("the training loop ended before the benchmark did")
        except Exception:
            self._reply(error=traceback.format_exc())

    def batch(
        self, network: Network, *, num_pairs: int, num_target_tokens: int, num_tokens: int, num_places: int
    ) -> None:
        """One update's batch, just before the network gets it.

        num_target_tokens: real pieces to predict, ends included. num_tokens: real pieces of both sides. num_places:
        padded places of both sides. Raises SystemExit when there are no more requests.
        """
        counts = self._counts
        if counts is None:
            self._reply(result=self._describe(network))
            counts = self._next_round()
        elif self._clock() - counts.started >= counts.seconds_wanted:
            self._reply(result=self._summary(counts))
            counts = self._next_round()
        counts.num_updates += 1
        counts.num_pairs += num_pairs
        counts.num_target_tokens += num_target_tokens
        counts.num_tokens += num_tokens
        counts.num_places += num_places

    def _next_round(self) -> _Counts:
        seconds = self._receive()["seconds"]
        self._counts = _Counts(seconds_wanted=seconds, started=self._clock())
        return self._counts

    def _describe(self, network: Network) -> dict[str, Any]:
        return {
            "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "versions": {name: importlib.metadata.version(name) for name in self._packages},
        }

    def _summary(self, counts: _Counts) -> dict[str, Any]:
        return {
            "seconds": self._clock() - counts.started,
            "num_updates": counts.num_updates,
            "num_pairs": counts.num_pairs,
            "num_target_tokens": counts.num_target_tokens,
            "num_tokens": counts.num_tokens,
            "num_places": counts.num_places,
            "peak_memory": self._memory(),
        }

    def _receive(self) -> dict[str, Any]:
        line = self._requests.readline()
        if not line:
            raise SystemExit
        arguments: dict[str, Any] = json.loads(line)["arguments"]
        return arguments

    def _reply(self, **reply: Any) -> None:
        print(json.dumps(reply), file=self._replies, flush=True)
