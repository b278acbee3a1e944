"""Metadata of a call and of its answer."""

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
