"""Latency of one sentence at a time on an idle machine: both engines in their processes, and Dragoman over gRPC."""

import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

from tests.benchmarks.bench import NUM_PROCESSORS, Bench
from tests.benchmarks.measuring import Measurement, percentile, take_turns
from tests.benchmarks.processes import Side

NUM_SENTENCES = 200


def run(bench: Bench) -> list[Measurement]:
    dev_set = bench.inputs.dev_set()
    bundle = bench.inputs.bundled
    # One replica; with all processors for a sentence, or with one, whichever is faster.
    threads: list[dict[str, Any]] = [
        {"inter_threads": 1, "intra_threads": intra_threads} for intra_threads in (1, NUM_PROCESSORS)
    ]
    with (
        bench.dragoman(bundle, "bundled") as in_process,
        Side("server_side") as over_grpc,
        bench.ctranslate2(bundle, "bundled", **threads[0]) as alone,
        bench.ctranslate2(bundle, "bundled", **threads[1]) as together,
    ):
        over_grpc.call("start", bundle=str(bundle))
        sides = (in_process, over_grpc, alone, together)
        job = {"texts": dev_set.sources[:NUM_SENTENCES], "to": dev_set.to}
        rounds = take_turns(bench.num_rounds, *(partial(side.call, "latencies", **job) for side in sides))
        over_grpc.call("stop")
    ours, served, *theirs = ({share: _milliseconds(each, share) for share in (0.5, 0.95)} for each in rounds)
    best = min((0, 1), key=lambda index: statistics.median(theirs[index][0.5]))
    return [
        Measurement(
            "latency",
            f"{what}, p{share * 100:.0f}",
            "ms",
            values[share],
            theirs[best][share],
            goal="≤ 1.0" if share == 0.5 else "",
            details={"ctranslate2": threads[best]},
        )
        for what, values in (("in process", ours), ("gRPC", served))
        for share in (0.5, 0.95)
    ]


def _milliseconds(rounds: Sequence[Sequence[float]], share: float) -> tuple[float, ...]:
    """A percentile of each round."""
    return tuple(1000 * percentile(seconds, share) for seconds in rounds)
