"""The queue's policy: bounds, priorities and order of admission, on request ids, costs and times alone."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from dragoman.model.decoding.search_options import MAX_BEAM_SIZE, SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError, InvalidRequestError
from dragoman.server.call_context import Priority
from dragoman.server.scheduling.fair_queue import FairQueue, Turn

MAX_WAITING = 65_536
"""Default limit of the waiting requests of a priority."""

MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Default limit of the memory of a priority's waiting requests."""


QUARANTINE_SECONDS = 3600.0
"""Time for which a sentence that ended an engine process is refused."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Limits of the queue before one engine.

    max_waiting, max_waiting_bytes: see `Scheduler`.
    max_beam_size, max_n_best:      of a request.
    max_call_seconds:               longest time that a call, or one text of a stream, waits and decodes; None for none.
    quarantine_seconds:             see `Quarantine`.
    """

    max_waiting: int = MAX_WAITING
    max_waiting_bytes: int = MAX_WAITING_BYTES
    max_beam_size: int = MAX_BEAM_SIZE
    max_n_best: int = MAX_BEAM_SIZE
    max_call_seconds: float | None = None
    quarantine_seconds: float = QUARANTINE_SECONDS

    def check(self, options: SearchOptions) -> None:
        """Raise InvalidRequestError for search options beyond the limits."""
        if options.sampling_temperature is None and options.beam_size > self.max_beam_size:
            raise InvalidRequestError(
                f"beam_size is {options.beam_size}, but this server allows {self.max_beam_size} at most"
            )
        if options.n_best > self.max_n_best:
            raise InvalidRequestError(f"n_best is {options.n_best}, but this server allows {self.max_n_best} at most")


DEFAULT_LIMITS = QueueLimits()

BATCH_EVERY = 8
"""While both priorities wait, every eighth admission goes to the lower one."""

_LEAST_SWEPT = 64
"""Number of deadlines below which those of finished calls are not removed."""


class QueueFullError(DragomanError):
    """The queue has no room for the requests. gRPC: RESOURCE_EXHAUSTED.

    retry_after: seconds after which a retry makes sense.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _Place:
    """A request's place in the queue, and the bytes that count for the limit: none if it is patient."""

    queue: FairQueue
    client: str
    number: int
    priority: Priority
    is_patient: bool
    num_bytes: int


class Scheduler:
    """Decides which waiting requests enter the engine's free slots.

    Interactive requests go first, but while batch requests wait, every eighth admission goes to one of them, so that
    they never starve. Within a priority, clients get equal shares, see `FairQueue`. A client's calls take turns, one
    request each, in order of arrival, so that a call of thousands of sentences does not delay the calls behind it.

    Has no clock: the callers give all times, in any unit. Not thread-safe: its owner holds a lock.
    """

    def __init__(self, max_waiting: int = MAX_WAITING, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        """max_waiting, max_waiting_bytes: for each priority separately, so that batch requests never crowd out
        interactive ones; patient requests do not count."""
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._num_bytes = dict.fromkeys(Priority, 0)  # of the impatient requests that wait
        self._queues = {priority: FairQueue(max_waiting) for priority in Priority}
        self._num_bounded = dict.fromkeys(Priority, 0)  # impatient requests that wait
        self._num_passed = 0  # interactive requests that were admitted in a row while batch waited
        self._places: dict[int, _Place] = {}  # by request
        self._open: dict[int, set[int]] = {}  # by number of call with a deadline; never empty
        self._deadlines: list[tuple[float, int]] = []  # a heap, with number of call, which may be over
        self._numbers = count()

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._places)

    def add(
        self,
        costs: Mapping[int, int],
        *,
        num_bytes: Mapping[int, int] | None = None,
        client: str = "",
        priority: Priority = Priority.INTERACTIVE,
        deadline: float | None = None,
        is_patient: bool = False,
    ) -> None:
        """Queue the requests of a call: all of them, or none if they do not all fit.

        costs: by id, in order; at least 1 each. num_bytes: memory by id; None for 0. client: name for fair shares.
        deadline: see `expire`. is_patient: whether the requests are exempt from the limits, because their caller bounds
        their number itself.

        Raises QueueFullError beyond a limit, InvalidInputError if even an empty queue could not hold them.
        """
        sizes = num_bytes if num_bytes is not None and not is_patient else {}
        total = sum(sizes.values())
        if not is_patient:
            self.check_room(len(costs), total, priority)
        if not costs:
            return
        queue, number = self._queues[priority], next(self._numbers)
        queue.add(client, number, costs)
        for request_id in costs:
            size = sizes.get(request_id, 0)
            self._places[request_id] = _Place(queue, client, number, priority, is_patient, size)
        if not is_patient:
            self._num_bounded[priority] += len(costs)
            self._num_bytes[priority] += total
        if deadline is not None:
            self._open[number] = set(costs)
            heapq.heappush(self._deadlines, (deadline, number))
            self._sweep_deadlines()

    def cancel(self, request_id: int) -> bool:
        """Remove a request. Returns False if it does not wait."""
        place = self._places.get(request_id)
        if place is None:
            return False
        place.queue.remove(place.client, place.number, request_id)
        self._forget(request_id)
        return True

    def expire(self, now: float) -> list[int]:
        """Remove and return the requests whose deadline is not after `now`."""
        expired: list[int] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            expired += sorted(self._open.get(number, ()))
        for request_id in expired:
            self.cancel(request_id)
        return expired

    def admit(self, num_requests: int, count_fitting: Callable[[Sequence[int]], int] = len) -> list[int]:
        """Remove and return the next requests, at most `num_requests`, in order of admission.

        count_fitting: returns for how many of the requests, counted from the first, there is room. A request that does
        not fit is not overtaken.
        """
        next_ones = list(islice(self._in_order(), num_requests))
        num_fitting = count_fitting([turn.request_id for turn, _ in next_ones])
        for turn, num_passed in next_ones[:num_fitting]:
            turn.queue.take(turn)
            self._forget(turn.request_id)
            self._num_passed = num_passed
        return [turn.request_id for turn, _ in next_ones[:num_fitting]]

    def clear(self) -> list[int]:
        """Remove and return all requests in order of admission."""
        return self.admit(self.num_waiting)

    def check_room(self, num_requests: int, num_bytes: int, priority: Priority) -> None:
        """Raise the error that `add` would raise for these impatient requests."""
        if num_requests > self._max_waiting:
            raise InvalidInputError(
                f"the texts have {num_requests} sentences, but at most {self._max_waiting} may wait: send fewer"
            )
        num_waiting = self._num_bounded[priority]
        if num_waiting + num_requests > self._max_waiting:
            raise QueueFullError(
                f"{num_waiting} sentences are waiting and {num_requests} more would exceed the limit of "
                f"{self._max_waiting}: try again later"
            )
        if num_bytes > self._max_waiting_bytes:
            raise InvalidInputError(
                f"the texts take {num_bytes} bytes of memory, but at most {self._max_waiting_bytes} may wait: send less"
            )
        if self._num_bytes[priority] + num_bytes > self._max_waiting_bytes:
            raise QueueFullError(
                f"the sentences that wait take {self._num_bytes[priority]} bytes of memory and {num_bytes} more would "
                f"exceed the limit of {self._max_waiting_bytes}: try again later"
            )

    def _in_order(self) -> Iterator[tuple[Turn, int]]:
        """All waiting requests in order of admission, each with `_num_passed` after its admission."""
        interactive_ones = self._queues[Priority.INTERACTIVE].in_order()
        batch_ones = self._queues[Priority.BATCH].in_order()
        interactive, batch = next(interactive_ones, None), next(batch_ones, None)
        num_passed = self._num_passed
        while interactive is not None or batch is not None:
            if batch is not None and (interactive is None or num_passed + 1 >= BATCH_EVERY):
                num_passed = 0
                yield batch, num_passed
                batch = next(batch_ones, None)
            elif interactive is not None:
                num_passed = 0 if batch is None else num_passed + 1
                yield interactive, num_passed
                interactive = next(interactive_ones, None)

    def _forget(self, request_id: int) -> None:
        """Remove the bookkeeping of a request that has left the fair queue."""
        place = self._places.pop(request_id)
        if not place.is_patient:
            self._num_bounded[place.priority] -= 1
            self._num_bytes[place.priority] -= place.num_bytes
        requests = self._open.get(place.number)
        if requests is not None:
            requests.discard(request_id)
            if not requests:
                del self._open[place.number]

    def _sweep_deadlines(self) -> None:
        if len(self._deadlines) > _LEAST_SWEPT + 2 * len(self._open):
            self._deadlines = [entry for entry in self._deadlines if entry[1] in self._open]
            heapq.heapify(self._deadlines)
