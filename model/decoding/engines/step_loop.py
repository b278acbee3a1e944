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
"""After this long, steps are reported even without events."""


class SteppingEngine(Protocol):
    """An engine that a loop can run: an `Engine`, or a `Fleet` of threads."""

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
    """New events after a step, and the counts of all steps."""

    events: Sequence[Event]
    steps: StepCounts


class StepLoop:
    """An engine, with the requests that wait for its next step."""

    def __init__(self, engine: SteppingEngine) -> None:
        self.engine = engine
        self._waiting: deque[Request] = deque()  # an engine of several threads may not have room for all at once
        self._reported = StepCounts()
        self._report_at = 0.0

    @property
    def is_idle(self) -> bool:
        return not self.engine.num_active and not self._waiting

    def take(self, cancelled: Sequence[int], admitted: Sequence[Request]) -> None:
        """Cancels requests, by their ids, and admits others at the next step."""
        if self.is_idle:
            self._report_at = time.monotonic() + REPORT_SECONDS
        for request_id in cancelled:
            if not self.engine.cancel(request_id):
                self._waiting = deque(request for request in self._waiting if request.id != request_id)
        self._waiting += admitted

    def step(self) -> StepReport | None:
        """Admits the requests that fit and takes a step; None if there is nothing to report.

        Events are reported at once, and steps alone after some time or when the engine becomes idle.
        """
        if self._waiting:
            first = list(islice(self._waiting, self.engine.free_slots))
            first = first[: self.engine.count_fitting(first)]
            self.engine.admit_checked(first)
            for _ in first:
                self._waiting.popleft()
        return self.report(self.engine.step())

    def report(self, events: Sequence[Event] = ()) -> StepReport | None:
        """A report of these events and the steps so far; None if there is nothing new."""
        now = time.monotonic()
        if not events and not self.is_idle and now < self._report_at:
            return None
        statistics = self.engine.statistics()
        steps = StepCounts(statistics.num_steps, statistics.step_seconds, statistics.num_slot_steps)
        if not events and steps == self._reported:
            return None
        self._reported, self._report_at = steps, now + REPORT_SECONDS
        return StepReport(events, steps)
