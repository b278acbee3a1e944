"""TranslateCalls: calls of one text each, with equal options, over one stream. Each is a call of its own for quotas,
log, metrics and traces; only the messages are shared."""

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cache

from google.rpc import code_pb2  # type: ignore[import-untyped]

from dragoman.model.errors import InvalidInputError
from dragoman.server.access.quotas import QuotaError
from dragoman.server.call_context import CallContext, choose_request_id
from dragoman.server.contract.methods import Methods
from dragoman.server.scheduling.worker import WorkerClosedError
from dragoman.server.telemetry import Monitor
from dragoman.server.translating.faults import UNFORESEEN, Fault, fault_of, retry_milliseconds
from dragoman.server.translating.orders import TranslationOrder
from dragoman.server.translating.preparing import check_number
from dragoman.v1 import translation_pb2 as pb

METHOD = "dragoman.v1.TranslationService/Translate"
"""The method as which each call is reported."""

MAX_IN_FLIGHT = 1024
"""Most calls of a stream that have begun and whose results are not sent; then no more are read."""

MAX_GROUP_BYTES = 256 * 1024
"""Size of the results in a message; a single result may exceed it."""

LATE_SECONDS = 0.05
"""A client gives up a call at its deadline, and perhaps that much before the server's."""

_RESULT_BYTES = 32
"""Upper bound of a message's and a result's overhead."""

logger = logging.getLogger(__name__)


class CallStream:
    """One call of TranslateCalls after its configuration was read."""

    def __init__(
        self,
        requests: AsyncIterator[pb.TranslateCallsRequest],
        write: Callable[[pb.TranslateCallsResponse], Awaitable[None]],
        order: TranslationOrder,
        methods: Methods,
        monitor: Monitor,
        stream: CallContext,
    ) -> None:
        """requests: the messages after the first. write: sends a message and returns when the connection has taken it.
        stream: the call that carries the others; its quota counts it as one running call, and so the first of them."""
        self._requests = requests
        self._send = write
        self._order = order
        self._methods = methods
        self._monitor = monitor
        self._stream = stream
        self._limits = methods.translating.limits
        self._running: dict[int, asyncio.Task[None]] = {}
        self._num_counted = 0  # by the quota
        self._found: deque[pb.TranslateCallResult] = deque()
        self._writing: asyncio.Task[None] | None = None  # a connection takes one message at a time
        self._has_room = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def run(self, first: pb.TranslateCallsRequest) -> None:
        """Answer all calls. Cancelling it cancels those that run. first: the message with the configuration.

        Raises InvalidInputError for an unexpected message and WorkerClosedError after `stop_reading`.
        """
        await self._send(pb.TranslateCallsResponse(server=name_of_process(os.getpid())))
        try:
            async with asyncio.TaskGroup() as tasks:
                self._begin(first.calls, tasks)
                if not self._is_stopped:
                    self._reading = tasks.create_task(self._read(tasks))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._is_stopped:
            raise WorkerClosedError("the server is shutting down")

    def stop_reading(self) -> None:
        """End the stream when the calls that were read are answered, because the server shuts down."""
        self._is_stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        async for request in self._requests:
            if request.HasField("config"):
                raise InvalidInputError("config: is for the first message alone")
            for call_id in request.cancelled_ids:
                if call_id in self._running:
                    self._running[call_id].cancel()
            self._begin(request.calls, tasks)
            while len(self._running) + len(self._found) >= MAX_IN_FLIGHT:
                self._has_room.clear()
                await self._has_room.wait()

    def _begin(self, messages: Sequence[pb.TranslateCall], tasks: asyncio.TaskGroup) -> None:
        check_number("calls", len(messages), self._limits)
        for message in messages:
            if message.id in self._running:
                raise InvalidInputError(f"calls: the id {message.id} is that of a call that is still running")
            self._running[message.id] = tasks.create_task(self._answer(message, time.monotonic(), tasks))

    async def _answer(self, message: pb.TranslateCall, begun: float, tasks: asyncio.TaskGroup) -> None:
        """Run one call and keep its result for a message."""
        result = pb.TranslateCallResult(id=message.id)
        try:
            await self._report(message, begun, result)
        finally:
            del self._running[message.id]
            self._has_room.set()
        self._found.append(result)
        if self._writing is None:
            self._writing = tasks.create_task(self._write_found())

    async def _report(self, message: pb.TranslateCall, begun: float, result: pb.TranslateCallResult) -> None:
        """Run one call in a context of its own, report it, and fill its result."""
        stream, seconds = self._stream, message.timeout_milliseconds / 1000
        deadline = begun + seconds if seconds > 0 else None
        call = CallContext(
            stream.client,
            choose_request_id(message.request_id),
            deadline,
            stream.max_priority,
            stream.identity,
            stream.allowance,
            METHOD,
            begun,
        )
        self._monitor.call_started(call, {})
        code, explanation = "CANCELLED", ""
        try:
            await self._translate(message.text, call, result)
            code = "OK"
        except asyncio.CancelledError:
            if deadline is not None and time.monotonic() >= deadline - LATE_SECONDS:
                code = "DEADLINE_EXCEEDED"
            raise
        except Exception as error:
            if isinstance(error, QuotaError):
                self._monitor.call_refused(error.reason)
            fault = fault_of(error)
            if fault is None:
                logger.error("%s failed", METHOD, exc_info=error)
                fault = Fault("INTERNAL", UNFORESEEN, "INTERNAL")
            code, explanation = fault.code, fault.message
            _write_error(result.error, error, fault)
        finally:
            self._monitor.call_ended(call, code, explanation)

    async def _translate(self, text: str, call: CallContext, result: pb.TranslateCallResult) -> None:
        """Translate a call's text within the caller's quotas."""
        if self._num_counted:  # the stream itself is counted as the first
            call.allowance.begin_call()
        self._num_counted += 1
        try:
            call.allowance.require(call.count([text]))
            response = await self._methods.translate_texts(self._order, [text], call)
            call.model = response.model
            result.response.CopyFrom(response)
        finally:
            self._num_counted -= 1
            if self._num_counted:
                call.allowance.end_call()

    async def _write_found(self) -> None:
        """Write results until none is left."""
        try:
            while self._found:
                await asyncio.sleep(0)  # results of the same step share a message
                await self._send(self._take_group())
                self._has_room.set()
        finally:
            self._writing = None

    def _take_group(self) -> pb.TranslateCallsResponse:
        """The first result and as many more as fit into the same message."""
        response = pb.TranslateCallsResponse()
        max_bytes = min(MAX_GROUP_BYTES, self._limits.max_message_bytes) - _RESULT_BYTES
        while self._found:
            max_bytes -= self._found[0].ByteSize() + _RESULT_BYTES
            if response.results and max_bytes < 0:
                break
            response.results.append(self._found.popleft())
        return response


@cache
def name_of_process(pid: int) -> str:
    """Name of this process, by which a client knows whether two streams end here. A forked one has its own."""
    return f"{pid}-{secrets.token_hex(8)}"


def _write_error(message: pb.CallError, error: Exception, fault: Fault) -> None:
    message.code = code_pb2.Code.Value(fault.code)
    message.message = fault.message
    message.reason = fault.reason
    hint = retry_milliseconds(error, fault)
    if hint is not None:
        message.retry_milliseconds = hint
