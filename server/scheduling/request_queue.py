"""What waits between the callers' event loops and the thread that owns an engine."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from dragoman.model.decoding.request import Request
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.calls import Submission, Ticket, WorkerClosedError
from dragoman.server.scheduling.scheduler import QueueFullError, QueueLimits, Scheduler
from dragoman.translation.preparing import PreparedText

WINDOW_SECONDS = 10.0
"""Work that lies further back than this hardly counts."""

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0
UNKNOWN_RETRY_SECONDS = 1.0
"""While nothing has been finished yet."""

HEADROOM = 1 / 8
"""Of the queue, that is to be free when the refused come again: not all of them would find room in a full one."""


class Throughput:
    """Requests finished for each second of work, the recent ones above all. Idle time does not count, so that a burst
    after a rest is judged by what the engine can do.

    For one thread, but `retry_after` for any.
    """

    def __init__(self) -> None:
        self._num_finished = 0.0
        self._seconds = 0.0

    def count(self, num_finished: int, seconds: float) -> None:
        """So many requests were finished in so many seconds of work."""
        weight = math.exp(-seconds / WINDOW_SECONDS)
        self._num_finished = weight * self._num_finished + num_finished
        self._seconds = weight * self._seconds + seconds

    def retry_after(self, num_waiting: int) -> float:
        """Seconds after which it makes sense to come again to a queue that is full with so many."""
        if self._num_finished <= 0 or self._seconds <= 0:
            return UNKNOWN_RETRY_SECONDS
        seconds = num_waiting * HEADROOM * self._seconds / self._num_finished
        return min(max(seconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)


_CallT = TypeVar("_CallT", bound=Submission)


class RequestQueue:
    """A thread-safe `Scheduler` of tickets, with what else event loops ask of the engine's thread: `submit`, `withdraw`
    and `close` are theirs, all else is the thread's.

    They wait for the lock, so the thread takes it only where a look without it says that there is something to do.
    """

    def __init__(self, limits: QueueLimits, *, clock: Callable[[], float], retry_after: Callable[[int], float]) -> None:
        """retry_after: how many seconds a caller should wait that finds so many requests in the queue."""
        self._limits = limits
        self._clock = clock
        self._retry_after = retry_after
        self._wake = threading.Condition()  # guards what follows
        self._scheduler = Scheduler(limits.max_waiting, limits.max_waiting_bytes)
        self._waiting: dict[int, Ticket] = {}
        self._withdrawn: list[Submission] = []
        self._refusal: Callable[[], Exception] | None = None  # why no more requests are taken; made anew for each
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
        """Queues a request for every segment, whose outcome the running event loop is told of. Where there is no
        segment nobody is woken, and no lock is taken.

        is_patient: see `Scheduler.add`. Raises QueueFullError, InvalidInputError, and what `close` and `give_up` leave
        to be said.
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
        """Raises what `submit` would raise for that many requests; without a lock, so that it is a guess."""
        if self._refusal is not None:
            raise self._refusal()
        try:
            self._scheduler.check_room(num_requests, 0, caller.limit(priority))
        except QueueFullError as error:
            error.retry_after = self._retry_after(self.num_waiting)
            raise

    def withdraw(self, call: Submission) -> None:
        """Has the thread give up what is left of a call, before the engine's next step."""
        if not call.request_ids:
            return
        with self._wake:
            self._withdrawn.append(call)
            self._wake.notify()

    def close(self) -> None:
        """Takes no more requests; those that wait remain."""
        with self._wake:
            self._refusal = self._refusal or _closed
            self._wake.notify()

    def sleep_until_needed(self) -> bool:
        """Returns as soon as there is anything to do; False when it is closed and nothing is left."""
        with self._wake:
            while not (self._scheduler.num_waiting or self._withdrawn):
                if self._refusal is not None:
                    return False
                self._wake.wait()
            return True

    def pause(self, seconds: float) -> None:
        """Returns after that time, or when something new is asked."""
        with self._wake:
            if not self._withdrawn:
                self._wake.wait(seconds)

    def take_withdrawn(self) -> list[Submission]:
        """The calls that were given up since it was last asked."""
        if not self._withdrawn:
            return []
        with self._wake:
            withdrawn, self._withdrawn = self._withdrawn, []
        return withdrawn

    def take_late(self, now: float) -> list[Ticket]:
        """Takes out what is past its deadline."""
        if not self.num_waiting:
            return []
        with self._wake:
            return [self._waiting.pop(request_id) for request_id in self._scheduler.expire(now)]

    def take_next(self, num_requests: int, count_fitting: Callable[[Sequence[Request]], int]) -> list[Ticket]:
        """Takes out what is next, see `Scheduler.admit`."""

        def count(request_ids: Sequence[int]) -> int:
            return count_fitting([self._waiting[request_id].request for request_id in request_ids])

        with self._wake:
            return [self._waiting.pop(request_id) for request_id in self._scheduler.admit(num_requests, count)]

    def drop(self, request_ids: Iterable[int]) -> int:
        """Takes out those of these that wait; how many they were."""
        num_dropped = 0
        if self.num_waiting:
            with self._wake:
                for request_id in request_ids:
                    if self._scheduler.cancel(request_id):
                        del self._waiting[request_id]
                        num_dropped += 1
        return num_dropped

    def give_up(self, refusal: Callable[[], Exception]) -> list[Ticket]:
        """Takes out all that wait, and has `submit` raise what `refusal` makes from now on."""
        with self._wake:
            self._refusal = refusal
            self._scheduler.clear()
            tickets, self._waiting = self._waiting, {}
            self._withdrawn.clear()
        return list(tickets.values())


def _closed() -> Exception:
    return WorkerClosedError("the server is shutting down")
