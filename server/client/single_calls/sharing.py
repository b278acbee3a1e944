"""What both clients share: which stream a call joins, the calls of a stream, and the meaning of its results. Without
threads and without waiting."""

import itertools
import random
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import grpc

from dragoman.model.errors import DragomanError
from dragoman.server.client import queries
from dragoman.server.client.connection import Connection, explain
from dragoman.server.client.results import TranslationResult, read_result
from dragoman.v1 import translation_pb2 as pb

MAX_LENGTH = 16 * 1024
"""Most characters of a text that shares a stream; a longer one gains nothing by it."""

FULL = 16
"""Running calls of a stream from which on the next call may try another server."""

TRY_SECONDS = 10.0
"""Pause before the next try after a stream that ended at a server that has one already."""

MAX_AGE = 30.0
"""Seconds after which a stream takes no more calls, so that calls come to servers that are new."""

IDLE_SECONDS = 1.0
"""Seconds after which a stream without a call is closed."""

FIRST_PAUSE = 0.1
"""Longest pause before a call that the server could not serve is made again, as gRPC's first one."""

MAX_GROUP_SIZE = 64
"""Most calls in a message."""

_MAX_KINDS = 256
"""Most kinds of options that are remembered."""

Waiter = TypeVar("Waiter")
Stream = TypeVar("Stream", bound="Carries")

_RETRIED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class RepeatError(Exception):
    """The call got no answer by its stream and is to be made by Translate, whose errors and retries are gRPC's.
    pause: seconds to wait before."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.pause = pause


class Kinds:
    """The options of calls, as messages by which calls share a stream."""

    def __init__(self) -> None:
        self._known: dict[Hashable, bytes] = {}

    def of(self, to: str, search: Mapping[str, Any]) -> bytes:
        """The serialized `TranslateStreamConfig`. Raises the errors of `queries.stream_config`."""
        try:
            key = (to, *((name, type(value), value) for name, value in search.items()))
            found = self._known.get(key)
        except TypeError:  # a list, say
            return _serialize(to, search)
        if found is None:
            found = _serialize(to, search)
            if len(self._known) >= _MAX_KINDS:
                self._known.clear()
            self._known[key] = found
        return found


def _serialize(to: str, search: Mapping[str, Any]) -> bytes:
    return queries.stream_config(to, search).SerializeToString(deterministic=True)


@dataclass(slots=True)
class Pending(Generic[Waiter]):
    """A call of a stream without a result. waiter: who gets it."""

    text: str
    request_id: str
    waiter: Waiter


class Calls(Generic[Waiter]):
    """The calls of one stream."""

    def __init__(self) -> None:
        self.server = ""
        """Name of the process at its other end; empty if not yet known."""
        self.is_closed = False
        """Whether it takes no more calls."""
        self.opened_at = time.monotonic()
        self._ids = itertools.count(1)
        self._pending: dict[int, Pending[Waiter]] = {}

    @property
    def number(self) -> int:
        """Number of calls without a result."""
        return len(self._pending)

    def add(self, text: str, request_id: str, timeout: float, waiter: Waiter) -> pb.TranslateCall:
        """Add a call; returns the message to send. Raises InvalidInputError for a text that cannot be encoded."""
        call_id = next(self._ids)
        message = queries.fill(
            lambda: pb.TranslateCall(
                id=call_id, text=text, request_id=request_id, timeout_milliseconds=max(1, round(timeout * 1000))
            )
        )
        self._pending[call_id] = Pending(text, request_id, waiter)
        return message

    def give_up(self, call_id: int) -> bool:
        """Forget a call. Returns whether it had no result."""
        return self._pending.pop(call_id, None) is not None

    def take(self, response: pb.TranslateCallsResponse) -> Iterator[tuple[Pending[Waiter], pb.TranslateCallResult]]:
        """The calls that a message answers; results of calls that were given up are dropped."""
        if response.server:
            self.server = response.server
        for result in response.results:
            pending = self._pending.pop(result.id, None)
            if pending is not None:
                yield pending, result

    def take_all(self) -> list[Pending[Waiter]]:
        """The calls that the stream leaves without a result."""
        self.is_closed = True
        left, self._pending = list(self._pending.values()), {}
        return left


class Carries(Protocol):
    """A stream, as `Group` sees it."""

    @property
    def calls(self) -> Calls[Any]:
        """Its calls."""


@dataclass(slots=True)
class Group(Generic[Stream]):
    """The calls with equal options, and their streams: one for each server that gRPC's round robin has found."""

    streams: list[Stream] = field(default_factory=list)
    num_running: int = 0
    try_at: float = 0.0

    def choose(self, now: float, open_stream: Callable[[], Stream]) -> Stream:
        """The stream for the next call: the one with the fewest calls, or a new one."""
        self._drop_useless(now)
        usable = [stream for stream in self.streams if not stream.calls.is_closed]
        best = min(usable, key=lambda stream: stream.calls.number, default=None)
        knows_all = all(stream.calls.server for stream in usable)
        if best is None or (best.calls.number >= FULL and knows_all and now >= self.try_at):
            best = open_stream()
            self.streams.append(best)
        return best

    def _drop_useless(self, now: float) -> None:
        """Close streams that are old, and those whose server has another one."""
        servers = set()
        for stream in self.streams:
            calls = stream.calls
            if calls.is_closed:
                continue
            if now - calls.opened_at > MAX_AGE:
                calls.is_closed = True
            elif calls.server and calls.server in servers:
                calls.is_closed = True
                self.try_at = now + TRY_SECONDS
            servers.add(calls.server)


class _Status:
    """The status of a call in a stream, with the methods that `explain` uses."""

    def __init__(self, error: pb.CallError) -> None:
        self._error = error

    def code(self) -> grpc.StatusCode:
        return _CODES.get(self._error.code, grpc.StatusCode.UNKNOWN)

    def details(self) -> str:
        return self._error.message


def read_outcome(
    text: str, request_id: str, result: pb.TranslateCallResult, connection: Connection
) -> TranslationResult:
    """The result of a call. Raises the error of its status, or RepeatError if the call may succeed later."""
    if not result.HasField("error"):
        (message,) = result.response.translations
        return read_result(text, message)
    error = result.error
    status = _Status(error)
    milliseconds = error.retry_milliseconds if error.HasField("retry_milliseconds") else None
    if status.code() in _RETRIED and (milliseconds is None or milliseconds >= 0):
        raise RepeatError(random.uniform(0.0, FIRST_PAUSE) if milliseconds is None else milliseconds / 1000)
    raise explain_status(error, request_id, connection)


def explain_status(error: pb.CallError, request_id: str, connection: Connection) -> DragomanError:
    """The error of a call's status."""
    return explain(_Status(error), connection, request_id, error.reason)
