"""How fast an engine is at the moment, for telling callers when to come again."""

import math

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
