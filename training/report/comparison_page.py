"""Runs side by side as one self-contained HTML page, with their curves in the same charts."""

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from dragoman.training.report.charts import LINE_WIDTH, UPDATES, Chart, Curves, Line, dash_of, draw_chart
from dragoman.training.report.comparison import (
    DIFFERENCES,
    Experiment,
    comparison_rows,
    difference_rows,
    few_differences,
    hours,
    recorded_names,
    score_names,
    shown_name,
    shown_score,
    target_pieces,
)
from dragoman.training.report.measured_run import MeasuredRun, Points, is_score
from dragoman.training.report.page import now, render, tables

LATE = 0.25
"""Share of the course after which the differences between runs count."""

LOSS = "loss "
"""Prefix of the names of a validation's losses, see `training.evaluation.validation`."""

AXES: Mapping[str, Callable[[MeasuredRun], float | None]] = {
    UPDATES: lambda run: float(run.cost["updates"]) if "updates" in run.cost else None,
    "hours of training": hours,
    "million target pieces": target_pieces,
}
"""Axes of the course, and how far a run has come on each at the last update of its cost."""


@dataclass(frozen=True, slots=True)
class Row:
    """An experiment in the table.

    letter:  its name in the charts. ink, dash: of its line in them, as CSS and SVG have them.
    cells:   of the table's columns.
    """

    letter: str
    ink: str
    dash: str
    cells: tuple[str, ...]


def make_comparison_page(experiments: Sequence[Experiment]) -> str:
    """The page, as HTML. experiments: see `compare_runs`."""
    letters = [letter for letter, _ in zip(_letters(), experiments, strict=False)]
    head, *cells = comparison_rows(experiments)
    for row, one in zip(cells, experiments, strict=True):
        row[DIFFERENCES] = few_differences(one, "see below")
    shown = [place for place in range(len(head)) if place <= DIFFERENCES or any(row[place] for row in cells)]
    by_letter = dict(zip(letters, experiments, strict=True))
    runs = [(letter, run) for letter, one in by_letter.items() for run in one.runs]
    scores, tests = score_names(experiments), recorded_names(experiments)
    heads = [*(f"dev {shown_score(name)}" for name in scores), *(f"test BLEU {name}" for name in tests)]
    return render(
        "comparison.html",
        num_runs=len(runs),
        head=[head[place] for place in shown],
        rows=[
            Row(letter, *_look(number), tuple(row[place] for place in shown))
            for number, (letter, row) in enumerate(zip(letters, cells, strict=True))
        ],
        letters=letters,
        differences=difference_rows(experiments),
        charts=list(draw_comparison(by_letter)),
        run_head=["run", "seed", *heads, "at update", "updates"],
        runs=[(letter, _run_cells(run, scores, tests)) for letter, run in runs],
        configuration=tables(experiments[0].runs[0].config),
        written=now(),
    )


def _letters() -> Iterator[str]:
    """A to Z, AA to ZZ."""
    for length in (1, 2, 3):
        yield from map("".join, product(string.ascii_uppercase, repeat=length))


def _look(number: int) -> tuple[str, str]:
    return f"var(--line-{number % 6})", " ".join(f"{LINE_WIDTH * part:.3g}" for part in dash_of(number))


def _run_cells(run: MeasuredRun, scores: Sequence[str], tests: Sequence[str]) -> tuple[str, ...]:
    values = [*(run.best.get(name) for name in scores), *(run.test.get(name) for name in tests)]
    shown = ("" if value is None else f"{value:.2f}" for value in values)
    best_update = f"{run.best_update:,}" if run.best_update is not None else ""
    return (shown_name(run), str(run.seed), *shown, best_update, f"{run.update:,}")


def draw_comparison(experiments: Mapping[str, Experiment]) -> Iterator[Chart]:
    """A chart of each score over each axis, of each loss on the dev sets, and of the training loss.

    experiments: by the letters that stand at the lines.
    """
    names = list(dict.fromkeys(name for one in experiments.values() for run in one.runs for name in run.validations))
    wanted = [
        *(
            (f"Dev {shown_score(name)}", shown_score(name), axis, name)
            for name in names
            if is_score(name)
            for axis in AXES
        ),
        *(
            (f"Loss on the dev set {name.removeprefix(LOSS)}", "nats per piece", UPDATES, name)
            for name in names
            if name.startswith(LOSS)
        ),
        ("Loss in training", "nats per piece", UPDATES, None),
    ]
    for number, (title, unit, axis, name) in enumerate(wanted, 1):
        lines = {letter: _lines(one, name, axis) for letter, one in experiments.items()}
        curves = Curves(
            title=title if axis == UPDATES else f"{title} by {axis}",
            unit=unit.split()[0] if name and is_score(name) else unit,
            axis=axis,
            series={letter: mean_line(own) for letter, own in lines.items()},
            around={letter: own for letter, own in lines.items() if len(own) > 1},
            may_be_logarithmic=name == "perplexity",
            late_from=LATE,
            labels="ends",
        )
        chart = draw_chart(f"chart-{number}", curves, 0)
        if chart is not None:
            yield chart


def _lines(experiment: Experiment, name: str | None, axis: str) -> list[Line]:
    """The runs' values of a name, or their training losses. Over another axis than that of the updates the runs of an
    experiment go at their mean pace; those whose pace nobody knows have no line."""
    pace = 1.0 if axis == UPDATES else _pace(experiment, axis)
    if pace is None:
        return []
    points: list[Points] = [run.training if name is None else run.validations.get(name, ()) for run in experiment.runs]
    return [[(update * pace, value) for update, value in own] for own in points if own]


def _pace(experiment: Experiment, axis: str) -> float | None:
    """How far an update goes on the axis."""
    known = [(AXES[axis](run), run.cost.get("updates")) for run in experiment.runs]
    paces = [far / updates for far, updates in known if far is not None and updates]
    return fmean(paces) if paces else None


def mean_line(lines: Sequence[Line]) -> Line:
    """The mean of lines at the places that all of them have."""
    values = [dict(line) for line in lines]
    places = [place for place in values[0] if all(place in other for other in values)] if values else []
    return [(place, fmean(own[place] for own in values)) for place in places]
