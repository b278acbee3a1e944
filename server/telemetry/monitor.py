"""The facade of metrics, log and traces: the interceptor reports calls, the workers report sentences."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.server.call_context import CallContext
from dragoman.server.config import LogConfig, MetricsConfig, TracesConfig
from dragoman.server.telemetry.logs import LogWriter, log_call
from dragoman.server.telemetry.metrics import Metrics, MetricsPort
from dragoman.server.telemetry.traces import Tracer, make_tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

MAX_MESSAGE_LENGTH = 500
"""Maximal number of characters of a status message in the log."""

_FAULTS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
"""Codes that mean a fault of the server."""

logger = logging.getLogger(__name__)


class Monitor:
    """Observes a server; also a `server.scheduling.worker.WorkerObserver`.

    `start` and `stop` bracket the server's life; calls before and after are only counted. Calls are reported on the
    event loop, sentences on any thread.
    """

    def __init__(
        self,
        metrics: MetricsConfig,
        log: LogConfig,
        traces: TracesConfig,
        statistics: Callable[[], Iterable[tuple[str, EngineStatistics, int]]],
        *,
        clock: Callable[[], float] = time.monotonic,
        log_stream: TextIO | None = None,
        span_exporter: "SpanExporter | None" = None,
        scrape_all: Callable[[], bytes] | None = None,
    ) -> None:
        """statistics: returns for each served model its name, its engine's statistics and the number of waiting
        sentences; called at each scrape, on a thread of its own.
        clock: seconds. log_stream: by default standard error. span_exporter: instead of the one to the endpoint.
        scrape_all: the metrics of several processes, of which this is one.

        Raises DragomanError if traces are configured and their packages are missing.
        """
        self._clock = clock
        self._scrape_all = scrape_all
        self._keeps_texts = log.texts
        self._metrics = Metrics(statistics)
        self._port = None if metrics.listen is None else MetricsPort(metrics.listen, self._metrics.registry)
        self._log = LogWriter(log.format, log.level, log_stream, on_dropped=self._metrics.log_line_dropped)
        self._tracer: Tracer | None = make_tracer(traces, span_exporter)

    def scrape(self) -> bytes:
        """All metrics as a scrape gets them, of all processes; for any thread. Raises TimeoutError."""
        return self.write_metrics() if self._scrape_all is None else self._scrape_all()

    def write_metrics(self) -> bytes:
        """The metrics of this process; for any thread."""
        return self._metrics.write()

    @property
    def metrics_address(self) -> str:
        """HOST:PORT of the metrics with the actual port, after `start`; empty without metrics."""
        return "" if self._port is None else self._port.address

    def start(self) -> None:
        """Open the metrics' port and take over the process' log. Raises DragomanError if the port cannot be opened."""
        if self._port is not None:
            self._port.start()
        self._log.start()

    def stop(self) -> None:
        """Flush and close everything; may be called twice. Blocks."""
        if self._tracer is not None:
            self._tracer.stop()
        self._log.stop()
        if self._port is not None:
            self._port.stop()

    # Calls, reported by the interceptor.

    def call_started(self, call: CallContext, metadata: Mapping[str, str]) -> None:
        """metadata: the caller's, which may name a trace."""
        if self._keeps_texts:
            call.texts = []
        if self._tracer is not None and not call.is_health_check:
            self._tracer.begin(call, metadata)
        self._metrics.call_started(call)

    def call_refused(self, reason: str) -> None:
        """A call was refused by the interceptor. reason: a constant word."""
        self._metrics.call_refused(reason)

    def call_ended(self, call: CallContext, code: str, message: str = "") -> None:
        """code: name of the status code, such as "OK". message: of the status."""
        seconds = self._clock() - call.started_at
        self._metrics.call_ended(call, code, seconds)
        if message and not self._keeps_texts:
            message = without_quotations(message)
        if self._tracer is not None and call.span is not None:
            self._tracer.end(call, code, message)
        level = logging.ERROR if code in _FAULTS else logging.DEBUG if call.is_health_check else logging.INFO
        if logger.isEnabledFor(level):
            log_call(logger, level, message[:MAX_MESSAGE_LENGTH] or "answered", _describe(call, code, seconds))

    # Sentences, reported by the workers.

    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        """A sentence left the queue."""
        self._metrics.admitted(model, priority, queue_seconds)

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        """The first piece of a sentence's translation is decoded."""
        self._metrics.first_token(model, seconds_since_submitted)

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        """A sentence is translated."""
        self._metrics.finished(model, seconds_since_submitted)

    def dropped(self, model: str, reason: str) -> None:
        """A sentence was given up: "cancelled", "deadline", "failed", "lost", "refused" or "quarantined"."""
        self._metrics.dropped(model, reason)

    def quarantined(self, model: str) -> None:
        """A sentence ended or hung an engine."""
        self._metrics.quarantined(model)

    def warned(self, model: str, kind: str) -> None:
        """A translation has a warning. kind: such as "figure_differs"."""
        self._metrics.warned(model, kind)

    def retried(self, model: str, number: int) -> None:
        """number: of sentences, or parts of them, that are translated in another way."""
        self._metrics.retried(model, number)

    def memory_hit(self, kind: str) -> None:
        """A text needed no model. kind: "repeat" or "approved". On any thread."""
        self._metrics.memory_hit(kind)

    # The server's own events.

    def model_loaded(self, model: str, revision: str) -> None:
        """A model, or a new revision of it, is now served."""
        self._metrics.model_loaded(model, revision)

    def model_unloaded(self, model: str) -> None:
        """A model is no longer served."""
        self._metrics.model_unloaded(model)

    def reload_ended(self, model: str, outcome: str) -> None:
        """A changed bundle was tried. outcome: "replaced" or "failed"."""
        self._metrics.reload_ended(model, outcome)

    def load_ended(self, model: str, seconds: float) -> None:
        """A model was loaded and tried."""
        self._metrics.load_ended(seconds)

    def model_evicted(self, model: str) -> None:
        """A model was unloaded to make room for others."""
        self._metrics.model_evicted(model)

    def memory_measured(self, num_bytes: int) -> None:
        """num_bytes: of the server and its engine processes."""
        self._metrics.memory_measured(num_bytes)

    def models_retired(self, number: int) -> None:
        """number: of replaced models that still have calls."""
        self._metrics.models_retired(number)

    def certificate_loaded(self, expiry: float) -> None:
        """expiry: of the server's certificate, in seconds since the epoch. For `make_credentials`."""
        self._metrics.certificate_loaded(expiry)


def without_quotations(message: str) -> str:
    """A status message without its quotation, which may be a caller's text.

    The quotation may itself contain quotation marks, and may reach to the end of a message that was cut.
    """
    first, last = message.find('"'), message.rfind('"')
    if first < 0:
        return message
    is_cut = first == last or message.endswith("…")
    return f'{message[:first]}"…"' + ("" if is_cut else message[last + 1 :])


def _describe(call: CallContext, code: str, seconds: float) -> dict[str, object]:
    """A call's fields in the log, in order."""
    fields: dict[str, object] = {"request_id": call.request_id, "client": call.client, "method": call.method}
    if call.model:
        fields["model"] = call.model
    fields |= {"code": code, "milliseconds": round(seconds * 1000, 3)}
    if call.timing.queue_seconds is not None:
        fields["queue_milliseconds"] = round(call.timing.queue_seconds * 1000, 3)
    if call.num_texts:
        fields |= {"texts": call.num_texts, "characters": call.num_characters}
    if call.texts:
        fields["source_texts"] = call.texts
    return fields
