"""Who waits and who is next: the policy of the queue before the engine, on request ids alone."""

from collections.abc import Sequence
from itertools import islice

from model.errors import DragomanError, InvalidInputError

MAX_WAITING = 65_536
"""Requests that may wait for a slot by default; bounds the memory that callers can claim."""


class QueueFullError(DragomanError):
    """More requests than may wait. gRPC: RESOURCE_EXHAUSTED."""


class Scheduler:
    """Decides which waiting requests enter the engine's free slots: first come, first served.

    Not thread-safe: its owner holds a lock.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._waiting: dict[int, None] = {}  # an ordered set: a cancel costs no scan of the queue

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._waiting)

    def add(self, request_ids: Sequence[int]) -> None:
        """Queues requests that belong together: all of them, or none if they do not all fit.

        Raises QueueFullError past the bound, InvalidInputError if not even an empty queue would hold them.
        """
        if len(request_ids) > self._max_waiting:
            raise InvalidInputError(
                f"the texts have {len(request_ids)} sentences, but at most {self._max_waiting} may wait: send fewer"
            )
        if len(self._waiting) + len(request_ids) > self._max_waiting:
            raise QueueFullError(
                f"{len(self._waiting)} sentences are waiting and {len(request_ids)} more would exceed the limit of "
                f"{self._max_waiting}: try again later"
            )
        self._waiting.update(dict.fromkeys(request_ids))

    def cancel(self, request_id: int) -> bool:
        """Takes a request out of the queue; False if it does not wait there."""
        if request_id not in self._waiting:
            return False
        del self._waiting[request_id]
        return True

    def peek(self, num_requests: int) -> list[int]:
        """The requests that are next, at most so many, in order of admission; they stay in the queue."""
        return list(islice(self._waiting, num_requests))

    def admit(self, num_requests: int) -> list[int]:
        """Takes the requests that are next out of the queue, at most so many, in order of admission."""
        admitted = self.peek(num_requests)
        for request_id in admitted:
            del self._waiting[request_id]
        return admitted

    def clear(self) -> list[int]:
        """Empties the queue and returns the requests that waited, in order."""
        return self.admit(len(self._waiting))
