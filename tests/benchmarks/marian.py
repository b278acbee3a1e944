"""For scale: transformers' MarianMTModel.generate at the base shape, with fewer sentences, since it is slower."""

from tests.benchmarks.base import FORCED
from tests.benchmarks.bench import Bench, rate
from tests.benchmarks.inputs import BASE_TARGET_PIECES, BASE_VOCAB_SIZE
from tests.benchmarks.measuring import Measurement, alternate
from tests.benchmarks.processes import Side

NUM_SENTENCES, BATCH_SIZE, NUM_ROUNDS = 64, 32, 2


def run(bench: Bench) -> list[Measurement]:
    texts = bench.inputs.nonsense(BASE_VOCAB_SIZE)[:NUM_SENTENCES]
    with bench.dragoman(bench.inputs.base, "base") as ours:
        return [_compare(bench, texts, ours, dtype) for dtype in ("float32", "bfloat16")]


def _compare(bench: Bench, texts: list[str], ours: Side, dtype: str) -> Measurement:
    lengths = [len(text.split()) + 2 for text in texts]  # with tag and end
    sizes = {"num_target_pieces": BASE_TARGET_PIECES, "batch_size": BATCH_SIZE}
    with Side("marian_side") as theirs:
        theirs.call("load", vocab_size=BASE_VOCAB_SIZE, dtype=dtype)
        values = alternate(
            min(bench.num_rounds, NUM_ROUNDS),
            lambda: rate(ours.call("translate", texts=texts, to="target", **FORCED)),
            lambda: rate(theirs.call("translate", lengths=lengths, **sizes)),
        )
    what = f"base, beam 4; int8 beside {dtype}"
    return Measurement("marian", what, "target pieces/s", *values, other="generate")
