"""What only this facade answers, and how every error becomes a status."""

import grpc

from dragoman.model.errors import InvalidInputError
from dragoman.server.grpc.statuses import UNFORESEEN, StatusError, status_of
from dragoman.server.translating.languages import UnknownLanguageError


class UnsupportedError(StatusError):
    """A part of Google's API that is not offered here."""

    code = grpc.StatusCode.UNIMPLEMENTED


class FailedPreconditionError(StatusError):
    """Something else has to happen first, such as that a disk gets room."""

    code = grpc.StatusCode.FAILED_PRECONDITION


def as_google_has_it(error: Exception) -> Exception:
    """To Google a language that is not served is an invalid argument."""
    return InvalidInputError(str(error)) if isinstance(error, UnknownLanguageError) else error


def describe(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """An error's code, and what the caller may know of it."""
    return status_of(error) or (grpc.StatusCode.INTERNAL, UNFORESEEN)
