"""`make bench-service`: what the service costs and what it withstands, with real processes on loopback."""

import argparse
import datetime
import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dragoman.model.errors import DragomanError
from dragoman.model.files import write_atomically
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.processes import SideError
from tests.benchmarks.service.bench import Bench
from tests.benchmarks.service.outcomes import Outcome, render, render_markdown
from tests.server_process import ServerProcessError

WORKLOADS = ("overhead", "idle", "soak", "kill", "swap", "fuzz")
DATA_VARIABLE = "DRAGOMAN_BENCH_DATA"


def main() -> int:
    """Status 1 if a goal was missed or a workload failed."""
    arguments = _parse()
    bench = Bench(
        folder=arguments.output,
        data=arguments.data,
        seconds=arguments.seconds,
        num_clients=arguments.clients,
        num_processes=arguments.processes,
        num_rounds=arguments.rounds,
        num_texts=arguments.texts,
        num_requests=arguments.requests,
        seed=arguments.seed,
        bundle=arguments.bundle,
    )
    console = Console(width=160 if not sys.stdout.isatty() else None)
    outcomes: list[Outcome] = []
    failed = []
    for name in arguments.workloads or WORKLOADS:
        console.print(f"{name} …", highlight=False)
        try:
            outcomes += importlib.import_module(f"tests.benchmarks.service.{name}").run(bench)
        except (DragomanError, OSError, ServerProcessError, SideError) as error:
            console.print(f"{name} failed: {error}", markup=False)
            failed.append(name)
        _write(arguments.output, outcomes)  # after each, so that none is lost when a later one fails
    console.print(render(outcomes))
    console.print(f"written to {arguments.output / 'results.json'} and, as Markdown, results.md beside it")
    return int(bool(failed) or any(outcome.is_met is False for outcome in outcomes))


def _parse() -> argparse.Namespace:
    data = os.environ.get(DATA_VARIABLE)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.service", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(WORKLOADS)}; all if none")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help=f"folder with devtest.en and devtest.de; ${DATA_VARIABLE} by default; without it made-up sentences",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/bench-service"), help="%(default)s")
    parser.add_argument("--seconds", type=float, help="of load; 600 for soak, 30 for kill, 60 for swap by default")
    parser.add_argument("--clients", type=int, default=500, help="at once: %(default)s")
    parser.add_argument("--processes", type=int, default=4, help="that the clients are in: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="of overhead that count: %(default)s")
    parser.add_argument("--texts", type=int, default=2000, help="different sentences: %(default)s")
    parser.add_argument("--requests", type=int, default=100_000, help="of fuzz: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn: %(default)s")
    parser.add_argument("--bundle", default="en-de", help="translates between English and German: %(default)s")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {', '.join(unknown)}; choose among {', '.join(WORKLOADS)}")
    return arguments


def _write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    results = {
        "date": datetime.date.today().isoformat(),
        "machine": describe_machine(),
        "python": platform.python_version(),
        "outcomes": [outcome.to_json() for outcome in outcomes],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_atomically(folder / "results.md", render_markdown(outcomes))


if __name__ == "__main__":
    sys.exit(main())
