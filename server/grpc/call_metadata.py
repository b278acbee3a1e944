"""Metadata of a call and of its answer."""

import random
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from dragoman.server.call_context import CallContext

REQUEST_ID = "x-request-id"
"""Metadata: the caller's name for a call, or one that the server generates."""

RETRY_HINT = "grpc-retry-pushback-ms"
"""Trailing metadata of gRFC A6: after how many milliseconds to try again."""

current_call: ContextVar[CallContext] = ContextVar("current_call")
"""The current call, set by the guard: gRPC passes no arguments of ours to methods."""

_SANE_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,128}")


def read_metadata(metadata: Any) -> Mapping[str, str]:
    """The text values by key, without keys that occur more than once, which would be ambiguous."""
    found: dict[str, str] = {}
    repeated = set()
    for key, value in metadata or ():
        if key in found:
            repeated.add(key)
        if isinstance(value, str):
            found[key] = value
    for key in repeated:
        del found[key]
    return found


def choose_request_id(metadata: Mapping[str, str]) -> str:
    """The caller's request id if it is printable and short, otherwise a new one."""
    given = metadata.get(REQUEST_ID, "")
    if _SANE_REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"  # no secret: os.urandom takes longer
