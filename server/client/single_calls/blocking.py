"""Single calls of the blocking client, from several threads."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

import grpc

from dragoman.server.client import queries
from dragoman.server.client.connection import Connection, explain_silence, new_request_id
from dragoman.server.client.queries import Query
from dragoman.server.client.results import TranslationResult
from dragoman.server.client.single_calls.sharing import (
    IDLE_SECONDS,
    MAX_GROUP_SIZE,
    MAX_LENGTH,
    Calls,
    Group,
    Kinds,
    RepeatError,
    read_outcome,
)
from dragoman.v1 import translation_pb2 as pb

Waiter: TypeAlias = "Future[pb.TranslateCallResult]"


class Ask(Protocol):
    """A plain call, within `timeout` seconds, by a name that it has already."""

    def __call__(
        self, query: Query[list[TranslationResult]], *, timeout: float | None = None, request_id: str = ""
    ) -> list[TranslationResult]: ...


class SingleCalls:
    """Calls of one text. One that runs alone is a plain call; those of other threads that join it share streams."""

    def __init__(self, stub: Any, connection: Connection, ask: Ask) -> None:
        self._stub = stub
        self._connection = connection
        self._ask = ask
        self._lock = threading.Lock()  # for everything below, and for the streams' calls
        self._kinds = Kinds()
        self._groups: dict[bytes, Group[_Stream]] = {}
        self._are_supported = True

    def translate(self, text: str, to: str, search: Mapping[str, Any]) -> TranslationResult:
        """Make a call."""
        with self._lock:
            kind = self._kinds.of(to, search)
            group = self._groups.get(kind)
            if group is None:
                group = self._groups[kind] = Group()
            group.num_running += 1
            is_shared = group.num_running > 1 and self._are_supported and len(text) <= MAX_LENGTH
        timeout: float | None = None
        request_id = new_request_id()
        try:
            if is_shared:
                deadline = time.monotonic() + self._connection.timeout
                try:
                    return self._share(group, kind, text, request_id)
                except RepeatError as error:
                    timeout = self._pause(deadline, error.pause, request_id)
            (result,) = self._ask(queries.translate(text, to, search), timeout=timeout, request_id=request_id)
            return result
        finally:
            with self._lock:
                group.num_running -= 1
                self._drop_empty(kind)

    def _pause(self, deadline: float, seconds: float, request_id: str) -> float:
        """Wait before a call is made again; returns the seconds that it has left."""
        left = deadline - time.monotonic()
        time.sleep(max(0.0, min(seconds, left)))
        if seconds >= left:
            raise explain_silence(self._connection, request_id)
        return left - seconds

    def _share(self, group: "Group[_Stream]", kind: bytes, text: str, request_id: str) -> TranslationResult:
        def open_stream() -> _Stream:
            return _Stream(
                self._stub, self._connection, kind, self._lock, lambda stream, code: self._end(kind, stream, code)
            )

        timeout = self._connection.timeout
        waiter: Waiter = Future()
        with self._lock:
            stream = group.choose(time.monotonic(), open_stream)
            call_id = stream.add(text, request_id, timeout, waiter)
        try:
            result = waiter.result(timeout)
        except TimeoutError:
            stream.give_up(call_id)
            raise explain_silence(self._connection, request_id) from None
        except BaseException:
            stream.give_up(call_id)
            raise
        return read_outcome(text, request_id, result, self._connection)

    def _end(self, kind: bytes, stream: "_Stream", code: grpc.StatusCode | None) -> None:
        """Forget a stream that has ended; with the lock held."""
        if code is grpc.StatusCode.UNIMPLEMENTED:  # an older server
            self._are_supported = False
        self._groups[kind].streams.remove(stream)
        self._drop_empty(kind)

    def _drop_empty(self, kind: bytes) -> None:
        group = self._groups[kind]
        if not (group.num_running or group.streams):
            del self._groups[kind]


class _Stream:
    """One call of TranslateCalls. A thread of gRPC takes requests from the outbox, and another one receives."""

    def __init__(
        self,
        stub: Any,
        connection: Connection,
        kind: bytes,
        lock: threading.Lock,
        on_end: "Callable[[_Stream, grpc.StatusCode | None], None]",
    ) -> None:
        """lock: of its calls. on_end: called with its status, and with the lock held, when it has ended."""
        self.calls: Calls[Waiter] = Calls()
        self._config = pb.TranslateStreamConfig.FromString(kind)
        self._lock = lock
        self._on_end = on_end
        self._outbox: queue.SimpleQueue[pb.TranslateCall | int] = queue.SimpleQueue()  # calls, and ids to cancel
        self._responses = stub.TranslateCalls(self._requests(), metadata=connection.metadata(new_request_id()))
        threading.Thread(target=self._receive, name="dragoman-calls", daemon=True).start()

    def add(self, text: str, request_id: str, timeout: float, waiter: Waiter) -> int:
        """Send a call; returns its id. With the lock held. Raises InvalidInputError, see `Calls.add`."""
        message = self.calls.add(text, request_id, timeout, waiter)
        self._outbox.put(message)
        return message.id

    def give_up(self, call_id: int) -> None:
        """Cancel a call, if it has no result."""
        with self._lock:
            if self.calls.give_up(call_id):
                self._outbox.put(call_id)

    def _requests(self) -> Iterator[pb.TranslateCallsRequest]:
        """The messages to send. What waits while a message is being sent shares the next one."""
        request = pb.TranslateCallsRequest(config=self._config)
        while True:
            try:
                _put(self._outbox.get(timeout=IDLE_SECONDS), request)
            except queue.Empty:
                with self._lock:
                    if not self.calls.number:
                        self.calls.is_closed = True
                        return
                continue
            with suppress(queue.Empty):
                while len(request.calls) < MAX_GROUP_SIZE:
                    _put(self._outbox.get_nowait(), request)
            yield request
            request = pb.TranslateCallsRequest()

    def _receive(self) -> None:
        try:
            for response in self._responses:
                with self._lock:
                    taken = list(self.calls.take(response))
                for pending, result in taken:
                    pending.waiter.set_result(result)
        except grpc.RpcError:
            pass
        finally:
            code = self._responses.code()
            with self._lock:
                left = self.calls.take_all()
                self._on_end(self, code)
            for pending in left:
                pending.waiter.set_exception(RepeatError())


def _put(what: pb.TranslateCall | int, request: pb.TranslateCallsRequest) -> None:
    if isinstance(what, int):
        request.cancelled_ids.append(what)
    else:
        request.calls.append(what)
