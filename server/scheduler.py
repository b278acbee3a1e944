"""Who waits and who is next: the policy of the queue before the engine, on request ids alone."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count, islice

from model.errors import DragomanError, InvalidInputError

MAX_WAITING = 65_536
"""Requests that may wait for a slot by default; bounds the memory that callers can claim."""


class QueueFullError(DragomanError):
    """More requests than may wait. gRPC: RESOURCE_EXHAUSTED."""


class Scheduler:
    """Decides which waiting requests enter the engine's free slots: one of each call in turn, the calls in the order in
    which they came, so that a call of thousands of sentences does not hold up those behind it.

    Not thread-safe: its owner holds a lock.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        # Ordered sets, so that a cancel costs no scan: by number of call, whose turn is next first, its requests.
        self._calls: dict[int, dict[int, None]] = {}  # none of them is empty
        self._owners: dict[int, int] = {}  # by request, the number of its call
        self._numbers = count()

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._owners)

    def add(self, request_ids: Sequence[int]) -> None:
        """Queues the requests of a call: all of them, or none if they do not all fit.

        Raises QueueFullError past the bound, InvalidInputError if not even an empty queue would hold them.
        """
        if len(request_ids) > self._max_waiting:
            raise InvalidInputError(
                f"the texts have {len(request_ids)} sentences, but at most {self._max_waiting} may wait: send fewer"
            )
        if self.num_waiting + len(request_ids) > self._max_waiting:
            raise QueueFullError(
                f"{self.num_waiting} sentences are waiting and {len(request_ids)} more would exceed the limit of "
                f"{self._max_waiting}: try again later"
            )
        if request_ids:
            number = next(self._numbers)
            self._calls[number] = dict.fromkeys(request_ids)
            self._owners.update(dict.fromkeys(request_ids, number))

    def cancel(self, request_id: int) -> bool:
        """Takes a request out of the queue; False if it does not wait there."""
        number = self._owners.pop(request_id, None)
        if number is None:
            return False
        del self._calls[number][request_id]
        if not self._calls[number]:
            del self._calls[number]
        return True

    def peek(self, num_requests: int) -> list[int]:
        """The requests that are next, at most so many, in order of admission; they stay in the queue."""
        return list(islice(self._in_turn(), num_requests))

    def admit(self, num_requests: int) -> list[int]:
        """Takes the requests that are next out of the queue, at most so many, in order of admission."""
        admitted = self.peek(num_requests)
        for request_id in admitted:
            number = self._owners.pop(request_id)
            call = self._calls.pop(number)
            del call[request_id]
            if call:  # behind all others
                self._calls[number] = call
        return admitted

    def clear(self) -> list[int]:
        """Empties the queue and returns the requests that waited, in order of admission."""
        return self.admit(self.num_waiting)

    def _in_turn(self) -> Iterator[int]:
        """All that wait, in order of admission; who needs only the first pays for these alone."""
        begun: deque[Iterator[int]] = deque()
        for call in self._calls.values():
            requests = iter(call)
            yield next(requests)
            begun.append(requests)
        while begun:
            requests = begun.popleft()
            for request_id in islice(requests, 1):
                yield request_id
                begun.append(requests)
