"""OpenTelemetry traces of calls; needs the extra `telemetry`, which is imported only if traces are configured."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dragoman.model.errors import DragomanError
from dragoman.server.call_context import CallContext
from dragoman.server.config import TracesConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORT_SECONDS = 3.0
"""Timeout of an export: a server that stops waits no longer for a collector that is gone."""

_SERVER_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)  # a server's errors by OpenTelemetry's conventions for RPC


def make_tracer(traces: TracesConfig, exporter: "SpanExporter | None" = None) -> "Tracer | None":
    """A tracer for `exporter` or the configured endpoint; None if there is neither.

    Raises DragomanError if the extra is not installed.
    """
    if traces.endpoint is None and exporter is None:
        return None
    try:
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter(endpoint=traces.endpoint, timeout=EXPORT_SECONDS)
    except ModuleNotFoundError as error:
        raise DragomanError("traces.endpoint: needs opentelemetry: pip install 'dragoman[telemetry]'") from error
    share = TraceIdRatioBased(traces.sample_ratio)
    provider = TracerProvider(
        # A caller can lower the share of its sampled traces, but not raise it.
        sampler=ParentBased(share, remote_parent_sampled=share),
        resource=Resource({"service.name": "dragoman"}).merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracer(provider)


class Tracer:
    """A span for each call, in the caller's trace if its metadata names one (W3C Trace Context), with child spans for
    preparation, queue and decoding."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("dragoman")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, call: CallContext, metadata: Mapping[str, str]) -> None:
        """Start the call's span."""
        from opentelemetry.trace import SpanKind

        service, _, method = call.method.rpartition("/")
        call.span = self._tracer.start_span(
            call.method,
            context=self._propagator.extract(metadata),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": method,
                "dragoman.request_id": call.request_id,
                "dragoman.client": call.client,
            },
        )

    def end(self, call: CallContext, code: str, message: str) -> None:
        """End the call's span with its status."""
        from opentelemetry.trace import Status, StatusCode

        call.span.set_attribute("rpc.response.status_code", code)
        call.span.set_attribute("dragoman.texts", call.num_texts)
        call.span.set_attribute("dragoman.characters", call.num_characters)
        if call.model:
            call.span.set_attribute("dragoman.model", call.model)
        if code in _SERVER_FAULTS:
            call.span.set_status(Status(StatusCode.ERROR, message))
        self._add_parts(call)
        call.span.end()

    def _add_parts(self, call: CallContext) -> None:
        """Add child spans from the call's timing."""
        from opentelemetry.trace import set_span_in_context

        timing = call.timing
        parent = set_span_in_context(call.span)
        to_epoch = time.time_ns() - time.monotonic_ns()
        for name, begin, end in (
            ("preparing", call.started_at, timing.submitted_at),
            ("queue", timing.submitted_at, timing.last_admitted_at),
            ("decoding", timing.admitted_at, timing.finished_at),
        ):
            if begin is not None and end is not None:
                span = self._tracer.start_span(name, context=parent, start_time=round(begin * 1e9) + to_epoch)
                span.end(round(end * 1e9) + to_epoch)

    def stop(self) -> None:
        """Send the remaining spans; may be called twice."""

        self._provider.shutdown()
