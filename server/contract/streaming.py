"""TranslateStream: any number of texts through one call, in constant memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext
from dragoman.server.contract.answers import write_failure, write_outcomes
from dragoman.server.scheduling.worker import TextFailure, WorkerClosedError
from dragoman.server.translating.preparing import ReadyText, check_number
from dragoman.server.translating.session import Session
from dragoman.v1 import translation_pb2 as pb

MIN_WINDOW, MAX_WINDOW = 64, 1024
"""Limits of the number of texts in flight of one stream."""

MAX_WINDOW_BYTES = 16 * 1024 * 1024
"""Approximate limit of the size of texts in flight, their pieces and answers. A single text may exceed it."""

MAX_CHUNK_WORK = 20_000
"""Work of a message's texts that are prepared at a time, see `Session.work`; a single text may exceed it."""

GATHER_SECONDS = 0.02
"""Least interval between messages of results, in which results are gathered. The first message is sent at once."""

MAX_GROUP_BYTES = 256 * 1024
"""Size of the results in a message; a single result may exceed it."""

_MESSAGE_BYTES = 64
"""Upper bound of a message's overhead for a single result."""

_ITEM_BYTES = 8
"""Upper bound of the overhead of each further result."""

Write: TypeAlias = Callable[[pb.TranslateStreamResponse], Awaitable[None]]


class Window:
    """The texts of a stream in flight: read, but not yet answered."""

    def __init__(self, max_texts: int, max_bytes: int) -> None:
        self._max_texts = max_texts
        self._max_bytes = max_bytes
        self._num_texts = 0
        self._num_bytes = 0
        self._changed = asyncio.Event()

    async def enter(self, num_bytes: int) -> None:
        """Wait until there is room for a text of `num_bytes`, and count it."""
        while self._num_texts and self._num_bytes + num_bytes > self._max_bytes:
            await self._wait()
        self._num_texts += 1
        self._num_bytes += num_bytes

    def leave(self, num_bytes: int) -> None:
        """Note that a text was answered."""
        self._num_texts -= 1
        self._num_bytes -= num_bytes
        self._changed.set()

    async def wait_for_room(self) -> None:
        """Wait until another text may be read."""
        while self._num_texts >= self._max_texts or self._num_bytes >= self._max_bytes:
            await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class TextStream:
    """One call of TranslateStream after its first message."""

    def __init__(
        self,
        requests: AsyncIterator[pb.TranslateStreamRequest],
        write: Write,
        session: Session,
        call: CallContext,
    ) -> None:
        """requests: the messages after the first. write: sends a message and returns when the connection has taken
        it."""
        self._requests = requests
        self._send = write
        self._session = session
        self._call = call
        self._names_models = not session.model[0]
        self._window = Window(min(max(2 * session.num_slots, MIN_WINDOW), MAX_WINDOW), MAX_WINDOW_BYTES)
        self._found: deque[tuple[pb.TranslateStreamResult, int]] = deque()  # with its size in the window
        self._writing: asyncio.Task[None] | None = None  # gRPC takes one message at a time
        self._last_written = -GATHER_SECONDS
        self._reading: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def run(self) -> None:
        """Answer all texts. Cancelling it gives up the texts in flight.

        Raises InvalidInputError for an unexpected message, WorkerClosedError after `stop_reading`, and the errors of
        `Worker.translate_when_room`.
        """
        await self._send(pb.TranslateStreamResponse(started=write_started(self._session)))
        try:
            async with asyncio.TaskGroup() as tasks:
                if not self._is_stopped:
                    self._reading = tasks.create_task(self._read(tasks))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._is_stopped:
            raise WorkerClosedError("the server is shutting down; what was not answered was not translated")

    def stop_reading(self) -> None:
        """End the call when the texts that were read are answered, because the server shuts down."""
        self._is_stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        async for request in self._requests:
            if request.HasField("config"):
                raise InvalidInputError("config: is for the first message alone")
            if not request.items.items:
                raise InvalidInputError("items: every message but the first must bring some")
            await self._take(request.items.items, tasks)

    async def _take(self, items: Sequence[pb.TranslateStreamItem], tasks: asyncio.TaskGroup) -> None:
        check_number("items", len(items), self._session.limits)
        for chunk in self._chunks(items):
            outcomes = await self._session.prepare_each([item.text for item in chunk])
            for item, outcome in zip(chunk, outcomes, strict=True):
                num_bytes = len(item.text)
                if isinstance(outcome, ReadyText):
                    num_bytes = outcome.num_bytes + self._session.estimate(outcome)
                await self._window.enter(num_bytes)
                tasks.create_task(self._answer(item.id, outcome, num_bytes, tasks))
                await self._window.wait_for_room()

    def _chunks(self, items: Iterable[pb.TranslateStreamItem]) -> Iterator[list[pb.TranslateStreamItem]]:
        """Split items into chunks of bounded work: prepared texts take far more memory than their characters."""
        chunk: list[pb.TranslateStreamItem] = []
        work = 0
        for item in items:
            more = self._session.work(item.text)
            if chunk and work + more > MAX_CHUNK_WORK:
                yield chunk
                chunk, work = [], 0
            chunk.append(item)
            work += more
        if chunk:
            yield chunk

    async def _answer(
        self, item_id: int, ready: ReadyText | TextFailure, num_bytes: int, tasks: asyncio.TaskGroup
    ) -> None:
        session = self._session
        outcome = ready if isinstance(ready, TextFailure) else await session.translate_when_room(ready, self._call)
        (translation,) = await write_outcomes([outcome], session.order.wanted, names_models=self._names_models)
        self._found.append((self._fitting(pb.TranslateStreamResult(id=item_id, translation=translation)), num_bytes))
        if self._writing is None:
            self._writing = tasks.create_task(self._write_found())

    async def _write_found(self) -> None:
        """Write results until none is left."""
        clock = asyncio.get_running_loop().time
        try:
            while self._found:
                # At least one turn of the loop, so that results of the same step share a message.
                await asyncio.sleep(max(0.0, self._last_written + GATHER_SECONDS - clock()))
                await self._write_group()
                if not self._found:  # results that did not fit are sent without another pause
                    self._last_written = clock()
        finally:
            self._writing = None

    def _fitting(self, result: pb.TranslateStreamResult) -> pb.TranslateStreamResult:
        """The result, or an error if it is too large for a message."""
        num_bytes = result.ByteSize() + _MESSAGE_BYTES
        max_bytes = self._session.limits.max_message_bytes
        if num_bytes <= max_bytes:
            return result
        reason = f"its answer has {num_bytes} bytes, but a message may have at most {max_bytes}"
        return pb.TranslateStreamResult(
            id=result.id, translation=pb.Translation(error=write_failure(TextFailure(reason)))
        )

    async def _write_group(self) -> None:
        """Send the first result and as many more as fit into the same message."""
        response = pb.TranslateStreamResponse()
        num_of_window: list[int] = []
        max_bytes = min(MAX_GROUP_BYTES, self._session.limits.max_message_bytes - _MESSAGE_BYTES)
        while self._found:
            result, num_bytes = self._found[0]
            max_bytes -= result.ByteSize() + _ITEM_BYTES
            if num_of_window and max_bytes < 0:
                break
            self._found.popleft()
            response.results.append(result)
            num_of_window.append(num_bytes)
        await self._send(response)
        for num_bytes in num_of_window:
            self._window.leave(num_bytes)


def write_started(session: Session) -> pb.TranslateStreamStarted:
    """The model and source language of a stream."""

    model, revision = session.model
    return pb.TranslateStreamStarted(model=model, source_language_code=session.source_language, revision=revision)
