"""What is read of a call's metadata, and what is written into that of its answer."""

import random
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from dragoman.server.call_context import CallContext

REQUEST_ID = "x-request-id"
"""Metadata: the caller's name for a call, or the server's where it has none."""

RETRY_HINT = "grpc-retry-pushback-ms"
"""Trailing metadata of gRFC A6: after how many milliseconds to try again."""

current_call: ContextVar[CallContext] = ContextVar("current_call")
"""The call that is being served: gRPC calls methods with arguments of its own alone. Set by the guard."""

_SANE_REQUEST_ID = re.compile(r"[\x20-\x7e]{1,128}")


def read_metadata(metadata: Any) -> Mapping[str, str]:
    """The text values; of a key that occurs more than once, nothing: which of them counts would be anybody's guess."""
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
    """The caller's if it is sane, else a new one."""
    given = metadata.get(REQUEST_ID, "")
    if _SANE_REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"  # a name, no secret: the system's randomness takes longer
