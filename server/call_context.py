"""A call, whatever the transport: made at the door, handed down to the queue, described by log and trace at its end."""

import enum
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

UNKNOWN_METHOD = "unknown"
"""What calls of methods that do not exist are counted under: anybody may make up any number of names."""

HEALTH_SERVICE = "grpc.health.v1.Health"


class Priority(enum.Enum):
    """How urgent a request is; see `server.scheduling.scheduler` for what it gets."""

    INTERACTIVE = "interactive"
    """Somebody waits for it."""
    BATCH = "batch"
    """It may wait for the others."""


@dataclass(slots=True)
class CallTiming:
    """When a call's sentences waited and were decoded. Times are those of `time.monotonic`; None while there is none.
    A worker's thread writes it; log and trace read it when the call has ended.

    submitted_at:  when the first sentence entered a queue.
    admitted_at:   when the first sentence got a slot, and last_admitted_at the last.
    finished_at:   when the last sentence was translated.
    queue_seconds: the longest wait of a sentence.
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


class Allowance(Protocol):
    """What a caller may still use, for work that goes on after its call."""

    def enter(self) -> None:
        """Counts an operation that begins; `leave` must follow. Raises `server.access.quotas.QuotaError`."""

    def leave(self) -> None:
        """Ends what `enter` began."""

    def charge(self, num_characters: int) -> float:
        """Counts characters and returns 0, or returns the seconds after which they may be sent."""


class _Unlimited:
    def enter(self) -> None: ...
    def leave(self) -> None: ...
    def charge(self, num_characters: int) -> float:
        return 0.0


UNLIMITED: Allowance = _Unlimited()


@dataclass(slots=True, eq=False)
class CallContext:
    """One call: who calls, with what rights, until when; and what log, metrics and traces say of it at the end.

    client:         whom fairness is among: the token's name, or else the connection.
    request_id:     the call's name in log and trace.
    deadline:       when nobody wants the answer any more, on the clock of `time.monotonic`; None for never.
    max_priority:   the most that the caller's token permits.
    identity:       the name in the token or certificate, which alone may see what the caller leaves behind; empty
                    for a caller who has neither.
    allowance:      what the caller may use beyond this call.
    method:         such as "dragoman.v1.TranslationService/Translate", or `UNKNOWN_METHOD`.
    started_at:     on the clock of `time.monotonic`.
    model:          what answered; empty while that is not known.
    num_texts, num_characters: what the call has brought so far.
    texts:          what was to be translated; None if that is not to be kept.
    span:           of the trace; None without one.

    Giving a call up is cancelling its task.
    """

    client: str
    request_id: str
    deadline: float | None = None
    max_priority: Priority = Priority.INTERACTIVE
    identity: str = ""
    allowance: Allowance = UNLIMITED
    method: str = ""
    started_at: float = field(default_factory=time.monotonic)
    model: str = ""
    num_texts: int = 0
    num_characters: int = 0
    texts: list[str] | None = None
    timing: CallTiming = field(default_factory=CallTiming)
    span: Any = field(default=None, repr=False)

    def limit(self, priority: Priority) -> Priority:
        """The priority that a request of this caller gets where it asks for `priority`."""
        return Priority.BATCH if self.max_priority is Priority.BATCH else priority

    def detach(self) -> "CallContext":
        """The same caller without a deadline, for work that goes on after the call."""
        return CallContext(self.client, self.request_id, None, self.max_priority, self.identity, self.allowance)

    @property
    def is_health_check(self) -> bool:
        """Whether it only asks whether the server serves."""
        return self.method.partition("/")[0] == HEALTH_SERVICE
