"""Counts of calls as plain numbers, which a scrape turns into metrics: a client library's counters, each with its own
lock, would cost a call several times as much."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dragoman.server.call_context import CallContext


@dataclass(slots=True)
class _OfMethod:
    """The counts of one method. by_bucket: calls by the first bound that they do not exceed, the last for none."""

    by_bucket: list[int]
    in_flight: int = 0
    texts: int = 0
    characters: int = 0
    seconds: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)


class CallMetrics(Collector):
    """Counts on the event loop; `collect` on any thread, where a number may be a call older than the next one."""

    def __init__(self, buckets: Sequence[float]) -> None:
        """buckets: upper bounds of durations in seconds, ascending."""
        self._buckets = buckets
        self._labels = [*map(str, buckets), "+Inf"]
        self._methods: dict[str, _OfMethod] = {}

    def started(self, call: CallContext) -> None:
        """A call has started."""
        found = self._methods.get(call.method)
        if found is None:
            found = self._methods[call.method] = _OfMethod([0] * len(self._labels))
        found.in_flight += 1

    def ended(self, call: CallContext, code: str, seconds: float) -> None:
        """A call that had started ended."""
        found = self._methods[call.method]
        found.in_flight -= 1
        found.by_bucket[bisect_left(self._buckets, seconds)] += 1
        found.seconds += seconds
        found.texts += call.num_texts
        found.characters += call.num_characters
        found.codes[code] = found.codes.get(code, 0) + 1

    def describe(self) -> Iterable[Metric]:
        """The families without samples, so that no other metric takes their names."""
        return self._families()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        requests, durations, in_flight, texts, characters = self._families()
        for method, found in list(self._methods.items()):
            for code, number in list(found.codes.items()):
                requests.add_metric([method, code], number)
            cumulated = zip(self._labels, accumulate(found.by_bucket), strict=True)
            durations.add_metric([method], list(cumulated), found.seconds)
            in_flight.add_metric([method], found.in_flight)
            texts.add_metric([method], found.texts)
            characters.add_metric([method], found.characters)
        yield from (requests, durations, in_flight, texts, characters)

    def _families(
        self,
    ) -> tuple[CounterMetricFamily, HistogramMetricFamily, GaugeMetricFamily, CounterMetricFamily, CounterMetricFamily]:
        return (
            CounterMetricFamily("dragoman_requests", "Calls that ended.", labels=["method", "code"]),
            HistogramMetricFamily(
                "dragoman_request_duration_seconds", "From a call's arrival to its status.", labels=["method"]
            ),
            GaugeMetricFamily("dragoman_requests_in_flight", "Calls that run.", labels=["method"]),
            CounterMetricFamily("dragoman_texts", "Texts received.", labels=["method"]),
            CounterMetricFamily("dragoman_characters", "Characters received.", labels=["method"]),
        )
