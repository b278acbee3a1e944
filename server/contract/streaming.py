"""TranslateStream: any number of texts through one call, in constant memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from model.decoding.request import PreparedText
from model.errors import InvalidInputError
from server.caller import Caller
from server.contract.answers import write_found
from server.contract.messages import write_failure
from server.contract.preparation import MAX_PREPARED_INLINE, Outcome
from server.contract.requests import TranslationOrder
from server.pb.dragoman.v1 import translation_pb2 as pb
from server.queueing.worker import TextFailure, WorkerClosedError

MIN_WINDOW, MAX_WINDOW = 64, 1024
"""Bounds of the texts of one stream that are in flight."""

MAX_WINDOW_BYTES = 16 * 1024 * 1024
"""Of the answers to texts in flight, about, and of these texts. A single text may exceed it."""

Write: TypeAlias = Callable[[pb.TranslateStreamResponse], Awaitable[None]]


class Window:
    """How much of a stream is in flight: read, but not yet answered."""

    def __init__(self, max_texts: int, max_bytes: int = MAX_WINDOW_BYTES) -> None:
        self._max_texts = max_texts
        self._max_bytes = max_bytes
        self._num_texts = 0
        self._num_bytes = 0
        self._changed = asyncio.Event()

    async def enter(self, num_bytes: int) -> None:
        """Returns when there is room for a text of that much."""
        while self._num_texts and self._num_bytes + num_bytes > self._max_bytes:
            await self._wait()
        self._num_texts += 1
        self._num_bytes += num_bytes

    def leave(self, num_bytes: int) -> None:
        """The text was answered."""
        self._num_texts -= 1
        self._num_bytes -= num_bytes
        self._changed.set()

    async def wait_for_room(self) -> None:
        """Returns when one more text may be read."""
        while self._num_texts >= self._max_texts or self._num_bytes >= self._max_bytes:
            await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class TextStream:
    """One call of TranslateStream after its first message."""

    def __init__(
        self, requests: AsyncIterator[pb.TranslateStreamRequest], write: Write, order: TranslationOrder, caller: Caller
    ) -> None:
        """write: sends a message, and returns when the connection has taken it."""
        self._requests = requests
        self._send = write
        self._order = order
        self._caller = caller
        num_slots = order.lease.worker.statistics().num_slots
        self._window = Window(min(max(2 * num_slots, MIN_WINDOW), MAX_WINDOW))
        self._writing = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def run(self) -> None:
        """Returns when everything is answered. Being cancelled gives all up that is in flight.

        Raises InvalidInputError for a message that does not belong there, WorkerClosedError after `stop_reading`, and
        what `Worker.translate_when_room` raises.
        """
        await self._write(pb.TranslateStreamResponse(started=self._order.started))
        try:
            async with asyncio.TaskGroup() as tasks:
                if not self._is_stopped:
                    self._reading = tasks.create_task(self._read(tasks))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._is_stopped:
            raise WorkerClosedError("the server is shutting down; what was not answered was not translated")

    def stop_reading(self) -> None:
        """Has the call end as soon as what was read is answered, because the server shuts down."""
        self._is_stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        async for request in self._requests:
            if request.WhichOneof("request") != "item":
                raise InvalidInputError(f"request: must be an item, but is {request.WhichOneof('request') or 'empty'}")
            outcome = await self._prepare(request.item.text)
            num_bytes = len(request.item.text)
            if isinstance(outcome, PreparedText):
                num_bytes += self._order.estimate(outcome)
            await self._window.enter(num_bytes)
            tasks.create_task(self._answer(request.item.id, outcome, num_bytes))
            await self._window.wait_for_room()

    async def _prepare(self, text: str) -> Outcome:
        if self._order.work(text) <= MAX_PREPARED_INLINE:
            return self._order.prepare_one(text)
        return await asyncio.to_thread(self._order.prepare_one, text)

    async def _answer(self, item_id: int, outcome: Outcome, num_bytes: int) -> None:
        if isinstance(outcome, PreparedText):
            order = self._order
            (found,) = await order.lease.worker.translate_when_room(
                [outcome], caller=self._caller, priority=order.priority
            )
        else:
            found = outcome
        if isinstance(found, TextFailure):
            translation = pb.Translation(error=write_failure(found.reason))
        else:
            translation = await write_found(found, self._order.wanted)
        await self._write(
            pb.TranslateStreamResponse(result=pb.TranslateStreamResult(id=item_id, translation=translation))
        )
        self._window.leave(num_bytes)

    async def _write(self, response: pb.TranslateStreamResponse) -> None:
        max_bytes = self._order.limits.max_message_bytes
        if response.ByteSize() > max_bytes:
            too_large = f"its answer has {response.ByteSize()} bytes, but a message may have at most {max_bytes}"
            response.result.translation.CopyFrom(pb.Translation(error=write_failure(too_large)))
        async with self._writing:  # gRPC takes one message after the other
            await self._send(response)
