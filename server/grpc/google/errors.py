"""What only this facade answers, and how every error becomes a status."""

import grpc

from dragoman.model.errors import DragomanError
from dragoman.server.grpc.v1.statuses import UNFORESEEN, shorten, status_of


class UnsupportedError(DragomanError):
    """A part of Google's API that is not offered here. gRPC: UNIMPLEMENTED."""


class FailedPreconditionError(DragomanError):
    """Something else has to happen first, such as that a disk gets room. gRPC: FAILED_PRECONDITION."""


_STATUS_CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (UnsupportedError, grpc.StatusCode.UNIMPLEMENTED),
    (FailedPreconditionError, grpc.StatusCode.FAILED_PRECONDITION),
)


def own_status_of(error: BaseException) -> tuple[grpc.StatusCode, str] | None:
    """That of the errors above; None for others."""
    for kind, code in _STATUS_CODES:
        if isinstance(error, kind):
            return code, shorten(str(error))
    return None


def describe(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """An error's code, and what the caller may know of it."""
    return own_status_of(error) or status_of(error) or (grpc.StatusCode.INTERNAL, UNFORESEEN)
