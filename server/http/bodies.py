"""Bodies of requests: JSON objects and forms, read within limits, with fields that are checked by name."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dragoman.model.errors import DragomanError, InvalidInputError

BODY_SECONDS = 60.0
"""Longest time for a body to arrive."""

MAX_FIELDS = 10_000
"""Most fields of a form."""

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no", "")


class BodyTooLargeError(DragomanError):
    """A body beyond its limit."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a form."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """The fields of a request: of its JSON object, or of its form and its address.

    values: a field's value, or the list of the values that a form repeats. raw: the body's bytes; empty for a form with
    files.
    """

    values: Mapping[str, Any]
    is_form: bool = False
    files: Mapping[str, UploadedFile] = field(default_factory=dict)
    raw: bytes = b""

    def check_pairs(self) -> None:
        """Raise InvalidInputError for half a surrogate pair anywhere in a JSON object."""
        if _SURROGATE.search(self.raw) is None:
            return
        try:
            json.dumps(self.values, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError("the body holds half a surrogate pair, which is no text") from error

    def text(self, name: str, default: str = "") -> str:
        """A field that is one string. Raises InvalidInputError for anything else."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, list) and self.is_form:
            value = value[-1]
        if not isinstance(value, str):
            raise InvalidInputError(f"{name}: must be a string")
        return check_characters(name, value)

    def texts(self, name: str) -> list[str]:
        """A field that is one string or several."""
        value = self.values.get(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(one, str) for one in values):
            raise InvalidInputError(f"{name}: must be a string, or a list of strings")
        return [check_characters(name, one) for one in values]

    def names(self, name: str) -> list[str]:
        """A list of names, or names with commas between them."""
        return [one.strip() for value in self.texts(name) for one in value.split(",") if one.strip()]

    def flag(self, name: str, default: bool = False) -> bool:
        """A field that is true or false, also as 1 and 0 or as a word."""
        value = self.values.get(name)
        if isinstance(value, list) and self.is_form:
            value = value[-1]
        if value is None or isinstance(value, bool):
            return default if value is None else value
        word = str(value).lower()
        if word not in TRUE + FALSE:
            raise InvalidInputError(f"{name}: must be true or false")
        return word in TRUE

    def number(self, name: str, default: int = 0, *, least: int = 0, most: int = 2**31 - 1) -> int:
        """A field that is a whole number."""
        value = self.values.get(name)
        if isinstance(value, list) and self.is_form:
            value = value[-1]
        if value is None or value == "":
            return default
        try:
            number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise InvalidInputError(f"{name}: must be a whole number from {least} to {most}")
        return number

    def file(self, name: str = "file") -> UploadedFile:
        """A file. Raises InvalidInputError if it is missing."""
        if name not in self.files:
            raise InvalidInputError(f"{name}: is missing; send it as {MULTIPART}")
        return self.files[name]


def check_characters(name: str, text: str) -> str:
    """The text. Raises InvalidInputError for half a surrogate pair, which no UTF-8 text has, but JSON can write."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{name}: is no text: half a surrogate pair at character {error.start}") from None
    return text


async def read_body(request: Request, max_bytes: int) -> Body:
    """The fields of a request. max_bytes: of the body.

    Raises InvalidInputError for a body that makes no sense, and BodyTooLargeError.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    _check_length(request, max_bytes)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            if kind == MULTIPART:
                return await _read_multipart(request, max_bytes)
            raw = await _read_raw(request, max_bytes)
    except TimeoutError as error:
        raise InvalidInputError(f"the body did not arrive within {BODY_SECONDS:g} s") from error
    address = _collect(request.query_params.multi_items())
    if kind == FORM and not raw.startswith(b"{"):  # curl calls any body a form
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
        except (UnicodeDecodeError, ValueError) as error:
            raise InvalidInputError("the form is not UTF-8, or has too many fields") from error
        return Body(address | _collect(pairs), True, raw=raw)
    if not raw.strip():
        return Body(address, True)
    try:
        found = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("the body is neither a JSON object nor a form") from error
    if not isinstance(found, dict):
        raise InvalidInputError("the body must be a JSON object")
    return Body(found, raw=raw)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _check_length(request: Request, max_bytes: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > max_bytes:
        raise BodyTooLargeError(f"the body has {length} bytes, but at most {max_bytes} are allowed")


async def _read_raw(request: Request, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    num_bytes = 0
    async for part in request.stream():
        num_bytes += len(part)
        if num_bytes > max_bytes:
            raise BodyTooLargeError(f"the body has more than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


async def _read_multipart(request: Request, max_bytes: int) -> Body:
    receive = request._receive  # counted: the parser writes files to the disk, whatever their size
    num_bytes = 0

    async def counted() -> Any:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > max_bytes:
            raise BodyTooLargeError(f"the body has more than {max_bytes} bytes")
        return message

    counting = Request(request.scope, counted)
    try:
        async with counting.form(max_files=4, max_fields=MAX_FIELDS, max_part_size=max_bytes) as form:
            pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
            files = {
                name: UploadedFile(value.filename or "", await value.read())
                for name, value in form.multi_items()
                if isinstance(value, UploadFile)
            }
    except (MultipartParseError, HTTPException, UnicodeDecodeError, KeyError) as error:
        raise InvalidInputError("the form cannot be read") from error
    return Body(_collect(request.query_params.multi_items()) | _collect(pairs), True, files)


def _collect(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Each name with the list of its values."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
