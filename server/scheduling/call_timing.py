"""When the sentences of a call waited and were decoded: what the log and the trace tell of it."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class CallTiming:
    """Of all sentences that a call has put into queues, whichever they are. Times are those of `time.monotonic`; None
    while there is none. Written by a worker's thread, read when the call has ended.

    submitted_at:  the first of them.
    admitted_at:   the first that left the queue for a slot, and last_admitted_at the last.
    finished_at:   the last that was translated.
    queue_seconds: the longest that one has waited.
    """

    submitted_at: float | None = None
    admitted_at: float | None = None
    last_admitted_at: float | None = None
    finished_at: float | None = None
    queue_seconds: float | None = None

    def admitted(self, submitted_at: float, now: float) -> None:
        """A sentence leaves the queue."""
        if self.submitted_at is None or submitted_at < self.submitted_at:
            self.submitted_at = submitted_at
        if self.admitted_at is None:
            self.admitted_at = now
        self.last_admitted_at = now
        self.queue_seconds = max(self.queue_seconds or 0.0, now - submitted_at)

    def finished(self, now: float) -> None:
        """A sentence is translated."""
        self.finished_at = now


current_timing: ContextVar[CallTiming | None] = ContextVar("current_timing", default=None)
"""Of the call that is being served, set by its interceptor; None where nobody watches."""
