"""Errors as transports report them: a code by type of error, a reason, and when to try again."""

import re
from dataclasses import dataclass

from dragoman.model.errors import DragomanError, InvalidInputError, InvalidRequestError, NotFoundError
from dragoman.server.access.quotas import ExhaustedError, QuotaError
from dragoman.server.catalogue.on_demand import ModelLoadingError, ModelUnavailableError
from dragoman.server.scheduling.scheduler import QueueFullError
from dragoman.server.scheduling.worker import DeadlineError, EngineError, ReplicaLostError, WorkerClosedError
from dragoman.server.translating.glossaries import GlossariesFullError, GlossaryExistsError, NoGlossariesError

MAX_MESSAGE_BYTES = 1024
"""Maximal size of a message in UTF-8: gRPC sends it twice in metadata, which is limited to a few kilobytes."""

UNFORESEEN = "the server failed; its log has the reason"
"""Message of an unexpected error."""

QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
"""Reason of a call beyond what its caller's day or month allows."""

_FIELD = re.compile(r"([a-z][a-z0-9_]*(?:\[[^\]]*\])?(?:\.[a-z0-9_]+)*): ")
"""Name of the faulty field, at the beginning of a message."""


class TooLargeError(DragomanError):
    """The answer exceeds the size of a message; a retry is useless."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error for the caller.

    code:        name of a gRPC status code, which other transports translate into theirs.
    message:     one line.
    reason:      in capitals; the code if there is no nearer one.
    field:       name of the faulty field; empty if there is none.
    retry_after: seconds after which to try again; None if unknown.
    """

    code: str
    message: str
    reason: str
    field: str = ""
    retry_after: float | None = None


_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (InvalidInputError, "INVALID_ARGUMENT", ""),
    (NotFoundError, "NOT_FOUND", ""),
    (QueueFullError, "RESOURCE_EXHAUSTED", "QUEUE_FULL"),
    (ExhaustedError, "RESOURCE_EXHAUSTED", QUOTA_EXHAUSTED),
    (QuotaError, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    (TooLargeError, "RESOURCE_EXHAUSTED", "ANSWER_TOO_LARGE"),
    (GlossariesFullError, "RESOURCE_EXHAUSTED", "GLOSSARIES_FULL"),
    (GlossaryExistsError, "ALREADY_EXISTS", ""),
    (NoGlossariesError, "FAILED_PRECONDITION", ""),
    (DeadlineError, "DEADLINE_EXCEEDED", ""),
    (WorkerClosedError, "UNAVAILABLE", "SHUTTING_DOWN"),
    (ReplicaLostError, "UNAVAILABLE", "REPLICA_LOST"),
    (ModelLoadingError, "UNAVAILABLE", "MODEL_LOADING"),
    (ModelUnavailableError, "UNAVAILABLE", "MODEL_UNAVAILABLE"),
    (EngineError, "UNAVAILABLE", "ENGINE_FAILED"),  # the worker logs it and recovers
)
"""Code by type of error, and the reason if it is not the code."""


def fault_of(error: BaseException) -> Fault | None:
    """The fault of an error; None for an unexpected one."""
    for kind, code, reason in _KINDS:
        if not isinstance(error, kind):
            continue
        # The model or the operator does not allow what the options ask for.
        message = f"search_options: {error}" if isinstance(error, InvalidRequestError) else str(error)
        message = shorten(message)
        field = _FIELD.match(message) if code == "INVALID_ARGUMENT" else None
        retry_after = error.retry_after if isinstance(error, QueueFullError | QuotaError | ModelLoadingError) else None
        return Fault(code, message, reason or code, field[1] if field else "", retry_after)
    return None


def retry_milliseconds(error: BaseException, fault: Fault) -> int | None:
    """After how many milliseconds to try again (gRFC A6): -1 if that would fail as well, None if unknown."""
    if isinstance(error, TooLargeError | GlossariesFullError | ExhaustedError):
        return -1
    return None if fault.retry_after is None else max(1, round(fault.retry_after * 1000))


def shorten(message: str) -> str:
    """The message as one line of bounded length, in UTF-8: it may quote what the caller sent."""
    line = " ".join(message[: 2 * MAX_MESSAGE_BYTES].split()).encode("utf-8", "replace").decode()
    if len(line.encode("utf-8", "replace")) <= MAX_MESSAGE_BYTES:
        return line
    return line.encode("utf-8", "replace")[: MAX_MESSAGE_BYTES - 3].decode("utf-8", "ignore") + "…"
