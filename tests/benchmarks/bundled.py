"""Throughput and BLEU of the shipped model on the dev set, free running."""

from typing import Any

import sacrebleu

from tests.benchmarks.bench import Bench, rate
from tests.benchmarks.inputs import DevSet
from tests.benchmarks.measuring import Measurement, alternate
from tests.benchmarks.processes import Side


def run(bench: Bench) -> list[Measurement]:
    bundle = bench.inputs.bundled
    measurements = []
    with bench.dragoman(bundle, "bundled") as ours, bench.ctranslate2(bundle, "bundled") as theirs:
        for to in ("de", "en"):
            measurements += compare("bundled", bench, bench.inputs.dev_set(to), ours, theirs, goal="≥ 2.0")
    return measurements


def compare(
    workload: str, bench: Bench, dev_set: DevSet, ours: Side, theirs: Side, *, goal: str, **their_options: Any
) -> list[Measurement]:
    """Rounds over a dev set, and the BLEU of both sides. their_options: of CTranslate2's search."""
    texts: dict[str, list[str]] = {}

    def measure(side: Side, options: dict[str, Any]) -> float:
        outcome = side.call("translate", texts=dev_set.sources, to=dev_set.to, **options)
        texts[side.name] = outcome["texts"]
        return rate(outcome)

    values = alternate(bench.num_rounds, lambda: measure(ours, {}), lambda: measure(theirs, their_options))
    return [
        Measurement(workload, f"into {dev_set.to}, int8, beam 4", "target pieces/s", *values, goal=goal),
        Measurement(
            workload,
            f"into {dev_set.to}",
            "BLEU",
            (bleu(texts[ours.name], dev_set),),
            (bleu(texts[theirs.name], dev_set),),
            goal="equal within 0.1",
        ),
    ]


def bleu(texts: list[str], dev_set: DevSet) -> float:
    """sacreBLEU's default."""
    return sacrebleu.corpus_bleu(texts, [dev_set.references]).score
