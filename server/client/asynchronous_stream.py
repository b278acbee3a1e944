"""A stream of texts through TranslateStream, for asyncio."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import Any

import grpc

from model.errors import DragomanError
from server.client.connection import Connection, new_request_id
from server.client.errors import explain_end, explain_silence
from server.client.results import TranslationResult
from server.client.stream_state import StreamState
from server.pb.dragoman.v1 import translation_pb2 as pb

Texts = Iterable[str] | AsyncIterable[str]


class AsyncStream:
    """Reads texts in a task of its own, which no broken call disturbs."""

    def __init__(
        self, stub: Any, connection: Connection, config: pb.TranslateStreamRequest, state: StreamState
    ) -> None:
        self._stub = stub
        self._connection = connection
        self._config = config
        self._state = state
        self._outbox: deque[pb.TranslateStreamRequest] = deque()
        self._changed = asyncio.Event()  # for the tasks that read and that send
        self._last_sign = time.monotonic()  # that something was sent or received

    async def results(self, texts: Texts) -> AsyncGenerator[tuple[int, TranslationResult]]:
        """The number and result of each text, as they come; closing the generator cancels the call.

        Raises what `StreamState` raises, what reading the texts raises, and ServerError or InvalidInputError where the
        server does not go on.
        """
        state = self._state
        reading = asyncio.ensure_future(self._read(texts))
        try:
            while not state.is_complete:
                try:
                    async with aclosing(self._results_of_one_call(reading)) as results:
                        async for result in results:
                            yield result
                except _CallEndedError as ended:
                    await asyncio.sleep(state.pause_after(ended.reason))
        finally:
            await _cancel(reading)

    async def ordered(self, texts: Texts) -> AsyncGenerator[TranslationResult]:
        """The results in the order of the texts."""
        waiting: dict[int, TranslationResult] = {}
        next_index = 0
        async with aclosing(self.results(texts)) as results:
            async for index, result in results:
                waiting[index] = result
                while next_index in waiting:
                    self._release(next_index)
                    yield waiting.pop(next_index)
                    next_index += 1

    async def unordered(self, texts: Texts) -> AsyncGenerator[tuple[int, TranslationResult]]:
        """As they come."""
        async with aclosing(self.results(texts)) as results:
            async for index, result in results:
                self._release(index)
                yield index, result

    def _release(self, index: int) -> None:
        self._state.release(index)
        self._changed.set()

    async def _read(self, texts: Texts) -> None:
        """Adds texts while there is room for them."""
        async for text in _iterate(texts):
            self._outbox.append(self._state.add(text))
            self._note_sign()
            while not self._state.has_room:
                await self._wait_for_change()
        self._state.is_exhausted = True
        self._changed.set()

    async def _results_of_one_call(
        self, reading: "asyncio.Future[None]"
    ) -> AsyncGenerator[tuple[int, TranslationResult]]:
        """Ends when everything is answered; raises _CallEndedError if the call ends before."""
        state = self._state
        request_id = new_request_id()
        call = self._stub.TranslateStream(metadata=self._connection.metadata(request_id))
        sending = asyncio.ensure_future(self._send(call))
        receiving = asyncio.ensure_future(call.read())
        try:
            while not state.is_complete:
                if not receiving.done():
                    await self._wait_for_sign(receiving, reading, request_id)
                if not receiving.done():
                    continue
                self._note_sign()
                result = state.take(self._received(receiving, request_id))
                receiving = asyncio.ensure_future(call.read())
                if result is not None:
                    yield result
            with suppress(grpc.RpcError):  # how it ends does not matter, but it should not be cancelled without need
                await asyncio.wait_for(receiving, self._connection.timeout)
        finally:
            call.cancel()
            await _cancel(sending)
            await _cancel(receiving)

    async def _wait_for_sign(
        self, receiving: "asyncio.Future[Any]", reading: "asyncio.Future[None]", request_id: str
    ) -> None:
        """Returns when a message has come, or the last text was read; raises what reading the texts raises."""
        expected = {receiving} if reading.done() else {receiving, reading}
        await asyncio.wait(expected, timeout=self._connection.timeout, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
        is_silent = time.monotonic() - self._last_sign >= self._connection.timeout
        if not receiving.done() and self._state.is_waiting and is_silent:
            raise explain_silence(self._connection, request_id)

    def _received(self, receiving: "asyncio.Future[Any]", request_id: str) -> pb.TranslateStreamResponse:
        try:
            response = receiving.result()
        except grpc.RpcError as error:
            raise _CallEndedError(explain_end(error, self._connection, request_id)) from None
        if response is grpc.aio.EOF:
            raise _CallEndedError(explain_end(None, self._connection, request_id))
        assert isinstance(response, pb.TranslateStreamResponse)
        return response

    async def _send(self, call: Any) -> None:
        """Sends what is unanswered, and then what is added, as fast as the server takes it."""
        self._outbox = deque(self._state.unanswered())
        with suppress(grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):  # whoever receives learns why
            await call.write(self._config)
            while True:
                while self._outbox:
                    await call.write(self._outbox.popleft())
                if self._state.is_exhausted:
                    break
                await self._wait_for_change()
            await call.done_writing()

    def _note_sign(self) -> None:
        self._last_sign = time.monotonic()
        self._changed.set()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class _CallEndedError(Exception):
    """A call has ended before everything was answered."""

    def __init__(self, reason: DragomanError) -> None:
        super().__init__(str(reason))
        self.reason = reason


async def _iterate(texts: Texts) -> AsyncIterator[str]:
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text


async def _cancel(task: "asyncio.Future[Any]") -> None:
    """Ends a task that nobody waits for; what it raises concerns nobody any more."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
