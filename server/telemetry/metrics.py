"""Metrics for Prometheus, named by its guide: https://prometheus.io/docs/practices/naming/.

Labels have few values: existing methods, gRPC's codes, configured models, constants of this code.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import DragomanError
from dragoman.server.access.addresses import parse_address
from dragoman.server.call_context import CallContext
from dragoman.server.telemetry.call_metrics import CallMetrics

REQUEST_SECONDS = 10.0
"""Time after which a connection to the metrics' port without a request is closed."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds: from the answer of an idle server to a long deadline."""

Statistics = Callable[[], Iterable[tuple[str, EngineStatistics, int]]]


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self, statistics: Statistics) -> None:
        """statistics: see `Monitor`."""
        self.registry = registry = CollectorRegistry()
        self._calls = CallMetrics(BUCKETS)
        registry.register(self._calls)
        self._refused = Counter(
            "dragoman_requests_refused", "Calls refused before any work.", ["reason"], registry=registry
        )
        self._queue = Histogram(
            "dragoman_queue_seconds",
            "Time that sentences waited for a slot.",
            ["model", "priority"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._first_token = Histogram(
            "dragoman_first_token_seconds",
            "From a sentence's arrival in the queue to the first piece of its translation.",
            ["model"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._sentence = Histogram(
            "dragoman_sentence_duration_seconds",
            "From a sentence's arrival in the queue to its translation.",
            ["model"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._dropped = Counter(
            "dragoman_sentences_dropped", "Sentences given up.", ["model", "reason"], registry=registry
        )
        self._quarantined = Counter(
            "dragoman_sentences_quarantined",
            "Sentences that ended or hung an engine and are refused for a while.",
            ["model"],
            registry=registry,
        )
        self._warnings = Counter(
            "dragoman_translation_warnings", "Warnings of translations.", ["model", "kind"], registry=registry
        )
        self._retries = Counter(
            "dragoman_sentences_retried",
            "Sentences, or parts of them, translated in another way because their translation was not sound.",
            ["model"],
            registry=registry,
        )
        self._memory = Counter(
            "dragoman_memory_hits", "Texts that needed no model, as repeats or approved.", ["kind"], registry=registry
        )
        self._model = Gauge("dragoman_model_info", "1 for each model served.", ["model", "revision"], registry=registry)
        self._reloads = Counter(
            "dragoman_model_reloads", "Attempts to load a changed bundle.", ["model", "outcome"], registry=registry
        )
        self._loaded = Gauge("dragoman_models_loaded", "Models whose weights are in memory.", registry=registry)
        self._load_seconds = Histogram(
            "dragoman_model_load_seconds", "Time to load and try a model.", buckets=BUCKETS, registry=registry
        )
        self._evictions = Counter(
            "dragoman_model_evictions", "Models unloaded to make room for others.", ["model"], registry=registry
        )
        self._bytes = Gauge(
            "dragoman_memory_bytes",
            "Memory of the server and its engine processes, as compared with server.max_memory_bytes; 0 without it.",
            registry=registry,
        )
        self._retired = Gauge("dragoman_models_retired", "Replaced models that still have calls.", registry=registry)
        self._expiry = Gauge(
            "dragoman_certificate_expiry_timestamp_seconds",
            "Expiry of the server's certificate in seconds since the epoch; 0 without one.",
            registry=registry,
        )
        self._log_dropped = Counter(
            "dragoman_log_lines_dropped", "Log lines dropped because their reader is too slow.", registry=registry
        )
        # Finding a metric by its labels takes longer than counting.
        self._queue_of, self._first_token_of, self._sentence_of = (
            cache(metric.labels) for metric in (self._queue, self._first_token, self._sentence)
        )
        self._revisions: dict[str, str] = {}
        registry.register(_EngineCollector(statistics))
        ProcessCollector(registry=registry)

    def write(self) -> bytes:
        """The text of a scrape."""
        return generate_latest(self.registry)

    def call_started(self, call: CallContext) -> None:
        """A call has started."""
        self._calls.started(call)

    def call_refused(self, reason: str) -> None:
        """A call was refused."""
        self._refused.labels(reason).inc()

    def call_ended(self, call: CallContext, code: str, seconds: float) -> None:
        """A call that had started ended."""
        self._calls.ended(call, code, seconds)

    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        """A sentence left the queue."""
        self._queue_of(model, priority).observe(queue_seconds)

    def first_token(self, model: str, seconds: float) -> None:
        """A sentence's first piece is decoded."""
        self._first_token_of(model).observe(seconds)

    def finished(self, model: str, seconds: float) -> None:
        """A sentence is translated."""
        self._sentence_of(model).observe(seconds)

    def dropped(self, model: str, reason: str) -> None:
        """A sentence was given up."""
        self._dropped.labels(model, reason).inc()

    def quarantined(self, model: str) -> None:
        """A sentence ended or hung an engine."""
        self._quarantined.labels(model).inc()

    def warned(self, model: str, kind: str) -> None:
        """A translation has a warning."""
        self._warnings.labels(model, kind).inc()

    def memory_hit(self, kind: str) -> None:
        """A text needed no model."""
        self._memory.labels(kind).inc()

    def retried(self, model: str, number: int) -> None:
        """number: of sentences, or parts of them, that are translated in another way."""
        self._retries.labels(model).inc(number)

    def model_loaded(self, model: str, revision: str) -> None:
        """A model, or a new revision of it, is now served."""
        self.model_unloaded(model)
        self._model.labels(model, revision).set(1)
        self._revisions[model] = revision
        self._loaded.set(len(self._revisions))

    def model_unloaded(self, model: str) -> None:
        """A model is no longer served: its series ends."""
        if model in self._revisions:
            self._model.remove(model, self._revisions.pop(model))
            self._loaded.set(len(self._revisions))

    def load_ended(self, seconds: float) -> None:
        """A model was loaded."""
        self._load_seconds.observe(seconds)

    def model_evicted(self, model: str) -> None:
        """A model was unloaded."""
        self._evictions.labels(model).inc()

    def memory_measured(self, num_bytes: int) -> None:
        """num_bytes: of all processes."""
        self._bytes.set(num_bytes)

    def reload_ended(self, model: str, outcome: str) -> None:
        """A changed bundle was tried."""
        self._reloads.labels(model, outcome).inc()

    def models_retired(self, number: int) -> None:
        """number: of replaced models that still have calls."""
        self._retired.set(number)

    def certificate_loaded(self, expiry: float) -> None:
        """expiry: seconds since the epoch."""
        self._expiry.set(expiry)

    def log_line_dropped(self) -> None:
        """A log line was dropped."""
        self._log_dropped.inc()


_COUNTERS: tuple[tuple[str, str, str], ...] = (
    ("steps", "num_steps", "Decoding steps."),
    ("step_seconds", "step_seconds", "Time that decoding steps took."),
    ("slot_steps", "num_slot_steps", "Occupied slots, summed over the steps."),
    ("sentences_admitted", "num_admitted", "Sentences that entered the engine."),
    ("sentences_finished", "num_finished", "Sentences that the engine finished."),
    ("sentences_cancelled", "num_cancelled", "Sentences that left the engine unfinished."),
    ("source_pieces", "num_source_pieces", "Source pieces of the sentences that entered."),
    ("target_pieces", "num_target_pieces", "Target pieces of the best hypotheses that were found."),
    ("replica_restarts", "num_replica_restarts", "Restarts of engine processes."),
)

_GAUGES: tuple[tuple[str, str, str], ...] = (
    ("slots", "num_slots", "Sentences that can be decoded at once."),
    ("slots_active", "num_active", "Sentences that are being decoded."),
    ("replicas", "num_replicas", "Configured engine processes; 0: threads of the server decode."),
    ("replicas_alive", "num_replicas_alive", "Engine processes that are ready."),
)


class _EngineCollector(Collector):
    """Reads the engines' statistics at each scrape."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def describe(self) -> Iterable[Metric]:
        """Nothing: the models are not loaded yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One family per metric, with a sample per model."""
        found = {name: (figures, num_waiting) for name, figures, num_waiting in self._statistics()}
        for suffix, field, text in _COUNTERS:
            counter = CounterMetricFamily(f"dragoman_engine_{suffix}", text, labels=["model"])
            for model, (figures, _) in found.items():
                counter.add_metric([model], getattr(figures, field))
            yield counter
        for suffix, field, text in _GAUGES:
            gauge = GaugeMetricFamily(f"dragoman_engine_{suffix}", text, labels=["model"])
            for model, (figures, _) in found.items():
                gauge.add_metric([model], getattr(figures, field))
            yield gauge
        waiting = GaugeMetricFamily("dragoman_sentences_waiting", "Sentences that wait for a slot.", labels=["model"])
        for model, (_, num_waiting) in found.items():
            waiting.add_metric([model], num_waiting)
        yield waiting


class MetricsPort:
    """Serves a registry over HTTP at HOST:PORT, on threads of its own."""

    def __init__(self, listen: str, registry: CollectorRegistry) -> None:
        self._listen = listen
        self._registry = registry
        self._running: tuple[WSGIServer, threading.Thread] | None = None
        self.address = ""
        """HOST:PORT with the actual port, once started."""

    def start(self) -> None:
        """Open the port. Raises DragomanError if that fails."""
        host, port = parse_address(self._listen)
        try:
            server, thread = start_http_server(port, host.strip("[]"), self._registry)
        except OSError as error:
            raise DragomanError(f"metrics.listen: cannot listen on {self._listen}: {error.strerror}") from error
        server.RequestHandlerClass.timeout = REQUEST_SECONDS  # type: ignore[attr-defined]  # of socketserver's handlers
        self._running = server, thread
        self.address = f"{host}:{server.server_port}"

    def stop(self) -> None:
        """Close the port; may be called twice."""
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            thread.join()
            server.server_close()
