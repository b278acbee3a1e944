"""A real server behind the door, with a service that does what its texts say."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.sdk.trace.export import SpanExporter

from dragoman.server.access.admission import Admission, make_admission
from dragoman.server.access.quotas import Quotas
from dragoman.server.access.tokens import TokenFile
from dragoman.server.call_context import CallContext
from dragoman.server.config import AccessConfig, LimitsConfig, LogConfig, MetricsConfig, TracesConfig
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.interceptors import Guard, make_watch_quotas
from dragoman.server.grpc.transport import server_options
from dragoman.server.telemetry import Monitor
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.fakes import PATIENCE

SERVICE = "dragoman.v1.TranslationService"
COLLECT = "/test.Collecting/Collect"
WRITE = "/test.Collecting/Write"


class ObedientService(translation_pb2_grpc.TranslationServiceServicer):
    """Echoes. The text "wait" waits for `release`, "crash" is a bug, "unavailable" is refused the first time. Score is
    left out."""

    def __init__(self) -> None:
        self.callers: list[CallContext] = []
        self.running = asyncio.Event()  # set once a text "wait" has come
        self.release = asyncio.Event()
        self.num_refused = 0

    async def _obey(self, text: str, context: Any) -> str:
        call = current_call.get()
        self.callers.append(call)
        if text == "wait":
            self.running.set()
            await self.release.wait()
        elif text == "crash":
            raise ZeroDivisionError("secret")
        elif text == "unavailable" and not self.num_refused:
            self.num_refused += 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return text

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        texts = [await self._obey(text, context) for text in request.texts]
        hypotheses = [pb.Translation(hypotheses=[pb.Hypothesis(text=text)]) for text in texts]
        return pb.TranslateResponse(model="en-de", translations=hypotheses)

    async def TranslateLive(
        self, request: pb.TranslateLiveRequest, context: Any
    ) -> AsyncIterator[pb.TranslateLiveResponse]:
        started = pb.TranslateStreamStarted(model="live")
        yield pb.TranslateLiveResponse(stable_text=await self._obey(request.text, context), started=started)
        yield pb.TranslateLiveResponse(stable_text=request.text)

    async def TranslateStream(
        self, request_iterator: AsyncIterator[pb.TranslateStreamRequest], context: Any
    ) -> AsyncIterator[pb.TranslateStreamResponse]:
        async for request in request_iterator:
            for item in request.items.items:
                await self._obey(item.text, context)
            yield pb.TranslateStreamResponse(
                results=[pb.TranslateStreamResult(id=item.id) for item in request.items.items]
            )

    async def collect(self, request_iterator: AsyncIterator[bytes], context: Any) -> bytes:
        return b",".join([message async for message in request_iterator])

    async def write(self, request_iterator: AsyncIterator[bytes], context: Any) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            await context.write(message)


class WatchedMonitor(Monitor):
    """Tells of each call that has ended."""

    def __init__(
        self, log: LogConfig, stream: io.StringIO, metrics: MetricsConfig, exporter: SpanExporter | None
    ) -> None:
        super().__init__(metrics, log, TracesConfig(), lambda: [], log_stream=stream, span_exporter=exporter)
        self.ended: asyncio.Queue[tuple[CallContext, str, str]] = asyncio.Queue()

    def call_ended(self, call: CallContext, code: str, message: str = "") -> None:
        super().call_ended(call, code, message)
        self.ended.put_nowait((call, code, message))


class Serving(NamedTuple):
    """A server that runs, and a channel to it."""

    address: str
    channel: Any  # its published types want a method's
    stub: Any
    service: ObedientService
    monitor: WatchedMonitor
    server: grpc.aio.Server

    async def next_ended(self) -> tuple[CallContext, str, str]:
        return await asyncio.wait_for(self.monitor.ended.get(), PATIENCE)

    async def check_health(self) -> int:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        return int((await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)).status)


@asynccontextmanager
async def serving(
    *,
    tokens: TokenFile | None = None,
    quotas: Quotas | None = None,
    limits: LimitsConfig | None = None,
    credentials: grpc.ServerCredentials | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    log: LogConfig | None = None,
    stream: io.StringIO | None = None,
    metrics: MetricsConfig | None = None,
    exporter: SpanExporter | None = None,
    channel_options: tuple[tuple[str, Any], ...] = (),
) -> AsyncIterator[Serving]:
    """With encryption the channel is of no use: make one with the right certificates. stream: what the log goes to."""
    limits = limits or LimitsConfig()
    admission = make_admission(AccessConfig(), limits)
    admission = Admission(tokens, quotas or admission.quotas)
    monitor = WatchedMonitor(
        log or LogConfig(format="json"),
        io.StringIO() if stream is None else stream,
        metrics or MetricsConfig(),
        exporter,
    )
    service = ObedientService()
    guard = Guard(admission, make_watch_quotas(limits), monitor, sleep=sleep)
    server = grpc.aio.server(interceptors=[guard], options=server_options(limits))
    translation_pb2_grpc.add_TranslationServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    extra: dict[str, Any] = {
        "Collect": grpc.stream_unary_rpc_method_handler(service.collect),
        "Write": grpc.stream_stream_rpc_method_handler(service.write),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Collecting", extra),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    address = f"127.0.0.1:{port}"
    monitor.start()
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address, options=channel_options) as channel:
            stub = translation_pb2_grpc.TranslationServiceStub(channel)
            yield Serving(address, channel, stub, service, monitor, server)
    finally:
        service.release.set()
        await server.stop(None)
        monitor.stop()


def run(test: Awaitable[None]) -> None:
    """Runs a test that must not take for ever."""

    async def main() -> None:
        await asyncio.wait_for(test, PATIENCE)

    asyncio.run(main())


async def refused(call: Any) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call succeeded")


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Metadata with a token."""
    return (("authorization", f"Bearer {token}"),)


def read_log(log: io.StringIO) -> list[dict[str, Any]]:
    """The lines of a log of objects."""
    return [json.loads(line) for line in log.getvalue().splitlines()]


def write_tokens(path: Path, content: str) -> None:
    """Replaces the file as a whole."""
    fresh = path.with_suffix(".new")
    fresh.write_text(content)
    fresh.replace(path)
