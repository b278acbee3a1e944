"""The metrics of several processes as those of one."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dragoman.server.processes.merging import add_up, counted_alone, read_families, write_families


def scrape_of(calls: int, running: int, seconds: float) -> str:
    registry = CollectorRegistry()
    Counter("calls", "Calls, a\nline.", ["method"], registry=registry).labels('a "b" c').inc(calls)
    Gauge("running", "Calls that run.", registry=registry).set(running)
    Gauge("dragoman_model_info", "1.", ["model"], registry=registry).labels("en-de").set(1)
    Gauge("process_start_time_seconds", "Start.", registry=registry).set(1000 + calls)
    Histogram("duration", "Seconds.", buckets=(1.0, 2.0), registry=registry).observe(seconds)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[str, float]:
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def test_one_scrape_comes_back_as_it_was() -> None:
    text = scrape_of(3, 1, 1.5)
    again = write_families(read_families(text)).decode()
    assert samples(again) == samples(text)
    assert [line for line in again.splitlines() if line[0] == "#"] == [
        line for line in text.splitlines() if line[0] == "#"
    ]


def test_numbers_are_added_up() -> None:
    first, second = (read_families(scrape_of(*each)) for each in ((3, 1, 0.5), (4, 2, 1.5)))
    found = samples(write_families(add_up([first, second])).decode())
    assert found['calls_total{method="a \\"b\\" c"}'] == 7
    assert found["running"] == 3
    assert found['dragoman_model_info{model="en-de"}'] == 1
    assert found["process_start_time_seconds"] == 1003
    assert [found[f'duration_bucket{{le="{bound}"}}'] for bound in ("1.0", "2.0", "+Inf")] == [1, 2, 2]
    assert found["duration_sum"] == 2.0


def test_a_process_that_ended_leaves_its_counters() -> None:
    left = samples(write_families(counted_alone(read_families(scrape_of(3, 1, 0.5)))).decode())
    assert set(left) == {
        'calls_total{method="a \\"b\\" c"}',
        'duration_bucket{le="1.0"}',
        'duration_bucket{le="2.0"}',
        'duration_bucket{le="+Inf"}',
        "duration_count",
        "duration_sum",
    }
