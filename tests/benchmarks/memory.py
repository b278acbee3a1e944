"""Peak resident memory of a fresh process that loads the shipped model and translates the dev set."""

from tests.benchmarks.bench import Bench
from tests.benchmarks.measuring import Measurement, alternate


def run(bench: Bench) -> list[Measurement]:
    dev_set = bench.inputs.dev_set()
    bundle = bench.inputs.bundled
    sides = {"dragoman": bench.dragoman, "ctranslate2": bench.ctranslate2}

    def measure(name: str) -> float:
        with sides[name](bundle, "bundled") as side:
            side.call("translate", texts=dev_set.sources, to=dev_set.to)
            return float(side.call("peak_memory")) / 2**20

    values = alternate(min(bench.num_rounds, 3), lambda: measure("dragoman"), lambda: measure("ctranslate2"))
    return [Measurement("memory", "load, translate the dev set", "MiB at the peak", *values, goal="≤ 1.5")]
