"""From an error to the status with which a call ends, for every service of the port."""

import logging
from typing import Any, NoReturn, TypeAlias

import grpc

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.server.scheduling.scheduler import QueueFullError
from dragoman.server.scheduling.worker import DeadlineError, EngineError, ReplicaLostError, WorkerClosedError

MAX_DETAILS_LENGTH = 1024
"""Characters of a status' message: it travels as metadata, which is limited to a few kilobytes, but may quote the
request."""

PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata that tells a client when to try again, in milliseconds; below zero, not to (gRFC A6)."""

UNFORESEEN = "the server failed; its log has the reason"
"""All that is told of an error that nobody foresaw."""

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class TooLargeError(DragomanError):
    """The answer is larger than a message may be. gRPC: RESOURCE_EXHAUSTED; trying again is no use."""


_STATUS_CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (QueueFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (WorkerClosedError, grpc.StatusCode.UNAVAILABLE),
    (ReplicaLostError, grpc.StatusCode.UNAVAILABLE),
    (EngineError, grpc.StatusCode.INTERNAL),  # the worker has logged it
)


async def abort(context: Context, error: Exception, method: str) -> NoReturn:
    """Ends the call with the status of `error`; what nobody foresaw is logged, and told in few words.

    gRPC's own errors, such as that the call has ended already, are raised as they are.
    """
    if isinstance(error, grpc.aio.BaseError):
        raise error
    status = status_of(error)
    if status is None:
        logger.error("%s failed", method, exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, UNFORESEEN)
    await context.abort(*status, _pushback(error))


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str] | None:
    """The code that an error has by its kind, and what is told of it; None for one that nobody foresaw."""
    for kind, code in _STATUS_CODES:
        if isinstance(error, kind):
            return code, shorten(str(error))
    return None


def shorten(message: str) -> str:
    """As one line of bounded length."""
    line = " ".join(message[: 2 * MAX_DETAILS_LENGTH].split())
    return line if len(line) <= MAX_DETAILS_LENGTH else line[: MAX_DETAILS_LENGTH - 1] + "…"


def _pushback(error: Exception) -> tuple[tuple[str, str], ...]:
    if isinstance(error, QueueFullError):
        return ((PUSHBACK_KEY, str(max(1, round(error.retry_after * 1000)))),)
    if isinstance(error, TooLargeError):
        return ((PUSHBACK_KEY, "-1"),)
    return ()
