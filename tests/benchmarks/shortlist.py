"""Throughput and BLEU with a lexical shortlist on both sides, the same lists."""

from dragoman.model.config import Direction
from tests.benchmarks.bench import Bench
from tests.benchmarks.bundled import compare
from tests.benchmarks.measuring import Measurement


def run(bench: Bench) -> list[Measurement]:
    bundle = bench.inputs.bundled
    measurements = []
    with bench.dragoman(bundle, "shortlist", use_shortlist=True) as ours:
        for direction in (Direction("en", "de"), Direction("de", "en")):
            dev_set = bench.inputs.dev_set(direction.target)
            with bench.ctranslate2(bundle, "shortlist", shortlist=direction) as theirs:
                measurements += compare("shortlist", bench, dev_set, ours, theirs, goal="≥ 1.5", use_vmap=True)
    return measurements
