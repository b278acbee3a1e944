"""The context of a call, independent of the transport: made by the interceptor, passed down to the queue, logged at the
end."""

import enum
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dragoman.server.access.usage import Period

UNKNOWN_METHOD = "unknown"
"""The method under which calls of nonexistent methods are counted: callers could invent any number of names."""

MAX_KEPT_CHARACTERS = 10_000
"""Maximal number of characters of a call's texts in the log: a stream has any number of texts."""

_SANE_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,128}")

HEALTH_SERVICE = "grpc.health.v1.Health"


def choose_request_id(given: str) -> str:
    """The caller's request id if it is printable and short, otherwise a new one."""
    if _SANE_REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"  # no secret: os.urandom takes longer


class Priority(enum.Enum):
    """Priority of a request; `server.scheduling.scheduler` describes its effect."""

    INTERACTIVE = "interactive"
    """Somebody waits for it."""
    BATCH = "batch"
    """It may wait for interactive requests."""


@dataclass(slots=True)
class CallTiming:
    """Times at which a call's sentences waited and were decoded, by `time.monotonic`; None if not yet known. A worker's
    thread writes them; log and trace read them after the call.

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
        """Note that a sentence left the queue."""
        if self.submitted_at is None or submitted_at < self.submitted_at:
            self.submitted_at = submitted_at
        if self.admitted_at is None:
            self.admitted_at = now
        self.last_admitted_at = now
        self.queue_seconds = max(self.queue_seconds or 0.0, now - submitted_at)

    def finished(self, now: float) -> None:
        """Note that a sentence was translated."""
        self.finished_at = now


class Allowance(Protocol):
    """A caller's quotas, for what is not one call of its transport: operations that go on after their call, and calls
    that share a stream."""

    def begin_call(self) -> None:
        """Count another call of the caller; `end_call` must follow. Raises `server.access.quotas.QuotaError`."""

    def end_call(self) -> None:
        """End a call that `begin_call` counted."""

    def require(self, num_characters: int) -> None:
        """Count a call with characters. Raises `server.access.quotas.QuotaError` if it may not send them now."""

    def enter(self) -> None:
        """Count an operation that begins; `leave` must follow. Raises `server.access.quotas.QuotaError`."""

    def leave(self) -> None:
        """End an operation that `enter` counted."""

    def charge(self, num_characters: int, num_calls: int = 0) -> float:
        """Count characters and return 0, or return the seconds after which they may be sent. Raises
        `server.access.quotas.ExhaustedError` if the caller's day or month does not allow them."""

    def usage(self) -> "Sequence[Period]":
        """What the caller has used of this day and of this month; nothing for one whose use is not counted."""


class _Unlimited:
    def begin_call(self) -> None: ...
    def end_call(self) -> None: ...
    def require(self, num_characters: int) -> None: ...
    def enter(self) -> None: ...
    def leave(self) -> None: ...
    def charge(self, num_characters: int, num_calls: int = 0) -> float:
        return 0.0

    def usage(self) -> "Sequence[Period]":
        return ()


UNLIMITED: Allowance = _Unlimited()


@dataclass(slots=True, eq=False)
class CallContext:
    """One call: its caller, rights and deadline, and the facts that log, metrics and traces report at its end.

    client:         the caller's name for fair shares: the name of the token or certificate, or else the connection.
    request_id:     the call's name in log and trace.
    deadline:       by `time.monotonic`; None for none.
    max_priority:   the highest priority that the caller's token permits.
    identity:       name of the token or certificate, which owns the caller's operations; empty without either.
    allowance:      the caller's quotas beyond this call.
    method:         such as "dragoman.v1.TranslationService/Translate", or `UNKNOWN_METHOD`.
    started_at:     by `time.monotonic`.
    model:          name of the model that answered; empty if not yet known.
    num_texts, num_characters: received so far.
    texts:          the texts to translate; None if the log may not hold them.
    span:           of the trace; None without one.

    To give up a call, cancel its task.
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

    def count(self, texts: Sequence[str]) -> int:
        """Count texts that were received. Returns their characters (code points)."""
        num_characters = sum(map(len, texts))
        self.num_texts += len(texts)
        self.num_characters += num_characters
        if self.texts is not None and self.num_characters <= MAX_KEPT_CHARACTERS:
            self.texts.extend(texts)
        return num_characters

    def limit(self, priority: Priority) -> Priority:
        """The priority of a request that asks for `priority`, within the caller's rights."""
        return Priority.BATCH if self.max_priority is Priority.BATCH else priority

    def detach(self) -> "CallContext":
        """The same caller without a deadline, for work that goes on after the call."""
        return CallContext(self.client, self.request_id, None, self.max_priority, self.identity, self.allowance)

    @property
    def is_health_check(self) -> bool:
        """Whether it is a call of the health service."""
        return self.method.partition("/")[0] == HEALTH_SERVICE
