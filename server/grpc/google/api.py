"""Names of resources, kinds of text and errors, as Google has them. A resource counts by the last part of its name."""

import re

import grpc

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.grpc.statuses import UNFORESEEN, StatusError, status_of
from dragoman.server.translating.languages import UnknownLanguageError
from dragoman.server.translating.orders import TextFormat

PLAIN, HTML = "text/plain", "text/html"

_PARENT = re.compile(r"projects/[^/]+(/locations/[^/]+)?")
_MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/([^/]+|general/[^/]+)")
_DEFAULT_MODELS = ("general/nmt", "general/base")
_DETECTION_MODEL = re.compile(r"projects/[^/]+/locations/[^/]+/models/language-detection/default")


def check_parent(parent: str, *, with_location: bool = False) -> None:
    """Raises InvalidInputError unless it is "projects/P" or "projects/P/locations/L"; with_location: the latter."""
    match = _PARENT.fullmatch(parent)
    if match is None or (with_location and match[1] is None):
        form = "projects/PROJECT/locations/LOCATION" if with_location else "projects/PROJECT[/locations/LOCATION]"
        raise InvalidInputError(f'parent: is "{parent}", but must be {form}')


def read_model(name: str, field: str = "model") -> str | None:
    """The name of a served model; None for the server's choice, which general/nmt is. Raises InvalidInputError that
    names the field, NotFoundError for other general models."""
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
    """Raises NotFoundError for any but the default one."""
    if name and not _DETECTION_MODEL.fullmatch(name):
        raise NotFoundError(f'model: there is no "{name}"; there is …/models/language-detection/default')


def read_mime_type(mime_type: str, field: str = "mime_type") -> str:
    """HTML where it is left empty, as Google has it. Raises InvalidInputError that names the field."""
    if mime_type not in ("", PLAIN, HTML):
        raise InvalidInputError(f'{field}: is "{mime_type}", but must be {PLAIN} or {HTML}')
    return mime_type or HTML


def format_of(mime_type: str) -> TextFormat:
    """What the server calls it."""
    return "html" if mime_type == HTML else "plain"


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
