"""Statuses of errors, with google.rpc details, for every service of the port."""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, TypeAlias

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from dragoman.model.errors import DragomanError
from dragoman.server.access.quotas import QuotaError
from dragoman.server.grpc.call_metadata import REQUEST_ID, RETRY_HINT, current_call
from dragoman.server.translating.faults import UNFORESEEN, Fault, fault_of, retry_milliseconds, shorten

DOMAIN = "dragoman"
"""Domain of every ErrorInfo."""

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Trailing: TypeAlias = tuple[tuple[str, str | bytes], ...]


class StatusError(DragomanError):
    """An error of gRPC's transport, with its status code."""

    code: ClassVar[grpc.StatusCode]


async def abort(context: Context, error: Exception, method: str) -> NoReturn:
    """End the call with the status of `error`. An unexpected error is logged, and its status is INTERNAL without
    details.

    gRPC's own errors, for example for a call that has ended, are raised unchanged.
    """
    if isinstance(error, grpc.aio.BaseError):
        raise error
    fault = _fault_of(error)
    if fault is None:
        logger.error("%s failed", method, exc_info=error)
        fault = Fault("INTERNAL", UNFORESEEN, "INTERNAL")
    code = grpc.StatusCode[fault.code]
    await context.abort(code, fault.message, _trailing_metadata(code, fault, error))


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str] | None:
    """Code and message of an error; None for an unexpected one."""
    fault = _fault_of(error)
    return None if fault is None else (grpc.StatusCode[fault.code], fault.message)


def _fault_of(error: BaseException) -> Fault | None:
    if isinstance(error, StatusError):
        return Fault(error.code.name, shorten(str(error)), error.code.name)
    return fault_of(error)


def _trailing_metadata(code: grpc.StatusCode, fault: Fault, error: Exception) -> Trailing:
    """google.rpc details, gRPC's retry pushback, and the request id."""
    status = status_pb2.Status(code=code.value[0], message=fault.message)
    for detail in _details(fault, error):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    trailing: list[tuple[str, str | bytes]] = [*rpc_status.to_status(status).trailing_metadata]
    hint = retry_milliseconds(error, fault)
    if hint is not None:
        trailing.append((RETRY_HINT, str(hint)))
    trailing.append((REQUEST_ID, current_call.get().request_id))  # abort replaces the guard's metadata
    return tuple(trailing)


def _details(fault: Fault, error: Exception) -> Sequence[Message]:
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=fault.reason, domain=DOMAIN)]
    if fault.field:
        description = fault.message[len(fault.field) + len(": ") :]
        violation = error_details_pb2.BadRequest.FieldViolation(field=fault.field, description=description)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, QuotaError):
        failed = error_details_pb2.QuotaFailure.Violation(subject=f"limit:{error.reason}", description=fault.message)
        details.append(error_details_pb2.QuotaFailure(violations=[failed]))
    if fault.retry_after is not None:
        delay = Duration()
        delay.FromNanoseconds(round(fault.retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details
