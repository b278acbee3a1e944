"""What tests of a worker share: callers that prepare their texts, wait for them, and look at the clock."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.worker import TextFailure, Worker
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Translation
from tests.server.fakes import EN_DE, PATIENCE

ANYBODY = CallContext("anybody", "request")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Recorder:
    """A `server.scheduling.worker.WorkerObserver` that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        self.events.append(("admitted", model, priority, queue_seconds))

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        self.events.append(("first token", model, seconds_since_submitted))

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        self.events.append(("finished", model, seconds_since_submitted, num_source_pieces, num_target_pieces))

    def dropped(self, model: str, reason: str) -> None:
        self.events.append(("dropped", model, reason))

    def quarantined(self, model: str) -> None:
        self.events.append(("quarantined", model))

    def warned(self, model: str, kind: str) -> None:
        self.events.append(("warned", model, kind))

    def retried(self, model: str, number: int) -> None:
        self.events.append(("retried", model, number))


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def prepare(worker: Worker, *texts: str, **options: Any) -> list[PreparedText]:
    return [worker.translator.prepare(text, EN_DE, SearchOptions(**options)) for text in texts]


async def translate(
    worker: Worker,
    *texts: str,
    caller: CallContext = ANYBODY,
    priority: Priority = Priority.INTERACTIVE,
    **options: Any,
) -> list[Translation | TextFailure]:
    return await worker.translate(prepare(worker, *texts, **options), caller=caller, priority=priority)


def start(
    worker: Worker, *texts: str, caller: CallContext = ANYBODY, priority: Priority = Priority.INTERACTIVE
) -> "asyncio.Task[list[Translation | TextFailure]]":
    return asyncio.ensure_future(translate(worker, *texts, caller=caller, priority=priority))


def texts_of(outcomes: Sequence[Translation | TextFailure]) -> list[str]:
    """The translations, and of what has failed the reasons."""
    return [outcome.reason if isinstance(outcome, TextFailure) else outcome.text for outcome in outcomes]
