"""Single calls of the asynchronous client."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
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

Waiter: TypeAlias = "asyncio.Future[pb.TranslateCallResult]"


class Ask(Protocol):
    """A plain call, within `timeout` seconds, by a name that it has already."""

    def __call__(
        self, query: Query[list[TranslationResult]], *, timeout: float | None = None, request_id: str = ""
    ) -> Awaitable[list[TranslationResult]]: ...


class SingleCalls:
    """Calls of one text. One that runs alone is a plain call; those that join it share streams."""

    def __init__(self, stub: Any, connection: Connection, ask: Ask) -> None:
        self._stub = stub
        self._connection = connection
        self._ask = ask
        self._kinds = Kinds()
        self._groups: dict[bytes, Group[_Stream]] = {}
        self._are_supported = True

    async def translate(self, text: str, to: str, search: Mapping[str, Any]) -> TranslationResult:
        """Make a call. Cancelling it cancels it at the server, and no other."""
        kind = self._kinds.of(to, search)
        group = self._groups.get(kind)
        if group is None:
            group = self._groups[kind] = Group()
        group.num_running += 1
        timeout: float | None = None
        request_id = new_request_id()
        try:
            if group.num_running > 1 and self._are_supported and len(text) <= MAX_LENGTH:
                deadline = time.monotonic() + self._connection.timeout
                try:
                    return await self._share(group, kind, text, request_id)
                except RepeatError as error:
                    timeout = await self._pause(deadline, error.pause, request_id)
            (result,) = await self._ask(queries.translate(text, to, search), timeout=timeout, request_id=request_id)
            return result
        finally:
            group.num_running -= 1
            self._drop_empty(kind)

    async def _pause(self, deadline: float, seconds: float, request_id: str) -> float:
        """Wait before a call is made again; returns the seconds that it has left."""
        left = deadline - time.monotonic()
        await asyncio.sleep(min(seconds, left))
        if seconds >= left:
            raise explain_silence(self._connection, request_id)
        return left - seconds

    async def _share(self, group: "Group[_Stream]", kind: bytes, text: str, request_id: str) -> TranslationResult:
        def open_stream() -> _Stream:
            return _Stream(self._stub, self._connection, kind, lambda stream, code: self._end(kind, stream, code))

        timeout = self._connection.timeout
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        stream = group.choose(time.monotonic(), open_stream)
        call_id = stream.add(text, request_id, timeout, waiter)
        timer = loop.call_later(timeout, self._expire, waiter, request_id)
        try:
            result = await waiter
        except BaseException:
            stream.give_up(call_id)
            raise
        finally:
            timer.cancel()
        return read_outcome(text, request_id, result, self._connection)

    def _expire(self, waiter: Waiter, request_id: str) -> None:
        if not waiter.done():
            waiter.set_exception(explain_silence(self._connection, request_id))

    def _end(self, kind: bytes, stream: "_Stream", code: grpc.StatusCode | None) -> None:
        """Forget a stream that has ended."""
        if code is grpc.StatusCode.UNIMPLEMENTED:  # an older server
            self._are_supported = False
        self._groups[kind].streams.remove(stream)
        self._drop_empty(kind)

    def _drop_empty(self, kind: bytes) -> None:
        group = self._groups[kind]
        if not (group.num_running or group.streams):
            del self._groups[kind]

    async def close(self) -> None:
        """End the streams; their calls are made again, or fail with the channel."""
        for stream in [stream for group in self._groups.values() for stream in group.streams]:
            await stream.close()


class _Stream:
    """One call of TranslateCalls."""

    def __init__(
        self,
        stub: Any,
        connection: Connection,
        kind: bytes,
        on_end: "Callable[[_Stream, grpc.StatusCode | None], None]",
    ) -> None:
        """on_end: called with its status when it has ended."""
        self.calls: Calls[Waiter] = Calls()
        self._on_end = on_end
        self._outbox = pb.TranslateCallsRequest(config=pb.TranslateStreamConfig.FromString(kind))
        self._wake = asyncio.Event()
        self._idle: asyncio.TimerHandle | None = None
        self._responses = stub.TranslateCalls(metadata=connection.metadata(new_request_id()))
        self._sending = asyncio.ensure_future(self._send())
        self._receiving = asyncio.ensure_future(self._receive())

    def add(self, text: str, request_id: str, timeout: float, waiter: Waiter) -> int:
        """Send a call with the next message; returns its id. Raises InvalidInputError, see `Calls.add`."""
        message = self.calls.add(text, request_id, timeout, waiter)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._outbox.calls.append(message)
        self._wake.set()
        return message.id

    def give_up(self, call_id: int) -> None:
        """Cancel a call, if it has no result."""
        if self.calls.give_up(call_id):
            self._outbox.cancelled_ids.append(call_id)
            self._wake.set()
            self._note_idle()

    async def close(self) -> None:
        """End the stream at once."""
        self.calls.is_closed = True
        self._responses.cancel()
        await asyncio.wait((self._receiving,))

    def _note_idle(self) -> None:
        if not self.calls.number and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._finish)

    def _finish(self) -> None:
        self.calls.is_closed = True
        self._wake.set()

    async def _send(self) -> None:
        with suppress(grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):  # the receiver learns why
            while not self.calls.is_closed or self.calls.number:
                await self._wake.wait()
                self._wake.clear()
                while self._outbox.calls or self._outbox.cancelled_ids:
                    await self._responses.write(self._take_group())
            await self._responses.done_writing()

    def _take_group(self) -> pb.TranslateCallsRequest:
        """Everything that waits, but for what the server takes in one message."""
        message, self._outbox = self._outbox, pb.TranslateCallsRequest()
        if len(message.calls) > MAX_GROUP_SIZE:
            self._outbox.calls.extend(message.calls[MAX_GROUP_SIZE:])
            del message.calls[MAX_GROUP_SIZE:]
        return message

    async def _receive(self) -> None:
        code: grpc.StatusCode | None = None
        try:
            while isinstance(response := await self._responses.read(), pb.TranslateCallsResponse):
                for pending, result in self.calls.take(response):
                    if not pending.waiter.done():
                        pending.waiter.set_result(result)
                self._note_idle()
                if self.calls.is_closed:
                    self._wake.set()
        except (grpc.RpcError, asyncio.CancelledError):
            pass
        finally:
            with suppress(grpc.RpcError, asyncio.CancelledError):
                code = await self._responses.code()
            self._sending.cancel()
            if self._idle is not None:
                self._idle.cancel()
            for pending in self.calls.take_all():
                if not pending.waiter.done():
                    pending.waiter.set_exception(RepeatError())
            self._on_end(self, code)
