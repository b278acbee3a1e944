"""`make bench`: runs workloads, prints a table and writes JSON. See README.md beside this."""

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console

from dragoman.model.errors import DragomanError
from dragoman.model.files import write_atomically
from tests.benchmarks.bench import Bench
from tests.benchmarks.inputs import Inputs
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.measuring import Measurement, render, render_markdown
from tests.benchmarks.processes import SideError

WORKLOADS = (
    "base",
    "opus",
    "bundled",
    "shortlist",
    "latency",
    "load",
    "memory",
    "start",
    "quality",
    "invariance",
    "terms",
    "marian",
)
"""What runs when none is named; those of `BY_NAME` run only if they are."""

BY_NAME = ("tune", "baseline", "costs")

PACKAGES = ("ctranslate2", "numpy", "sacrebleu", "sentencepiece", "torch", "transformers")
DATA_VARIABLE = "DRAGOMAN_BENCH_DATA"


def main() -> int:
    arguments = _parse()
    bench = Bench(Inputs(arguments.cache, arguments.data), arguments.rounds, arguments.load_seconds, arguments.baseline)
    console = Console(width=160 if not sys.stdout.isatty() else None)
    measurements: list[Measurement] = []
    failed = False
    for name in arguments.workloads or WORKLOADS:
        console.print(f"{name} …", highlight=False)
        try:
            measurements += importlib.import_module(f"tests.benchmarks.{name}").run(bench)
        except (DragomanError, ModuleNotFoundError, SideError) as error:  # the others may do without data or package
            console.print(f"{name} left out: {error}", markup=False)
            failed = True
        _write(arguments.output, bench, measurements)
    console.print(render(measurements))
    console.print(f"written to {arguments.output} and, as Markdown, {arguments.output.with_suffix('.md')}")
    return int(failed)


def _parse() -> argparse.Namespace:
    data = os.environ.get(DATA_VARIABLE)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", metavar="WORKLOAD", help=f"{', '.join(WORKLOADS)}; or {', '.join(BY_NAME)}"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help=f"folder with dev.en and dev.de; ${DATA_VARIABLE} by default",
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/bench"), help="where models are kept: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("runs/bench/results.json"), help="%(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count: %(default)s")
    parser.add_argument(
        "--load-seconds", type=float, default=20.0, help="seconds of arrivals, a side and round: %(default)s"
    )
    parser.add_argument("--baseline", type=Path, help="another checkout, for the workload `baseline`")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.workloads if name not in (*WORKLOADS, *BY_NAME)]
    if unknown:
        parser.error(f"there is no workload {', '.join(unknown)}; choose among {', '.join((*WORKLOADS, *BY_NAME))}")
    return arguments


def _write(path: Path, bench: Bench, measurements: list[Measurement]) -> None:
    """After each workload, so that none is lost when a later one fails."""
    results = {
        "date": datetime.date.today().isoformat(),
        "machine": describe_machine(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "settings": {
            model: {side: bench.settings(model, side) for side in ("dragoman", "ctranslate2")}
            for model in ("base", "bundled", "shortlist")
        },
        "measurements": [measurement.to_json() for measurement in measurements],
    }
    write_atomically(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_atomically(path.with_suffix(".md"), render_markdown(measurements))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
