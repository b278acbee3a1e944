"""Throughput at the base shape with random weights: 256 sources of 10 to 40 pieces, 25 target pieces forced."""

from pathlib import Path

from tests.benchmarks.bench import Bench, rate
from tests.benchmarks.inputs import BASE_SENTENCES, BASE_TARGET_PIECES, BASE_VOCAB_SIZE
from tests.benchmarks.measuring import Measurement, alternate
from tests.benchmarks.processes import Side, SideError

FORCED = {"min_target_length": BASE_TARGET_PIECES, "max_target_length": BASE_TARGET_PIECES}


def run(bench: Bench) -> list[Measurement]:
    return compare("base", bench, bench.inputs.base, BASE_VOCAB_SIZE)


def compare(workload: str, bench: Bench, bundle: Path, vocab_size: int) -> list[Measurement]:
    """Rounds over the forced sentences. bundle: one of `Inputs`, with pieces that are made-up words."""
    texts = bench.inputs.nonsense(vocab_size)

    def measure(side: Side) -> float:
        outcome = side.call("translate", texts=texts, to="target", **FORCED)
        if outcome["num_pieces"] != BASE_SENTENCES * BASE_TARGET_PIECES:
            raise SideError(f"{side.name}: {outcome['num_pieces']} pieces")
        return rate(outcome)

    with bench.dragoman(bundle, "base") as ours, bench.ctranslate2(bundle, "base") as theirs:
        values = alternate(bench.num_rounds, lambda: measure(ours), lambda: measure(theirs))
    return [Measurement(workload, "int8, beam 4", "target pieces/s", *values, goal="≥ 2.0")]
