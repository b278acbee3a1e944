"""Google's resource names, MIME types and errors. Only the last part of a resource's name matters."""

import re

import grpc

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.grpc.statuses import StatusError, status_of
from dragoman.server.translating.faults import UNFORESEEN
from dragoman.server.translating.languages import UnknownLanguageError
from dragoman.server.translating.orders import TextFormat

PLAIN, HTML = "text/plain", "text/html"

_PARENT = re.compile(r"projects/[^/]+(/locations/[^/]+)?")
_MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/([^/]+|general/[^/]+)")
_DEFAULT_MODELS = ("general/nmt", "general/base")
_DETECTION_MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/language-detection/default")


def check_parent(parent: str, *, with_location: bool = False) -> None:
    """Raise InvalidInputError unless parent is "projects/P" or "projects/P/locations/L"; with_location: only the
    latter."""
    match = _PARENT.fullmatch(parent)
    if match is None or (with_location and match[1] is None):
        form = "projects/PROJECT/locations/LOCATION" if with_location else "projects/PROJECT[/locations/LOCATION]"
        raise InvalidInputError(f'parent: is "{parent}", but must be {form}')


def read_model(name: str, field: str = "model") -> str | None:
    """The name of a served model; None for general/nmt, the server's choice. Raises InvalidInputError that names the
    field, NotFoundError for other general models."""
    if not name:
        return None
    match = _MODEL.fullmatch(name)
    if match is None:
        raise InvalidInputError(
            f'{field}: is "{name}", but must be projects/PROJECT/locations/LOCATION/models/MODEL, such as '
            "…/models/general/nmt"
        )
    if match[1] in _DEFAULT_MODELS:
        return None
    if "/" in match[1]:
        raise NotFoundError(f'{field}: there is no "{match[1]}"; of general models there is general/nmt')
    return match[1]


def check_detection_model(name: str) -> None:
    """Raise NotFoundError for any model except the default one."""
    if name and not _DETECTION_MODEL.fullmatch(name):
        raise NotFoundError(f'model: there is no "{name}"; there is …/models/language-detection/default')


def read_mime_type(mime_type: str, field: str = "mime_type") -> str:
    """The MIME type; HTML if empty, as with Google. Raises InvalidInputError that names the field."""
    if mime_type not in ("", PLAIN, HTML):
        raise InvalidInputError(f'{field}: is "{mime_type}", but must be {PLAIN} or {HTML}')
    return mime_type or HTML


def format_of(mime_type: str) -> TextFormat:
    """The server's text format for a MIME type."""
    return "html" if mime_type == HTML else "plain"


class UnsupportedError(StatusError):
    """A part of Google's API that this server lacks."""

    code = grpc.StatusCode.UNIMPLEMENTED


class FailedPreconditionError(StatusError):
    """A precondition is not met, for example free space on a disk."""

    code = grpc.StatusCode.FAILED_PRECONDITION


def as_google_has_it(error: Exception) -> Exception:
    """Convert errors to Google's: an unknown language is an invalid argument."""
    return InvalidInputError(str(error)) if isinstance(error, UnknownLanguageError) else error


def describe(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """An error's code, and its message for the caller."""
    return status_of(error) or (grpc.StatusCode.INTERNAL, UNFORESEEN)
