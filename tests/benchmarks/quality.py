"""BLEU of every precision on the dev set, both ways, beside CTranslate2's."""

from tests.benchmarks.bench import Bench
from tests.benchmarks.bundled import bleu
from tests.benchmarks.measuring import Measurement

PRECISIONS = {"float32": "float32", "bfloat16": None, "int8": "int8"}
"""Dragoman's, and CTranslate2's name of the same; on this kind of processor it has no bfloat16."""


def run(bench: Bench) -> list[Measurement]:
    bundle = bench.inputs.bundled
    measurements = []
    for precision, compute_type in PRECISIONS.items():
        scores: dict[str, dict[str, float]] = {"dragoman": {}, "ctranslate2": {}}
        for to in ("de", "en"):
            dev_set = bench.inputs.dev_set(to)
            with bench.dragoman(bundle, "bundled", precision=precision) as side:
                scores["dragoman"][to] = bleu(side.call("translate", texts=dev_set.sources, to=to)["texts"], dev_set)
            if compute_type is not None:
                with bench.ctranslate2(bundle, "bundled", compute_type=compute_type) as side:
                    texts = side.call("translate", texts=dev_set.sources, to=to)["texts"]
                    scores["ctranslate2"][to] = bleu(texts, dev_set)
        for to in ("de", "en"):
            theirs = (scores["ctranslate2"][to],) if to in scores["ctranslate2"] else ()
            measurements.append(
                Measurement("quality", f"into {to}, {precision}", "BLEU", (scores["dragoman"][to],), theirs)
            )
    return measurements
