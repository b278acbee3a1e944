"""Makes hostile calls and judges the answers."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.benchmarks.service.hostile_calls import METHODS, HostileCall, Method, make_call

DEADLINE_SECONDS = 120.0
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
        elif code in IMPROPER or not _fits(code, call):
            self.num_improper += 1
        else:
            return
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"call {number}, {call.path}: {code.name} {details}"[:400])


def _fits(code: grpc.StatusCode, call: HostileCall) -> bool:
    """Whether UNIMPLEMENTED is answered where it should be. Of Google's methods much that can be asked for is not
    offered."""
    if call.path.startswith("/google."):
        return True
    return (code is grpc.StatusCode.UNIMPLEMENTED) != call.is_known


def make_hostile_calls(
    address: str,
    numbers: Iterable[int],
    *,
    seed: int,
    methods: Sequence[Method] = METHODS,
    num_callers: int = 32,
) -> Findings:
    """The calls of these numbers, several at once.

    On threads, because grpc.aio's client takes its own failure to send to a stream that has ended for its status.
    """
    findings = Findings()
    waiting = iter(numbers)
    lock = threading.Lock()

    def call_on(channel: grpc.Channel) -> None:
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            call = make_call(seed, number, methods)
            code, details = _answer(channel, call)
            with lock:
                findings.judge(number, call, code, details)

    with ThreadPoolExecutor(num_callers) as pool, ExitStack() as stack:
        channels = [
            stack.enter_context(grpc.insecure_channel(address, options=_OPTIONS))
            for _ in range(max(1, num_callers // 8))
        ]
        for caller in [pool.submit(call_on, channels[index % len(channels)]) for index in range(num_callers)]:
            caller.result()
    return findings


def _answer(channel: grpc.Channel, call: HostileCall) -> tuple[grpc.StatusCode, str]:
    """The status of a call and its message, when all of its answers are read."""
    timeout = DEADLINE_SECONDS if call.ends_sending else OPEN_STREAM_SECONDS
    method: Any = getattr(channel, call.shape)(call.path)  # bytes in, bytes out
    if call.shape == "unary_unary":
        running = method.future(call.messages[0], timeout=timeout, metadata=call.metadata)
        return running.code(), running.details() or ""
    ended = threading.Event()
    request = call.messages[0] if call.shape == "unary_stream" else _send(call, ended)
    running = method(request, timeout=timeout, metadata=call.metadata)
    try:
        for _ in running:
            if call.cancels:
                running.cancel()
    except grpc.RpcError:
        pass  # its status is what counts
    finally:
        ended.set()
    return running.code(), running.details() or ""


def _send(call: HostileCall, ended: threading.Event) -> Iterator[bytes]:
    yield from call.messages
    if not call.ends_sending:
        ended.wait()
