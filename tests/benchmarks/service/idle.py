"""What a single call on an idle server takes beyond the translation itself: sentence by sentence, in turn with the bare
translator."""

from dragoman.model.bundle import find_bundle
from tests.benchmarks.measuring import percentile
from tests.benchmarks.processes import Side
from tests.benchmarks.service.bench import Bench
from tests.benchmarks.service.outcomes import Outcome

MAX_MILLISECONDS = 3.0
MAX_SENTENCES = 400
NUM_WARM_UP = 20


def run(bench: Bench) -> list[Outcome]:
    sentences = bench.sentences[:MAX_SENTENCES]
    served, bare = [], []
    with (
        Side("service.bare_side") as bare_side,
        Side("service.client_side") as client,
        bench.serve("idle") as server,
    ):
        bare_side.call("load", bundle=str(find_bundle(bench.bundle)))
        client.call("connect", address=server.address)
        for number, sentence in enumerate([*sentences[:NUM_WARM_UP], *sentences]):
            milliseconds = [1000 * side.call("latency", text=sentence, to="de") for side in (client, bare_side)]
            if number >= NUM_WARM_UP:
                served.append(milliseconds[0])
                bare.append(milliseconds[1])
    beyond = [ours - theirs for ours, theirs in zip(served, bare, strict=True)]
    outcomes = []
    for share in (0.5, 0.95):
        name = f"p{100 * share:.0f}"
        outcomes += [
            Outcome("idle", f"a call, {name}", percentile(served, share), "ms"),
            Outcome("idle", f"the bare translator, {name}", percentile(bare, share), "ms"),
        ]
        extra = percentile(beyond, share)
        is_goal = share == 0.5
        outcomes.append(
            Outcome(
                "idle",
                f"a call beyond the bare translator on the same sentence, {name}",
                extra,
                "ms",
                goal=f"≤ {MAX_MILLISECONDS:.0f}" if is_goal else "",
                is_met=extra <= MAX_MILLISECONDS if is_goal else None,
            )
        )
    return outcomes
