"""`make bench-train`: trains with Dragoman and with what would be used instead, side by side. See ../README.md."""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from dragoman.model.errors import DragomanError
from dragoman.model.files import write_atomically
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.measuring import take_turns
from tests.benchmarks.processes import Side, SideError
from tests.benchmarks.training import systems
from tests.benchmarks.training.corpus import prepare
from tests.benchmarks.training.plan import SHAPES, Plan
from tests.benchmarks.training.results import Outcome, render, render_markdown
from tests.benchmarks.training.systems import SYSTEMS, System

DATA_VARIABLE = "DRAGOMAN_BENCH_DATA"


def main() -> int:
    arguments = _parse()
    console = Console(width=180 if not sys.stdout.isatty() else None, highlight=False, markup=False)
    folder: Path = arguments.folder
    try:
        corpus = prepare(folder / "corpus", arguments.data)
    except DragomanError as error:
        console.print(str(error))
        return 1
    console.print(f"{corpus.num_pairs:,} pairs, {corpus.num_target_tokens:,} target tokens ({corpus.origin})")
    outcomes: list[Outcome] = []
    for shape in arguments.shapes:
        plan = Plan(shape, str(corpus.folder.absolute()), "", arguments.batch_tokens, arguments.threads)
        outcomes += _measure(plan, arguments, console)
        _write(folder / "results.json", arguments, asdict(corpus), outcomes)
    console.print(render(outcomes))
    console.print(f"written to {folder / 'results.json'} and, as Markdown, results.md beside it")
    return int(any(outcome.error for outcome in outcomes))


def _parse() -> argparse.Namespace:
    data = os.environ.get(DATA_VARIABLE)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"{', '.join(SYSTEMS)}; all if none is named")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help=f"folder with train.en and train.de, or .gz; ${DATA_VARIABLE} by default, or else Dragoman's grammar",
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-train"), help="for all it makes: %(default)s")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="both if none is named")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="pieces of a padded batch: %(default)s")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count, after one to warm up: %(default)s")
    parser.add_argument("--seconds", type=float, default=30.0, help="of training, a system and round: %(default)s")
    parser.add_argument("--profile", action="store_true", help="also write where the loop over MarianMTModel spends it")
    arguments = parser.parse_args()
    try:
        arguments.systems = systems.chosen(arguments.systems or list(SYSTEMS))
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _measure(plan: Plan, arguments: argparse.Namespace, console: Console) -> list[Outcome]:
    """All systems at one shape, in rounds that alternate; one that does not start is left out and told of."""
    outcomes: dict[str, Outcome] = {}
    turns: dict[str, Callable[[], dict[str, Any]]] = {}
    with ExitStack() as stack:
        for name, system in arguments.systems.items():
            console.print(f"{plan.shape}: {name} starts …")
            try:
                side, description = _start(name, system, plan, arguments, stack)
            except (SideError, subprocess.CalledProcessError) as error:
                reason = str(error).strip().splitlines()[-1]
                console.print(f"{name} left out: {reason}")
                outcomes[name] = Outcome(name, system.title, plan.shape, {}, (), reason)
                continue
            outcomes[name] = Outcome(name, system.title, plan.shape, description, ())
            turns[name] = partial(side.call, "round", seconds=arguments.seconds)
        console.print(f"{plan.shape}: {arguments.rounds} rounds and one to warm up …")
        for name, rounds in zip(turns, take_turns(arguments.rounds, *turns.values()), strict=True):
            begun = outcomes[name]
            outcomes[name] = Outcome(name, begun.title, plan.shape, begun.description, rounds)
    if arguments.profile:
        _profile(plan, arguments, console)
    return list(outcomes.values())


def _start(
    name: str, system: System, plan: Plan, arguments: argparse.Namespace, stack: ExitStack, **options: Any
) -> tuple[Side, dict[str, Any]]:
    """A system that has come to its first batch, and what it says of itself."""
    scratch = (arguments.folder / "scratch" / f"{name}-{plan.shape}").absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    log = stack.enter_context((arguments.folder / f"{name}-{plan.shape}.log").open("w"))
    side = stack.enter_context(systems.start(system, arguments.folder, plan.threads, log))
    described = asdict(plan) | {"scratch": str(scratch)}
    return side, side.call("start", plan=described, **system.options | options)


def _profile(plan: Plan, arguments: argparse.Namespace, console: Console) -> None:
    path = (arguments.folder / f"marian-profile-{plan.shape}.txt").absolute()
    path.unlink(missing_ok=True)  # it tells when the new one is there
    with ExitStack() as stack:
        side, _ = _start("marian-profile", SYSTEMS["marian"], plan, arguments, stack, profile=str(path))
        while not path.exists():
            side.call("round", seconds=1.0)
    console.print(f"written to {path}")


def _write(path: Path, arguments: argparse.Namespace, corpus: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """After each shape, so that none is lost when a later one fails."""
    results = {
        "date": datetime.date.today().isoformat(),
        "machine": describe_machine(),
        "python": platform.python_version(),
        "corpus": corpus | {"folder": str(corpus["folder"])},
        "settings": {key: getattr(arguments, key) for key in ("batch_tokens", "threads", "rounds", "seconds")},
        "shapes": {shape: asdict(SHAPES[shape]) for shape in arguments.shapes},
        "outcomes": [outcome.to_json() for outcome in outcomes],
    }
    write_atomically(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_atomically(path.with_suffix(".md"), render_markdown(outcomes))


if __name__ == "__main__":
    sys.exit(main())
