"""Latency of one sentence at a time on an idle machine: both engines in their processes, and Dragoman over gRPC."""

from collections.abc import Callable
from typing import Any

from tests.benchmarks.bench import NUM_PROCESSORS, Bench
from tests.benchmarks.measuring import Measurement, alternate, percentile
from tests.benchmarks.processes import Side

NUM_SENTENCES = 200


def run(bench: Bench) -> list[Measurement]:
    dev_set = bench.inputs.dev_set()
    texts = dev_set.sources[:NUM_SENTENCES]
    bundle = bench.inputs.bundled
    latencies: dict[str, list[list[float]]] = {}

    def measure(name: str, side: Side) -> Callable[[], float]:
        """Keeps each round's latencies under the name; the warm-up's, too."""

        def run_once() -> float:
            latencies.setdefault(name, []).append(side.call("latencies", texts=texts, to=dev_set.to))
            return 0.0

        return run_once

    # One replica; with all processors for a sentence, or with one, whichever is faster.
    alone: dict[str, Any] = {"inter_threads": 1, "intra_threads": 1}
    together: dict[str, Any] = {"inter_threads": 1, "intra_threads": NUM_PROCESSORS}
    with (
        bench.dragoman(bundle, "bundled") as ours,
        Side("server_side") as server,
        bench.ctranslate2(bundle, "bundled", **alone) as theirs_alone,
        bench.ctranslate2(bundle, "bundled", **together) as theirs_together,
    ):
        server.call("start", bundle=str(bundle))
        alternate(bench.num_rounds, measure("in process", ours), measure("one thread", theirs_alone))
        alternate(bench.num_rounds, measure("gRPC", server), measure("all threads", theirs_together))
        server.call("stop")
    by_name = {name: _percentiles(rounds[1:]) for name, rounds in latencies.items()}  # without the warm-up
    best = min("one thread", "all threads", key=lambda name: sorted(by_name[name][0.5])[bench.num_rounds // 2])
    return [
        Measurement(
            "latency",
            f"{name}, p{share * 100:.0f}",
            "ms",
            by_name[name][share],
            by_name[best][share],
            goal="≤ 1.0" if share == 0.5 else "",
            details={"ctranslate2": best},
        )
        for name in ("in process", "gRPC")
        for share in (0.5, 0.95)
    ]


def _percentiles(rounds: list[list[float]]) -> dict[float, tuple[float, ...]]:
    """p50 and p95 of each round, in milliseconds."""
    return {share: tuple(1000 * percentile(seconds, share) for seconds in rounds) for share in (0.5, 0.95)}
