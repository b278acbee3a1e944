"""On whose behalf a call is served: what the queue and the logs know of its caller."""

import enum
from contextvars import ContextVar
from dataclasses import dataclass


class Priority(enum.Enum):
    """How urgent a request is; see `server.scheduling.scheduler` for what it gets."""

    INTERACTIVE = "interactive"
    """Somebody waits for it."""
    BATCH = "batch"
    """It may wait for the others."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One call's caller.

    client:       whom fairness is among: the token's name, or else the connection.
    request_id:   of the call, in the logs.
    deadline:     when nobody wants the answer any more, on the clock of `time.monotonic`; None for never.
    max_priority: the most that its token permits.
    """

    client: str
    request_id: str
    deadline: float | None = None
    max_priority: Priority = Priority.INTERACTIVE

    def limit(self, priority: Priority) -> Priority:
        """The priority that a request of this caller gets where it asks for `priority`."""
        return Priority.BATCH if self.max_priority is Priority.BATCH else priority


_NOBODY = Caller("", "")

current_caller: ContextVar[Caller] = ContextVar("current_caller", default=_NOBODY)
"""The caller of the call that is being served, set by its interceptor."""
