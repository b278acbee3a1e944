"""Hundreds of clients for minutes, with calls of every kind; every answer is checked, and memory watched."""

import time

from tests.benchmarks.service.bench import Bench, MemorySamples
from tests.benchmarks.service.outcomes import Outcome
from tests.benchmarks.service.tally import Tally

DEFAULT_SECONDS = 600.0
SAMPLE_SECONDS = 2.0
WARM_UP_SHARE = 0.1
"""Of the time: a minute of ten."""

MAX_DRIFT = 0.05


def run(bench: Bench) -> list[Outcome]:
    seconds = bench.seconds or DEFAULT_SECONDS
    reference = bench.write_reference(bench.folder / "reference.json")
    with bench.serve("soak") as server:
        memory = MemorySamples(server.pid)
        with bench.mixed_load(server.address, [reference], seconds) as finish:
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at:
                time.sleep(SAMPLE_SECONDS)
                memory.take()
            tally = finish()
        traces = server.log.read_text(encoding="utf-8", errors="replace").count("Traceback")
    drift = memory.drift(WARM_UP_SHARE * seconds)
    return [
        *_count(bench, tally, seconds),
        Outcome("soak", "errors in the server's log", traces, "", goal="0", is_met=not traces),
        Outcome(
            "soak",
            "memory off its median after the warm-up, at most",
            100 * drift,
            "%",
            goal="≤ 5",
            is_met=drift <= MAX_DRIFT,
            details={"samples": memory.samples},
        ),
        Outcome("soak", "memory at the peak", memory.peak / 2**20, "MiB"),
    ]


def _count(bench: Bench, tally: Tally, seconds: float) -> list[Outcome]:
    what = f"calls of {bench.num_clients} clients in {seconds:.0f} s"
    outcomes = [
        Outcome("soak", what, tally.num_calls, "", details=tally.to_json()),
        Outcome("soak", "translations checked", tally.num_texts, ""),
    ]
    outcomes += [
        Outcome("soak", f"of them {end}", tally.num(end), "")
        for end in ("refused", "rejected", "timed out", "cancelled")
    ]
    for end in ("lost", "doubled", "wrong"):
        outcomes.append(Outcome("soak", end, tally.num(end), "", goal="0", is_met=not tally.num(end)))
    rest = tally.num_unexpected - sum(map(tally.num, ("lost", "doubled", "wrong")))
    return [*outcomes, Outcome("soak", "failed with another status", rest, "", goal="0", is_met=not rest)]
