"""Latency under load: sentences arrive at random, whether or not the service keeps up.

Both sides get the same arrivals, at 70 % of CTranslate2's peak; and each side those of 70 % of its own peak.
"""

import itertools
from collections.abc import Callable

from tests.benchmarks.bench import Bench
from tests.benchmarks.inputs import DevSet
from tests.benchmarks.load_generator import poisson_arrivals
from tests.benchmarks.measuring import Measurement, alternate, percentile
from tests.benchmarks.processes import Side

SHARE_OF_PEAK = 0.7
SHARES = (0.5, 0.95, 0.99)


def run(bench: Bench) -> list[Measurement]:
    dev_set = bench.inputs.dev_set()
    bundle = bench.inputs.bundled
    with bench.dragoman(bundle, "bundled") as ours, bench.ctranslate2(bundle, "bundled") as theirs:
        our_peak, their_peak = _peak(ours, dev_set), _peak(theirs, dev_set)
        measurements = []
        for what, our_rate, their_rate, goal in (
            ("same arrivals, 70 % of CTranslate2's peak", their_peak, their_peak, "≤ 0.5"),
            ("each at 70 % of its own peak", our_peak, their_peak, ""),
        ):
            measurements += _measure(bench, dev_set, what, (ours, our_rate), (theirs, their_rate), goal)
    return measurements


def _measure(
    bench: Bench, dev_set: DevSet, what: str, ours: tuple[Side, float], theirs: tuple[Side, float], goal: str
) -> list[Measurement]:
    """Each side with its peak."""
    our_rounds, their_rounds = alternate(
        max(1, bench.num_rounds // 2), _arriving(bench, dev_set, *ours), _arriving(bench, dev_set, *theirs)
    )
    details = {"our sentences/s": SHARE_OF_PEAK * ours[1], "their sentences/s": SHARE_OF_PEAK * theirs[1]}
    return [
        Measurement(
            "load",
            f"{what}, p{share * 100:.0f}",
            "ms",
            tuple(1000 * percentile(seconds, share) for seconds in our_rounds),
            tuple(1000 * percentile(seconds, share) for seconds in their_rounds),
            goal=goal if share == 0.95 else "",
            details=details,
        )
        for share in SHARES
    ]


def _arriving(bench: Bench, dev_set: DevSet, side: Side, peak: float) -> Callable[[], list[float]]:
    """A round of a side: its latencies; other arrivals in every round, the same for both sides if the rate is."""
    seeds = itertools.count()

    def run_once() -> list[float]:
        arrivals = poisson_arrivals(SHARE_OF_PEAK * peak, bench.load_seconds, next(seeds))
        latencies: list[float] = side.call("under_load", texts=dev_set.sources, to=dev_set.to, arrivals=arrivals)
        return latencies

    return run_once


def _peak(side: Side, dev_set: DevSet) -> float:
    """Sentences a second when all are at hand: the better of two runs, after one to warm up."""
    seconds = [side.call("translate", texts=dev_set.sources, to=dev_set.to)["seconds"] for _ in range(3)]
    return len(dev_set.sources) / float(min(seconds[1:]))
