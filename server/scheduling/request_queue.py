"""The queue between the callers' event loops and the thread that owns an engine."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from dragoman.model.decoding.request import Request
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.calls import Submission, Ticket, WorkerClosedError
from dragoman.server.scheduling.scheduler import QueueFullError, QueueLimits, Scheduler
from dragoman.translation.drafts import PreparedText

WINDOW_SECONDS = 10.0
"""Time constant of the average: older work hardly counts."""

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0
UNKNOWN_RETRY_SECONDS = 1.0
"""Before any request has finished."""

HEADROOM = 1 / 8
"""Share of the queue that should be free when refused callers retry."""


class Throughput:
    """Moving average of requests finished per second of work. Idle time does not count, so that a burst after a pause
    is judged by the engine's speed.

    For one thread; `retry_after` for any.
    """

    def __init__(self) -> None:
        self._num_finished = 0.0
        self._seconds = 0.0

    def count(self, num_finished: int, seconds: float) -> None:
        """Note `num_finished` requests in `seconds` of work."""
        weight = math.exp(-seconds / WINDOW_SECONDS)
        self._num_finished = weight * self._num_finished + num_finished
        self._seconds = weight * self._seconds + seconds

    def retry_after(self, num_waiting: int) -> float:
        """Seconds after which a retry makes sense, for a full queue of `num_waiting` requests."""
        if self._num_finished <= 0 or self._seconds <= 0:
            return UNKNOWN_RETRY_SECONDS
        seconds = num_waiting * HEADROOM * self._seconds / self._num_finished
        return min(max(seconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)


_CallT = TypeVar("_CallT", bound=Submission)


class RequestQueue:
    """A thread-safe `Scheduler` of tickets. Event loops call `submit`, `check_room`, `withdraw` and `close`; the
    engine's thread calls the other methods.

    Event loops wait for the lock, so the thread takes it only if a check without the lock finds work.
    """

    def __init__(self, limits: QueueLimits, *, clock: Callable[[], float], retry_after: Callable[[int], float]) -> None:
        """retry_after: from the number of waiting requests, the seconds after which a refused caller may retry."""
        self._limits = limits
        self._clock = clock
        self._retry_after = retry_after
        self._wake = threading.Condition()  # guards what follows
        self._scheduler = Scheduler(limits.max_waiting, limits.max_waiting_bytes)
        self._waiting: dict[int, Ticket] = {}
        self._withdrawn: list[Submission] = []
        self._refusal: Callable[[], Exception] | None = None  # makes the error if requests are refused
        self._numbering = threading.Lock()  # guards what follows
        self._next_id = 0

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot. For any thread."""
        return self._scheduler.num_waiting

    def submit(
        self,
        kind: type[_CallT],
        prepared: Sequence[PreparedText],
        caller: CallContext,
        priority: Priority,
        *,
        is_patient: bool = False,
    ) -> _CallT:
        """Queue a request for every segment; the running event loop gets the outcomes. Without segments no thread is
        woken and no lock taken.

        is_patient: see `Scheduler.add`. Raises QueueFullError, InvalidInputError, and the error set by `close` or
        `give_up`.
        """
        now = self._clock()
        with self._numbering:
            call = kind(prepared, self._next_id, now, caller.limit(priority), caller)
            self._next_id += len(call.request_ids)
        if not call.request_ids:
            if self._refusal is not None:
                raise self._refusal()
            return call
        for item in prepared:
            self._limits.check(item.options)
        if self._limits.max_call_seconds is not None:
            call.deadline = min(call.deadline, now + self._limits.max_call_seconds)
        ids = iter(call.request_ids)
        tickets = {
            request.id: Ticket(request, call, text)
            for text, item in enumerate(prepared)
            for request in item.requests(ids, is_followed=kind.is_followed)
        }
        with self._wake:
            if self._refusal is not None:
                raise self._refusal()
            try:
                self._scheduler.add(
                    {request_id: ticket.request.cost for request_id, ticket in tickets.items()},
                    num_bytes={request_id: ticket.request.num_bytes for request_id, ticket in tickets.items()},
                    client=caller.client,
                    priority=call.priority,
                    deadline=None if call.deadline == math.inf else call.deadline,
                    is_patient=is_patient,
                )
            except QueueFullError as error:
                error.retry_after = self._retry_after(self.num_waiting)
                raise
            self._waiting.update(tickets)
            self._wake.notify()
        return call

    def check_room(self, num_requests: int, caller: CallContext, priority: Priority) -> None:
        """Raise the error that `submit` would raise for `num_requests`. Takes no lock, so it is an estimate."""
        if self._refusal is not None:
            raise self._refusal()
        try:
            self._scheduler.check_room(num_requests, 0, caller.limit(priority))
        except QueueFullError as error:
            error.retry_after = self._retry_after(self.num_waiting)
            raise

    def withdraw(self, call: Submission) -> None:
        """Have the thread give up the rest of a call before the engine's next step."""
        if not call.request_ids:
            return
        with self._wake:
            self._withdrawn.append(call)
            self._wake.notify()

    def close(self) -> None:
        """Refuse new requests; waiting ones remain."""
        with self._wake:
            self._refusal = self._refusal or _closed
            self._wake.notify()

    def sleep_until_needed(self, seconds: float | None = None) -> bool | None:
        """Wait until there is work. Returns False when the queue is closed and empty, None if there was no work for
        `seconds`."""
        with self._wake:
            while not (self._scheduler.num_waiting or self._withdrawn):
                if self._refusal is not None:
                    return False
                if not self._wake.wait(seconds):
                    return None
            return True

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until a request comes or is withdrawn."""
        with self._wake:
            if not self._withdrawn:
                self._wake.wait(seconds)

    def take_withdrawn(self) -> list[Submission]:
        """Take the calls that were withdrawn since the last time."""
        if not self._withdrawn:
            return []
        with self._wake:
            withdrawn, self._withdrawn = self._withdrawn, []
        return withdrawn

    def take_late(self, now: float) -> list[Ticket]:
        """Remove and return the requests past their deadline."""
        if not self.num_waiting:
            return []
        with self._wake:
            return [self._waiting.pop(request_id) for request_id in self._scheduler.expire(now)]

    def take_next(self, num_requests: int, count_fitting: Callable[[Sequence[Request]], int]) -> list[Ticket]:
        """Remove and return the next requests, see `Scheduler.admit`."""

        def count(request_ids: Sequence[int]) -> int:
            return count_fitting([self._waiting[request_id].request for request_id in request_ids])

        with self._wake:
            return [self._waiting.pop(request_id) for request_id in self._scheduler.admit(num_requests, count)]

    def drop(self, request_ids: Iterable[int]) -> int:
        """Remove those of the requests that wait. Returns how many."""
        num_dropped = 0
        if self.num_waiting:
            with self._wake:
                for request_id in request_ids:
                    if self._scheduler.cancel(request_id):
                        del self._waiting[request_id]
                        num_dropped += 1
        return num_dropped

    def give_up(self, refusal: Callable[[], Exception]) -> list[Ticket]:
        """Remove and return all waiting requests; from now on `submit` raises the error that `refusal` makes."""
        with self._wake:
            self._refusal = refusal
            self._scheduler.clear()
            tickets, self._waiting = self._waiting, {}
            self._withdrawn.clear()
        return list(tickets.values())


def _closed() -> Exception:
    return WorkerClosedError("the server is shutting down")
