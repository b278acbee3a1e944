"""Statuses of errors, with google.rpc details, for every service of the port."""

import logging
import re
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, TypeAlias

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.server.access.quotas import QuotaError
from dragoman.server.grpc.call_metadata import REQUEST_ID, RETRY_HINT, current_call
from dragoman.server.scheduling.scheduler import QueueFullError
from dragoman.server.scheduling.worker import DeadlineError, EngineError, ReplicaLostError, WorkerClosedError
from dragoman.server.translating.glossaries import GlossariesFullError, GlossaryExistsError, NoGlossariesError

MAX_MESSAGE_BYTES = 1024
"""Maximal size of a status message in UTF-8: it is sent twice in metadata, which is limited to a few kilobytes."""

DOMAIN = "dragoman"
"""Domain of every ErrorInfo."""

UNFORESEEN = "the server failed; its log has the reason"
"""Message of an unexpected error."""

_FIELD = re.compile(r"([a-z][a-z0-9_]*(?:\[[^\]]*\])?(?:\.[a-z0-9_]+)*): ")
"""Name of the faulty field, at the beginning of a message."""

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Trailing: TypeAlias = tuple[tuple[str, str | bytes], ...]


class StatusError(DragomanError):
    """An error of a transport, with its status code."""

    code: ClassVar[grpc.StatusCode]


class TooLargeError(StatusError):
    """The answer exceeds the size of a message; a retry is useless."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


_KINDS: tuple[tuple[type[Exception], grpc.StatusCode, str], ...] = (
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT, ""),
    (NotFoundError, grpc.StatusCode.NOT_FOUND, ""),
    (QueueFullError, grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    (QuotaError, grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE"),
    (GlossariesFullError, grpc.StatusCode.RESOURCE_EXHAUSTED, "GLOSSARIES_FULL"),
    (GlossaryExistsError, grpc.StatusCode.ALREADY_EXISTS, ""),
    (NoGlossariesError, grpc.StatusCode.FAILED_PRECONDITION, ""),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED, ""),
    (WorkerClosedError, grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"),
    (ReplicaLostError, grpc.StatusCode.UNAVAILABLE, "REPLICA_LOST"),
    (EngineError, grpc.StatusCode.UNAVAILABLE, "ENGINE_FAILED"),  # the worker logs it and recovers
)
"""Code by type of error, and the ErrorInfo's reason if it is not the code's name."""


async def abort(context: Context, error: Exception, method: str) -> NoReturn:
    """End the call with the status of `error`. An unexpected error is logged, and its status is INTERNAL without
    details.

    gRPC's own errors, for example for a call that has ended, are raised unchanged.
    """
    if isinstance(error, grpc.aio.BaseError):
        raise error
    status = status_of(error)
    if status is None:
        logger.error("%s failed", method, exc_info=error)
        status = grpc.StatusCode.INTERNAL, UNFORESEEN
    await context.abort(*status, _trailing_metadata(*status, error))


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str] | None:
    """Code and message of an error; None for an unexpected one."""
    if isinstance(error, StatusError):
        return error.code, shorten(str(error))
    for kind, code, _ in _KINDS:
        if isinstance(error, kind):
            return code, shorten(str(error))
    return None


def shorten(message: str) -> str:
    """The message as one line of bounded length."""
    line = " ".join(message[: 2 * MAX_MESSAGE_BYTES].split())
    if len(line.encode("utf-8", "replace")) <= MAX_MESSAGE_BYTES:
        return line
    return line.encode("utf-8", "replace")[: MAX_MESSAGE_BYTES - 3].decode("utf-8", "ignore") + "…"


def _trailing_metadata(code: grpc.StatusCode, message: str, error: Exception) -> Trailing:
    """google.rpc details, gRPC's retry pushback, and the request id."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in _details(code, message, error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    trailing: list[tuple[str, str | bytes]] = [*rpc_status.to_status(status).trailing_metadata]
    if isinstance(error, TooLargeError | GlossariesFullError):
        trailing.append((RETRY_HINT, "-1"))
    elif isinstance(error, QueueFullError | QuotaError):
        trailing.append((RETRY_HINT, str(max(1, round(error.retry_after * 1000)))))
    trailing.append((REQUEST_ID, current_call.get().request_id))  # abort replaces the guard's metadata
    return tuple(trailing)


def _details(code: grpc.StatusCode, message: str, error: Exception) -> Sequence[Message]:
    reason = next((reason for kind, _, reason in _KINDS if isinstance(error, kind)), "") or code.name
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)]
    if isinstance(error, InvalidInputError) and (field := _FIELD.match(message)):
        violation = error_details_pb2.BadRequest.FieldViolation(field=field[1], description=message[field.end() :])
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, QuotaError):
        failed = error_details_pb2.QuotaFailure.Violation(subject=f"limit:{error.reason}", description=message)
        details.append(error_details_pb2.QuotaFailure(violations=[failed]))
    if isinstance(error, QueueFullError | QuotaError):
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details
