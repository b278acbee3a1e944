"""One of two engine processes is killed under load."""

import os
import signal
import time

from tests.benchmarks.processes import SideError
from tests.benchmarks.service.bench import Bench
from tests.benchmarks.service.figures import fetch_figures, total
from tests.benchmarks.service.outcomes import Outcome
from tests.benchmarks.service.process_tree import descendants, processor_seconds
from tests.benchmarks.service.tally import Tally

DEFAULT_SECONDS = 30.0
MAX_RECOVERY_SECONDS = 2.0
PATIENCE = 60.0
NUM_REPLICAS = 2
ALIVE, RESTARTS = "dragoman_engine_replicas_alive", "dragoman_engine_replica_restarts_total"


def run(bench: Bench) -> list[Outcome]:
    seconds = bench.seconds or DEFAULT_SECONDS
    reference = bench.write_reference(bench.folder / "reference.json")
    with (
        bench.serve("kill", {"server": {"replicas": NUM_REPLICAS}}) as server,
        bench.mixed_load(server.address, [reference], seconds, keep_ends=True) as finish,
    ):
        time.sleep(seconds / 3)
        victim = _find_replica(server.pid)
        killed_at = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        recovery = _wait_for_replicas(server.metrics_address, killed_at)
        tally = finish()
    return [*_judge(tally, killed_at), _recovered(recovery)]


def _find_replica(server: int) -> int:
    """The child that has worked most: others keep the books."""
    children = descendants(server)
    if len(children) < NUM_REPLICAS:
        raise SideError(f"the server has {len(children)} processes of its own")
    return max(children, key=processor_seconds)


def _wait_for_replicas(metrics: str, killed_at: float) -> float:
    """Seconds from the kill until the server counts a restart and all replicas as alive."""
    while time.monotonic() < killed_at + PATIENCE:
        figures = fetch_figures(metrics)
        if total(figures, RESTARTS) >= 1 and total(figures, ALIVE) == NUM_REPLICAS:
            return time.monotonic() - killed_at
        time.sleep(0.02)
    return PATIENCE


def _judge(tally: Tally, killed_at: float) -> list[Outcome]:
    in_flight = [end for end in tally.ends if end.started <= killed_at <= end.ended]
    failed = [end for end in tally.ends if end.end == "UNAVAILABLE"]
    elsewhere = [end for end in failed if end not in in_flight]
    others = tally.num_unexpected - len(failed)
    tally.ends.clear()  # not for the results file
    return [
        Outcome("kill", "calls", tally.num_calls, "", details=tally.to_json()),
        Outcome("kill", "in flight when a replica was killed", len(in_flight), ""),
        Outcome("kill", "failed with UNAVAILABLE", len(failed), "", goal="≥ 1", is_met=bool(failed)),
        Outcome("kill", "of them not in flight then", len(elsewhere), "", goal="0", is_met=not elsewhere),
        Outcome(
            "kill",
            "translated though in flight then",
            sum(end.end == "right" for end in in_flight),
            "",
        ),
        Outcome("kill", "lost, doubled, wrong, or failed otherwise", others, "", goal="0", is_met=not others),
    ]


def _recovered(seconds: float) -> Outcome:
    return Outcome(
        "kill",
        "both replicas are back after",
        seconds,
        "s",
        goal=f"≤ {MAX_RECOVERY_SECONDS:.0f}",
        is_met=seconds <= MAX_RECOVERY_SECONDS,
    )
