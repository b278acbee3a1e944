"""Reads metrics as Prometheus does, and begins calls as the guard does."""

import urllib.request
from collections.abc import Mapping
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from dragoman.server.call_context import CallContext
from dragoman.server.telemetry import Monitor

Samples: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""By name and sorted labels."""


def scrape(address: str) -> Samples:
    """All samples that an endpoint at HOST:PORT tells. A sample that occurs twice is an error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}/metrics", timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/plain")
        text = response.read().decode()
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in samples
            samples[key] = sample.value
    return samples


def find(samples: Samples, name: str, **labels: str) -> float:
    """One sample; 0 if there is none."""
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


def begin_call(monitor: Monitor, method: str, metadata: Mapping[str, str] | None = None) -> CallContext:
    """A call of which the monitor has been told."""
    call = CallContext("me", "1", method=method)
    monitor.call_started(call, metadata or {})
    return call
