"""Makes hostile calls and judges the answers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.benchmarks.service.hostile_calls import METHODS, HostileCall, Method, make_call

DEADLINE_SECONDS = 60.0
"""A call that is not answered by then hangs."""

OPEN_STREAM_SECONDS = 0.5
"""The deadline of a stream whose client never closes its side."""

MAX_EXAMPLES = 50

IMPROPER = frozenset(
    {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS}
)
"""Whatever was sent: the server failed, or is gone. The client's own library answers a message that it cannot read
with INTERNAL; then the server sent nonsense."""

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
)


@dataclass(slots=True)
class Findings:
    """answers: by status. hangs, improper: calls by their number and what came of them, the first ones."""

    answers: Counter[str] = field(default_factory=Counter)
    num_hangs: int = 0
    num_improper: int = 0
    examples: list[str] = field(default_factory=list)

    def judge(self, number: int, call: HostileCall, code: grpc.StatusCode, details: str) -> None:
        self.answers[code.name] += 1
        may_time_out = not call.ends_sending
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and not may_time_out:
            self.num_hangs += 1
        elif code in IMPROPER or (code is grpc.StatusCode.UNIMPLEMENTED) == call.is_known:
            self.num_improper += 1
        else:
            return
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"call {number}, {call.path}: {code.name} {details}"[:400])


async def make_hostile_calls(
    address: str,
    numbers: Iterable[int],
    *,
    seed: int,
    methods: Sequence[Method] = METHODS,
    num_callers: int = 32,
    metadata: Sequence[tuple[str, str]] = (),
) -> Findings:
    """The calls of these numbers, several at once. metadata: goes with every call that has no authorization of its
    own."""
    findings = Findings()
    waiting = iter(numbers)
    channels = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(max(1, num_callers // 8))]

    async def call_on(channel: grpc.aio.Channel) -> None:
        for number in waiting:
            call = make_call(seed, number, methods)
            findings.judge(number, call, *await _answer(channel, call, metadata))

    try:
        await asyncio.gather(*(call_on(channels[index % len(channels)]) for index in range(num_callers)))
    finally:
        for channel in channels:
            await channel.close()
    return findings


async def _answer(
    channel: grpc.aio.Channel, call: HostileCall, metadata: Sequence[tuple[str, str]]
) -> tuple[grpc.StatusCode, str]:
    """The status of a call and its message, when all of its answers are read."""
    timeout = DEADLINE_SECONDS if call.ends_sending else OPEN_STREAM_SECONDS
    own = {name for name, _ in call.metadata}
    sent = (*call.metadata, *(pair for pair in metadata if pair[0] not in own))
    method: Any = getattr(channel, call.shape)(call.path)  # bytes in, bytes out
    request = call.messages[0] if call.shape != "stream_stream" else _send(call)
    running = method(request, timeout=timeout, metadata=sent)
    try:
        if call.shape == "unary_unary":
            await running
        else:
            async for _ in running:
                if call.cancels:
                    running.cancel()
                    break
    except grpc.aio.AioRpcError:
        pass  # its status is what counts
    except asyncio.CancelledError:
        if not running.cancelled():  # it is this task that somebody cancelled
            raise
    return await running.code(), await running.details() or ""


async def _send(call: HostileCall) -> AsyncIterator[bytes]:
    for message in call.messages:
        yield message
    if not call.ends_sending:
        await asyncio.sleep(2 * OPEN_STREAM_SECONDS)
