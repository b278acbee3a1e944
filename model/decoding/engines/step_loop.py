"""Runs an engine by messages: in a process of its own, or on a thread of this one."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from dragoman.model.decoding.request import Event, Request
from dragoman.model.decoding.statistics import EngineStatistics, StepCounts

REPORT_SECONDS = 0.1
"""After so long the front is told of steps although nothing else came of them."""


class SteppingEngine(Protocol):
    """What a loop runs: an `Engine`, or a `Fleet` of threads."""

    @property
    def num_active(self) -> int: ...
    @property
    def free_slots(self) -> int: ...
    def count_fitting(self, requests: Sequence[Request], /) -> int: ...
    def admit_checked(self, requests: Sequence[Request], /) -> None: ...
    def step(self) -> list[Event]: ...
    def cancel(self, request_id: int, /) -> bool: ...
    def statistics(self) -> EngineStatistics: ...


@dataclass(frozen=True, slots=True)
class StepReport:
    """What there is to tell after a step, and what all steps came to."""

    events: Sequence[Event]
    steps: StepCounts


class StepLoop:
    """An engine, with what waits for its next step."""

    def __init__(self, engine: SteppingEngine) -> None:
        self.engine = engine
        self._waiting: deque[Request] = deque()  # an engine of several threads does not take all at once
        self._reported = StepCounts()
        self._report_at = 0.0

    @property
    def is_idle(self) -> bool:
        return not self.engine.num_active and not self._waiting

    def take(self, cancelled: Sequence[int], admitted: Sequence[Request]) -> None:
        """Gives requests up, by their ids, and begins others at the next step."""
        if self.is_idle:
            self._report_at = time.monotonic() + REPORT_SECONDS
        for request_id in cancelled:
            if not self.engine.cancel(request_id):
                self._waiting = deque(request for request in self._waiting if request.id != request_id)
        self._waiting += admitted

    def step(self) -> StepReport | None:
        """Admits what fits and takes a step; None if there is nothing to tell of it.

        Events are told at once, and steps when they were the last for now or some time has passed.
        """
        if self._waiting:
            first = list(islice(self._waiting, self.engine.free_slots))
            first = first[: self.engine.count_fitting(first)]
            self.engine.admit_checked(first)
            for _ in first:
                self._waiting.popleft()
        return self.report(self.engine.step())

    def report(self, events: Sequence[Event] = ()) -> StepReport | None:
        """What there is to tell, if anything, of these events and the steps so far."""
        now = time.monotonic()
        if not events and not self.is_idle and now < self._report_at:
            return None
        statistics = self.engine.statistics()
        steps = StepCounts(statistics.num_steps, statistics.step_seconds, statistics.num_slot_steps)
        if not events and steps == self._reported:
            return None
        self._reported, self._report_at = steps, now + REPORT_SECONDS
        return StepReport(events, steps)
