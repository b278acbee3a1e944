"""Throughput at the base shape with random weights: 256 sources of 10 to 40 pieces, 25 target pieces forced."""

from tests.benchmarks.bench import Bench, rate
from tests.benchmarks.inputs import BASE_SENTENCES, BASE_TARGET_PIECES
from tests.benchmarks.measuring import Measurement, alternate
from tests.benchmarks.processes import Side, SideError

FORCED = {"min_target_length": BASE_TARGET_PIECES, "max_target_length": BASE_TARGET_PIECES}


def run(bench: Bench) -> list[Measurement]:
    texts = bench.inputs.base_texts()

    def measure(side: Side) -> float:
        outcome = side.call("translate", texts=texts, to="target", **FORCED)
        if outcome["num_pieces"] != BASE_SENTENCES * BASE_TARGET_PIECES:
            raise SideError(f"{side.name}: {outcome['num_pieces']} pieces")
        return rate(outcome)

    bundle = bench.inputs.base
    with bench.dragoman(bundle, "base") as ours, bench.ctranslate2(bundle, "base") as theirs:
        values = alternate(bench.num_rounds, lambda: measure(ours), lambda: measure(theirs))
    return [Measurement("base", "int8, beam 4", "target pieces/s", *values, goal="≥ 2.0")]
