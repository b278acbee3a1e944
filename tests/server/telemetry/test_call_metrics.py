"""Counts of calls, as a scrape shows them."""

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from dragoman.server.call_context import CallContext
from dragoman.server.telemetry.call_metrics import CallMetrics


def test_calls_fall_into_the_first_bucket_that_holds_them() -> None:
    registry, calls = CollectorRegistry(), CallMetrics((0.1, 1.0))
    registry.register(calls)
    for seconds in (0.05, 0.1, 0.5, 7.0):
        call = CallContext("me", "1", method="m", num_texts=2, num_characters=30)
        calls.started(call)
        calls.ended(call, "OK", seconds)
    calls.started(CallContext("me", "2", method="m"))
    found = dict(line.rsplit(" ", 1) for line in generate_latest(registry).decode().splitlines() if line[0] != "#")
    buckets = [found[f'dragoman_request_duration_seconds_bucket{{le="{bound}",method="m"}}'] for bound in (0.1, 1.0)]
    assert buckets == ["2.0", "3.0"]
    assert found['dragoman_request_duration_seconds_bucket{le="+Inf",method="m"}'] == "4.0"
    assert found['dragoman_request_duration_seconds_sum{method="m"}'] == "7.65"
    assert found['dragoman_requests_total{code="OK",method="m"}'] == "4.0"
    assert found['dragoman_requests_in_flight{method="m"}'] == "1.0"
    assert (found['dragoman_texts_total{method="m"}'], found['dragoman_characters_total{method="m"}']) == (
        "8.0",
        "120.0",
    )


def test_no_other_metric_takes_their_names() -> None:
    registry = CollectorRegistry()
    registry.register(CallMetrics((1.0,)))
    with pytest.raises(ValueError, match="dragoman_requests"):
        Counter("dragoman_requests", "Another.", registry=registry)
