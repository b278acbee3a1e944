"""Throughput of the service, its clients on the same processors, by that of the bare engine."""

import statistics
from collections.abc import Callable
from typing import Any

from dragoman.model.bundle import find_bundle
from tests.benchmarks.measuring import take_turns
from tests.benchmarks.processes import Side, SideError
from tests.benchmarks.service.bench import Bench
from tests.benchmarks.service.outcomes import Outcome
from tests.benchmarks.service.process_tree import processor_seconds
from tests.server_process import ServerProcess

MIN_RATIO = 0.95
TARGET = "de"
NUM_STREAMS = 4


def run(bench: Bench) -> list[Outcome]:
    texts = bench.sentences
    with (
        Side("service.bare_side") as bare,
        Side("service.client_side", patience=600) as client,
        bench.serve("overhead") as server,
    ):
        bare.call("load", bundle=str(find_bundle(bench.bundle)))
        jobs = {
            "Translate, 1 text a call": ("saturate", {"texts_per_call": 1}),
            "Translate, 16 texts a call": ("saturate", {"texts_per_call": 16}),
            "Translate, 64 texts a call": ("saturate", {"texts_per_call": 64}),
            f"TranslateStream, {NUM_STREAMS} streams": ("saturate_streams", {"num_streams": NUM_STREAMS}),
        }
        answers: list[list[str]] = []

        def serve(method: str, options: dict[str, int]) -> Callable[[], dict[str, Any]]:
            return lambda: _served(server, client, method, {"texts": texts, "to": TARGET, **options}, answers)

        rounds = take_turns(
            bench.num_rounds,
            lambda: bare.call("translate", texts=texts, to=TARGET),
            *(serve(method, options) for method, options in jobs.values()),
        )
    if any(answer != answers[0] for answer in answers):
        raise SideError("the ways to call do not give the same translations")
    bare_rounds, *served_rounds = rounds
    bare_rate = statistics.median(len(texts) / outcome["seconds"] for outcome in bare_rounds)
    bare_cost = statistics.median(outcome["processor_seconds"] for outcome in bare_rounds) / len(texts)
    outcomes = [
        Outcome("overhead", "the bare engine", bare_rate, "texts/s", details={"rounds": bare_rounds}),
        Outcome("overhead", "the bare engine, processors", 1000 * bare_cost, "ms/text"),
    ]
    for what, served in zip(jobs, served_rounds, strict=True):
        outcomes += _compare(what, len(texts), bare_rounds, served)
    return outcomes


def _served(
    server: ServerProcess, client: Side, method: str, arguments: dict[str, Any], answers: list[list[str]]
) -> dict[str, Any]:
    """A round: seconds, and those of processors on both ends."""
    used = processor_seconds(server.pid)
    outcome: dict[str, Any] = client.call(method, address=server.address, **arguments)
    answers.append(outcome.pop("texts"))
    return {
        "seconds": outcome["seconds"],
        "client_processor_seconds": outcome["processor_seconds"],
        "server_processor_seconds": processor_seconds(server.pid) - used,
    }


def _compare(what: str, num_texts: int, bare: Any, served: Any) -> list[Outcome]:
    ratios = [ours["seconds"] / theirs["seconds"] for ours, theirs in zip(bare, served, strict=True)]
    ratio = statistics.median(ratios)
    details = {"ratios": ratios, "rounds": served}
    rate = statistics.median(num_texts / outcome["seconds"] for outcome in served)
    milliseconds = {
        end: 1000 * statistics.median(outcome[f"{end}_processor_seconds"] for outcome in served) / num_texts
        for end in ("client", "server")
    }
    return [
        Outcome("overhead", what, rate, "texts/s", details=details),
        Outcome("overhead", f"{what}, by the bare engine", ratio, "", goal=f"≥ {MIN_RATIO}", is_met=ratio >= MIN_RATIO),
        Outcome("overhead", f"{what}, processors on the client's side", milliseconds["client"], "ms/text"),
        Outcome("overhead", f"{what}, processors on the server's side", milliseconds["server"], "ms/text"),
    ]
