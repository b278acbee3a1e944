"""Google's names of resources, of which the server heeds the last part: any project and location will do."""

import re

from dragoman.model.errors import InvalidInputError, NotFoundError

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
