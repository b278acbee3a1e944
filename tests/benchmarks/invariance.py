"""Translations that differ with their batch-mates: the dev set in 7, 32 and 128 slots, in its order, and shuffled with
random arrivals, compared with the same sentences one at a time. CTranslate2 with the same batch sizes and orders."""

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
    runs = [
        (f"{size} at once, {'in order' if seed is None else f'shuffled {seed}'}", size, seed)
        for size in SIZES
        for seed in (None, *SEEDS)
    ]
    found = {what: _outcomes(bench, texts, to, precision, size, seed) for what, size, seed in runs}
    num_compared = len(runs) * len(texts)
    measurements = []
    for what, index in (("texts", 0), ("scores", 1)):
        unlike = {
            run: [
                sum(one[index] != other[index] for one, other in zip(alone[side], outcomes[side], strict=True))
                for side in ("dragoman", "ctranslate2")
            ]
            for run, outcomes in found.items()
        }
        ours, theirs = (float(sum(counts)) for counts in zip(*unlike.values(), strict=True))
        measurements.append(
            Measurement(
                "invariance",
                f"{precision}: {what} unlike alone",
                f"of {num_compared:,}",
                (ours,),
                (theirs,),
                goal="0",
                details={"by run, Dragoman and CTranslate2": unlike},
            )
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
