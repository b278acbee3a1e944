"""Traces of calls: what a span says, whose trace it is part of, and that it reaches a collector."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dragoman.model.errors import DragomanError
from dragoman.server.config import LogConfig, MetricsConfig, TracesConfig
from dragoman.server.telemetry import Monitor
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import PATIENCE
from tests.server.grpc.serving import SERVICE, run, serving
from tests.server.telemetry.scraping import begin_call

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_is_a_span_of_its_callers_trace() -> None:
    exporter = InMemorySpanExporter()

    async def test() -> None:
        async with serving(exporter=exporter) as at:
            metadata = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "mine"))
            await at.stub.Translate(pb.TranslateRequest(texts=["ab", "c"]), metadata=metadata)
            assert await at.stub.Translate(pb.TranslateRequest(texts=["crash"])).code() is grpc.StatusCode.INTERNAL
            assert await at.check_health() == 1

    run(test())
    first, second = exporter.get_finished_spans()
    assert first.name == f"{SERVICE}/Translate"
    assert first.kind is SpanKind.SERVER
    assert first.parent is not None
    assert (f"{first.context.trace_id:032x}", f"{first.parent.span_id:016x}") == (TRACE, PARENT)
    found = attributes_of(first)
    assert found.pop("dragoman.client").startswith("ipv4:")
    assert found == {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": "Translate",
        "rpc.response.status_code": "OK",
        "dragoman.request_id": "mine",
        "dragoman.model": "en-de",
        "dragoman.texts": 2,
        "dragoman.characters": 3,
    }
    assert first.status.status_code is StatusCode.UNSET
    assert second.parent is None
    assert second.status.status_code is StatusCode.ERROR
    assert first.resource.attributes["service.name"] == "dragoman"


def test_a_caller_may_refuse_to_be_sampled_but_not_ask_for_more() -> None:
    for ratio, flags, expected in ((0.0, "01", 0), (1.0, "01", 1), (1.0, "00", 0)):
        exporter = InMemorySpanExporter()
        traces = TracesConfig(sample_ratio=ratio)
        monitor = Monitor(MetricsConfig(), LogConfig(), traces, lambda: [], span_exporter=exporter)
        parent = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
        monitor.call_ended(begin_call(monitor, "a/b", parent), "OK")
        monitor.stop()
        assert len(exporter.get_finished_spans()) == expected


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    exporter = InMemorySpanExporter()
    monitor = Monitor(MetricsConfig(), LogConfig(), TracesConfig(), lambda: [], span_exporter=exporter)
    monitor.call_ended(begin_call(monitor, "a/b"), "OK")
    monitor.stop()
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "ours"


def test_a_share_of_the_other_calls_is_sampled() -> None:
    for ratio, expected in ((0.0, 0), (1.0, 1)):
        exporter = InMemorySpanExporter()
        traces = TracesConfig(sample_ratio=ratio)
        monitor = Monitor(MetricsConfig(), LogConfig(), traces, lambda: [], span_exporter=exporter)
        for metadata in ({}, {"traceparent": "nonsense"}):
            monitor.call_ended(begin_call(monitor, "a/b", metadata), "OK")
        monitor.stop()
        assert len(exporter.get_finished_spans()) == 2 * expected


def test_without_an_endpoint_nothing_is_traced_and_nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    monitor = Monitor(MetricsConfig(), LogConfig(), TracesConfig(), lambda: [])
    assert begin_call(monitor, "a/b").span is None
    with pytest.raises(DragomanError, match=r"traces\.endpoint: needs .* pip install 'dragoman\[telemetry\]'"):
        Monitor(MetricsConfig(), LogConfig(), TracesConfig(endpoint="http://localhost:1"), lambda: [])


def test_queue_and_decoding_are_spans_inside_the_calls() -> None:
    exporter = InMemorySpanExporter()
    monitor = Monitor(MetricsConfig(), LogConfig(), TracesConfig(), lambda: [], span_exporter=exporter)
    call = begin_call(monitor, "a/b")
    begin = call.started_at
    call.timing.admitted(begin + 1, begin + 3)
    call.timing.admitted(begin + 1, begin + 4)
    call.timing.finished(begin + 5)
    call.timing.finished(begin + 7)
    monitor.call_ended(call, "OK")
    dropped = begin_call(monitor, "a/b")
    dropped.timing.admitted(dropped.started_at, dropped.started_at + 1)
    monitor.call_ended(dropped, "CANCELLED")
    monitor.stop()
    *parts, whole, _, queue, _ = exporter.get_finished_spans()
    seconds = {}
    for span in parts:
        assert span.parent is not None
        assert span.parent.span_id == whole.context.span_id
        assert span.start_time is not None
        assert span.end_time is not None
        seconds[span.name] = (span.end_time - span.start_time) / 1e9
    assert seconds == pytest.approx({"preparing": 1, "queue": 3, "decoding": 4})
    assert queue.name == "queue"  # of the call that was never finished: it has no span of decoding


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the names of spans."""

    def __init__(self) -> None:
        self.names: SimpleQueue[str] = SimpleQueue()

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.names.put(span.name)
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def collecting() -> Iterator[tuple[str, Collector]]:
    collector = Collector()
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # without types
        add(collector, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}", collector
        finally:
            server.stop(None).wait()


def test_spans_reach_a_collector() -> None:
    with collecting() as (endpoint, collector):
        monitor = Monitor(MetricsConfig(), LogConfig(), TracesConfig(endpoint=endpoint), lambda: [])
        monitor.call_ended(begin_call(monitor, "a/b"), "OK")
        monitor.stop()
        monitor.stop()
        assert collector.names.get(timeout=PATIENCE) == "a/b"
