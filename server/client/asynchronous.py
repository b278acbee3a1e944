"""The asyncio client."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Self, TypeVar, Unpack

import grpc

from dragoman.server.client import queries, results
from dragoman.server.client.connection import (
    DEFAULT_TIMEOUT,
    Connection,
    StubsInTurn,
    Tls,
    Weights,
    explain,
    explain_end,
    explain_silence,
    new_request_id,
)
from dragoman.server.client.descriptions import AsyncDescriptionCalls
from dragoman.server.client.glossaries import AsyncGlossaryCalls
from dragoman.server.client.queries import Query, Scoring, Search
from dragoman.server.client.single_calls.asynchronous import SingleCalls
from dragoman.server.client.stream_state import MAX_GROUP_LENGTH, MAX_GROUP_SIZE, STREAM_WINDOW, StreamState, pack
from dragoman.translation.results import Translation
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc

Answer = TypeVar("Answer")
Value = TypeVar("Value")
_LOST_STATUS = "Internal error from Core"
Texts = Iterable[str] | AsyncIterable[str]


class AsyncClient(AsyncDescriptionCalls, AsyncGlossaryCalls):
    """`Client` for asyncio; use it with `async with`, on one event loop. Cancelling a task cancels its call."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        token: str | None = None,
        tls: Tls | None = None,
        connections: int = 1,
    ) -> None:
        """See `Client`."""
        self._connection = Connection(address, timeout, token, tls)
        self._channels = [self._connection.open_async_channel() for _ in range(connections)]
        self._stub: Any = StubsInTurn([translation_pb2_grpc.TranslationServiceStub(one) for one in self._channels])
        self._single_calls = SingleCalls(self._stub, self._connection, self._ask)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and end its calls."""
        await self._single_calls.close()
        for channel in self._channels:
            await channel.close()

    async def translate(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[Translation]:
        """See `Client.translate`."""
        return results.require_all(await self.translate_each(texts, to, **search))

    async def translate_each(
        self, texts: str | Iterable[str], to: str, **search: Unpack[Search]
    ) -> list[results.TranslationResult]:
        """See `Client.translate_each`."""
        given = queries.text_list(texts)
        if len(given) == 1:
            return [await self._single_calls.translate(given[0], to, search)]
        return await self._ask(queries.translate(given, to, search))

    async def translate_stream(
        self,
        texts: Texts,
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> AsyncGenerator[Translation]:
        """See `Client.translate_stream`. `texts` may be an asynchronous iterable and is read in a task of its own. To
        stop early, close the generator (`contextlib.aclosing`)."""
        index = 0
        async with aclosing(self._stream(to, window, revisions, search).ordered(texts)) as found:
            async for result in found:
                yield results.require(index, result)
                index += 1

    def translate_unordered(
        self,
        texts: Texts,
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> AsyncGenerator[tuple[int, results.TranslationResult]]:
        """See `Client.translate_unordered`."""
        return self._stream(to, window, revisions, search).unordered(texts)

    async def translate_live(
        self, text: str, to: str, **search: Unpack[Search]
    ) -> AsyncGenerator[results.LiveTranslation]:
        """See `Client.translate_live`."""
        query = queries.translate_live(text, to, search)
        request_id = new_request_id()
        call = self._connection.call(self._stub, query, request_id)
        try:
            async for response in call:
                yield query.read(response)
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None
        finally:
            call.cancel()

    async def score(
        self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]
    ) -> list[ScoredTranslation]:
        """See `Client.score`."""
        return results.require_all(await self.score_each(pairs, to, **scoring))

    async def score_each(
        self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]
    ) -> list[results.ScoreResult]:
        """See `Client.score_each`."""
        return await self._ask(queries.score(pairs, to, scoring))

    async def detect_language(
        self, texts: str | Iterable[str], *, max_candidates: int = 1
    ) -> list[list[results.LanguageCandidate]]:
        """See `Client.detect_language`."""
        return await self._ask(queries.detect_language(texts, max_candidates))

    async def _ask(self, query: Query[Answer], *, timeout: float | None = None, request_id: str = "") -> Answer:
        request_id = request_id or new_request_id()
        try:
            return query.read(await self._connection.call(self._stub, query, request_id, timeout))
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None

    def _stream(
        self, to: str, window: int, revisions: Mapping[str, str] | None, search: Mapping[str, Any]
    ) -> "AsyncStream":
        state = StreamState(window, Weights(revisions))
        return AsyncStream(
            self._stub, self._connection, pb.TranslateStreamRequest(config=queries.stream_config(to, search)), state
        )


class AsyncStream:
    """One stream of texts over one or more calls. A task of its own reads the texts and survives broken calls."""

    def __init__(
        self, stub: Any, connection: Connection, config: pb.TranslateStreamRequest, state: StreamState
    ) -> None:
        self._stub = stub
        self._connection = connection
        self._config = config
        self._state = state
        self._changed = asyncio.Event()  # for the tasks that read and that send
        self._outbox: deque[pb.TranslateStreamItem] = deque()
        self._results: deque[tuple[int, results.TranslationResult]] = deque()  # received, not yet yielded
        self._is_accepted = False  # by the current call
        self._last_sign = time.monotonic()  # when a text was read or a message received
        self._reading: asyncio.Future[None] | None = None
        self._call: _Call | None = None

    async def ordered(self, texts: Texts) -> AsyncGenerator[results.TranslationResult]:
        """Yield the results in the order of the texts; closing the generator cancels the call.

        Raises the errors of `StreamState` and of reading the texts, and ServerError or InvalidInputError if the server
        refuses to continue.
        """
        waiting: dict[int, results.TranslationResult] = {}
        next_index = 0
        try:
            while (found := await self._next(texts)) is not None:
                waiting[found[0]] = found[1]
                while next_index in waiting:
                    self._release(next_index)
                    yield waiting.pop(next_index)
                    next_index += 1
        finally:
            await self._close()

    async def unordered(self, texts: Texts) -> AsyncGenerator[tuple[int, results.TranslationResult]]:
        """Yield results as they come, with the texts' numbers."""
        try:
            while (found := await self._next(texts)) is not None:
                self._release(found[0])
                yield found
        finally:
            await self._close()

    async def _next(self, texts: Texts) -> tuple[int, results.TranslationResult] | None:
        """The next result; None when all texts are answered."""
        state = self._state
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read(texts))
        while not (self._results or state.is_complete):
            if self._call is None:
                self._call = self._begin()
            response = await self._receive(self._call)
            if response is not None:
                self._results.extend(state.take(response))
                self._is_accepted = True
                self._changed.set()
            elif self._call.receiving.done():
                reason = explain_end(await self._call.ending(), self._connection, self._call.request_id)
                pause = state.pause_after(reason)
                await self._close_call()
                await asyncio.sleep(pause)
        if self._results:
            return self._results.popleft()
        if self._call is not None:
            await self._call.wait_for_end(self._connection.timeout)
        return None

    def _release(self, index: int) -> None:
        self._state.release(index)
        self._changed.set()

    async def _read(self, texts: Texts) -> None:
        """Add texts while there is room for them."""
        async for text in _iterate(texts):
            self._outbox.append(self._state.add(text))
            self._note_sign()
            while not self._state.has_room:
                await self._wait_for_change()
        self._state.is_exhausted = True
        self._changed.set()

    def _begin(self) -> "_Call":
        request_id = new_request_id()
        responses = self._stub.TranslateStream(metadata=self._connection.metadata(request_id))
        self._outbox = deque(self._state.unanswered())
        self._is_accepted = False
        return _Call(request_id, responses, asyncio.ensure_future(self._send(responses)))

    async def _send(self, responses: Any) -> None:
        """Send the unanswered texts and then the added ones, as fast as the server takes them. Waits first until the
        server has accepted the configuration: otherwise the reason of a refusal could be lost, see `_Call`."""
        with suppress(grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):  # the receiver learns why
            await responses.write(self._config)
            while not (self._is_accepted or self._state.is_complete):
                await self._wait_for_change()
            while True:
                while self._outbox:
                    await responses.write(self._take_group())
                if self._state.is_exhausted:
                    break
                await self._wait_for_change()
            await responses.done_writing()

    def _take_group(self) -> pb.TranslateStreamRequest:
        """Pack waiting texts into one message."""
        items: list[pb.TranslateStreamItem] = []
        length = 0
        while self._outbox and len(items) < MAX_GROUP_SIZE and length < MAX_GROUP_LENGTH:
            items.append(self._outbox.popleft())
            length += len(items[-1].text)
        return pack(items)

    async def _receive(self, call: "_Call") -> pb.TranslateStreamResponse | None:
        """The next message; None if the call or the texts have ended. Raises the errors of reading the texts."""
        assert self._reading is not None
        if not call.receiving.done():
            expected: set[asyncio.Future[Any]] = {call.receiving}
            if not self._reading.done():
                expected.add(self._reading)
            await asyncio.wait(expected, timeout=self._connection.timeout, return_when=asyncio.FIRST_COMPLETED)
        if self._reading.done():
            self._reading.result()
        if call.receiving.done():
            self._note_sign()
            return call.take_received()
        if self._state.is_waiting and time.monotonic() - self._last_sign >= self._connection.timeout:
            raise explain_silence(self._connection, call.request_id)
        return None

    def _note_sign(self) -> None:
        self._last_sign = time.monotonic()
        self._changed.set()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _close(self) -> None:
        if self._reading is not None:
            await _cancel(self._reading)
        await self._close_call()

    async def _close_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            await call.close()


class _Call:
    """One call of TranslateStream, and the tasks around it."""

    def __init__(self, request_id: str, responses: Any, sending: "asyncio.Future[None]") -> None:
        self.request_id = request_id
        self._responses = responses
        self._sending = sending
        self._ending: asyncio.Future[_Ending] = asyncio.get_running_loop().create_future()
        responses.add_done_callback(self._note_ending)
        self.receiving: asyncio.Future[Any] = asyncio.ensure_future(responses.read())
        """The next message, an error, or something else at the end."""

    def _note_ending(self, responses: Any) -> None:
        """Read the status as soon as there is one. If a message cannot be sent because the call has ended, gRPC
        replaces the status by a meaningless error of its own."""
        if not self._ending.done():
            self._ending.set_result(_Ending(_run(responses.code()), _run(responses.details())))

    async def ending(self) -> "_Ending | None":
        """The call's status; None if it is OK."""
        ending = await self._ending
        if ending.is_lost:
            return _Ending(grpc.StatusCode.UNAVAILABLE, "the call broke while a text was sent")
        return None if ending.code() is grpc.StatusCode.OK else ending

    def take_received(self) -> pb.TranslateStreamResponse | None:
        """The received message; None if the call has ended."""
        try:
            response = self.receiving.result()
        except (grpc.RpcError, asyncio.CancelledError):
            return None
        if not isinstance(response, pb.TranslateStreamResponse):
            return None
        self.receiving = asyncio.ensure_future(self._responses.read())
        return response

    async def wait_for_end(self, timeout: float) -> None:
        """Wait for the call to end after its last result, so that it is not cancelled; its status does not matter."""
        await asyncio.wait({self._ending}, timeout=timeout)

    async def close(self) -> None:
        """End the call, if it is running, and the tasks."""
        self._responses.cancel()
        for task in (self._sending, self.receiving, self._ending):
            await _cancel(task)


class _Ending:
    """A call's status, with the methods that `explain` uses."""

    def __init__(self, code: grpc.StatusCode, details: str | None) -> None:
        self._code, self._details = code, details or ""

    @property
    def is_lost(self) -> bool:
        """Whether the status is gRPC's own and not the server's."""
        return self._code is grpc.StatusCode.INTERNAL and self._details == _LOST_STATUS

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


def _run(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: Value = stop.value
        return value
    raise RuntimeError("the coroutine waits")


async def _iterate(texts: Texts) -> AsyncIterator[str]:
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text


async def _cancel(task: "asyncio.Future[Any]") -> None:
    """Cancel a task and ignore its error."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
