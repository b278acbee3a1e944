"""Translations that differ with their batch-mates: the dev set with 1, 7, 32 and 128 slots, in its order and shuffled,
and with random arrivals, compared with the same sentences one at a time. CTranslate2 with the same batch sizes."""

from tests.benchmarks.bench import Bench
from tests.benchmarks.measuring import Measurement

SIZES = (7, 32, 128)
SEEDS = (1, 2)
PRECISIONS = ("float32", "int8")
NUM_SENTENCES = 2000


def run(bench: Bench) -> list[Measurement]:
    dev_set = bench.inputs.dev_set()
    texts = [text for text in dev_set.sources if text.strip()][:NUM_SENTENCES]
    return [measurement for precision in PRECISIONS for measurement in _compare(bench, texts, dev_set.to, precision)]


def _compare(bench: Bench, texts: list[str], to: str, precision: str) -> list[Measurement]:
    alone = _outcomes(bench, texts, to, precision, 1, None)
    measurements = []
    for size in SIZES:
        for seed in (None, *SEEDS):
            found = _outcomes(bench, texts, to, precision, size, seed)
            order = "in order" if seed is None else f"shuffled, random arrivals {seed}"
            for what, index in (("texts", 0), ("scores", 1)):
                ours, theirs = (
                    sum(one[index] != other[index] for one, other in zip(alone[side], found[side], strict=True))
                    for side in ("dragoman", "ctranslate2")
                )
                description = f"{precision}, {size} at once, {order}: {what} unlike alone"
                measurements.append(
                    Measurement("invariance", description, f"of {len(texts):,}", (ours,), (theirs,), goal="0")
                )
    return measurements


def _outcomes(
    bench: Bench, texts: list[str], to: str, precision: str, size: int, seed: int | None
) -> dict[str, list[list[str]]]:
    """By side, the text and the score, to the last bit, of each sentence."""
    bundle = bench.inputs.bundled
    with bench.dragoman(bundle, "bundled", precision=precision, max_slots=size) as side:
        ours = side.call("outcomes", texts=texts, to=to, seed=seed)
    with bench.ctranslate2(bundle, "bundled", compute_type=precision, max_batch_size=size) as side:
        theirs = side.call("outcomes", texts=texts, to=to, seed=seed)
    return {"dragoman": ours, "ctranslate2": theirs}
