"""Finds each side's best settings on this machine, for "base", "bundled" and, where batches are better small since
CTranslate2 takes the union of their lists, "shortlist". Writes them for the other workloads."""

import itertools
import json
from typing import Any

from dragoman.model.config import Direction
from dragoman.model.files import write_atomically
from tests.benchmarks.base import FORCED
from tests.benchmarks.bench import NUM_PROCESSORS, Bench, rate
from tests.benchmarks.inputs import BASE_VOCAB_SIZE
from tests.benchmarks.measuring import Measurement

MAX_SLOTS = (16, 32, 64, 128)
THREADS = ((NUM_PROCESSORS, 1), (1, NUM_PROCESSORS))
BATCHES = ((16, "examples"), (32, "examples"), (64, "examples"), (128, "examples"), (1024, "tokens"), (2048, "tokens"))
NUM_RUNS = 2
"""Of each settings, after one to warm up; the better counts."""


def run(bench: Bench) -> list[Measurement]:
    bench.tuned_file.unlink(missing_ok=True)  # the defaults again
    measurements = []
    best: dict[str, dict[str, Any]] = {}
    for model in ("base", "bundled", "shortlist"):
        best[model] = {}
        for side, grid in (("dragoman", _dragoman_grid(model)), ("ctranslate2", _ctranslate2_grid())):
            found = [(_rate(bench, model, side, settings), settings) for settings in grid]
            found.sort(key=lambda one: -one[0])
            best[model][side] = found[0][1]
            measurements += [
                Measurement("tune", f"{model}: {side} {json.dumps(settings)}", "target pieces/s", (value,))
                for value, settings in found
            ]
    write_atomically(bench.tuned_file, json.dumps(best, indent=2) + "\n")
    return measurements


def _dragoman_grid(model: str) -> list[dict[str, Any]]:
    use = {"use_shortlist": True} if model == "shortlist" else {}
    return [{"max_slots": max_slots, **use} for max_slots in MAX_SLOTS]


def _ctranslate2_grid() -> list[dict[str, Any]]:
    return [
        {"inter_threads": inter, "intra_threads": intra, "max_batch_size": size, "batch_type": batch_type}
        for (inter, intra), (size, batch_type) in itertools.product(THREADS, BATCHES)
    ]


def _rate(bench: Bench, model: str, side_name: str, settings: dict[str, Any]) -> float:
    """Target pieces a second: the better of NUM_RUNS, after one to warm up."""
    inputs = bench.inputs
    bundle = inputs.base if model == "base" else inputs.bundled
    job: dict[str, Any] = {"texts": inputs.nonsense(BASE_VOCAB_SIZE), "to": "target", **FORCED}
    if model != "base":
        job = {"texts": inputs.dev_set().sources, "to": "de"}
    if side_name == "dragoman":
        opened = bench.dragoman(bundle, model, **settings)
    elif model == "shortlist":
        opened = bench.ctranslate2(bundle, model, shortlist=Direction("en", "de"), **settings)
        job["use_vmap"] = True
    else:
        opened = bench.ctranslate2(bundle, model, **settings)
    with opened as side:
        return max([rate(side.call("translate", **job)) for _ in range(1 + NUM_RUNS)][1:])
