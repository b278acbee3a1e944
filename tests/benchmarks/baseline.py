"""This checkout beside another one, such as an earlier commit: `--baseline DIR`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dragoman.model.errors import InvalidInputError
from tests.benchmarks.base import FORCED
from tests.benchmarks.bench import Bench, rate
from tests.benchmarks.inputs import BASE_VOCAB_SIZE
from tests.benchmarks.measuring import Measurement, alternate
from tests.benchmarks.processes import Side

SHORT_TEXTS = 200
RULES = {"no_repeat_ngram_size": 3}


def run(bench: Bench) -> list[Measurement]:
    if bench.baseline is None:
        raise InvalidInputError("the workload `baseline` needs --baseline DIR, the other checkout")
    into_german = bench.inputs.dev_set("de").sources
    measurements = []
    with _both(bench, bench.inputs.base, "base") as sides:
        measurements.append(
            _throughput("base, int8", bench, sides, bench.inputs.nonsense(BASE_VOCAB_SIZE), "target", FORCED)
        )
    with _both(bench, bench.inputs.bundled, "bundled") as sides:
        measurements += [
            _throughput("bundled, int8", bench, sides, into_german, "de", {}),
            _throughput("bundled, no repeated trigram", bench, sides, into_german, "de", RULES),
            _latency("bundled, one by one", bench, sides, into_german[:SHORT_TEXTS]),
        ]
    with _both(bench, bench.inputs.bundled, "shortlist", use_shortlist=True) as sides:
        measurements.append(_throughput("bundled, shortlist", bench, sides, into_german, "de", {}))
    return measurements


@contextmanager
def _both(bench: Bench, bundle: Path, model: str, **settings: Any) -> Iterator[tuple[Side, Side]]:
    """Both checkouts' processes, each with the bundle loaded."""
    with ExitStack() as stack:
        sides = [stack.enter_context(Side("dragoman_side", folder=folder)) for folder in (None, bench.baseline)]
        for side in sides:
            side.call("load", bundle=str(bundle.resolve()), **bench.settings(model, "dragoman") | settings)
        yield sides[0], sides[1]


def _throughput(
    what: str, bench: Bench, sides: tuple[Side, Side], texts: list[str], to: str, options: dict[str, Any]
) -> Measurement:
    def measure(side: Side) -> Callable[[], float]:
        return lambda: rate(side.call("translate", texts=texts, to=to, **options))

    values = alternate(bench.num_rounds, *map(measure, sides))
    return Measurement("baseline", what, "target pieces/s", *values, other="baseline", goal="≥ 0.98")


def _latency(what: str, bench: Bench, sides: tuple[Side, Side], texts: list[str]) -> Measurement:
    def measure(side: Side) -> Callable[[], float]:
        return lambda: 1000 * sum(side.call("latencies", texts=texts, to="de")) / len(texts)

    values = alternate(bench.num_rounds, *map(measure, sides))
    return Measurement("baseline", what, "ms a sentence", *values, other="baseline", goal="≤ 1.02")
