"""How fast an engine is said to be."""

import pytest

from dragoman.server.scheduling.request_queue import (
    MAX_RETRY_SECONDS,
    MIN_RETRY_SECONDS,
    UNKNOWN_RETRY_SECONDS,
    Throughput,
)


def test_nothing_is_known_before_anything_is_finished() -> None:
    throughput = Throughput()
    assert throughput.retry_after(1000) == UNKNOWN_RETRY_SECONDS
    throughput.count(0, 0.5)
    assert throughput.retry_after(1000) == UNKNOWN_RETRY_SECONDS


def test_an_eighth_of_the_queue_is_to_be_free() -> None:
    throughput = Throughput()
    throughput.count(10, 1.0)
    assert throughput.retry_after(800) == pytest.approx(10.0)
    assert throughput.retry_after(40) == pytest.approx(0.5)


def test_it_is_never_very_short_or_long() -> None:
    throughput = Throughput()
    throughput.count(10, 1.0)
    assert throughput.retry_after(1) == MIN_RETRY_SECONDS
    assert throughput.retry_after(10**6) == MAX_RETRY_SECONDS


def test_what_is_long_ago_hardly_counts() -> None:
    throughput = Throughput()
    for _ in range(1000):
        throughput.count(1000, 1.0)
    for _ in range(1000):
        throughput.count(1, 0.1)
    assert throughput.retry_after(80) == pytest.approx(1.0, rel=0.01)
