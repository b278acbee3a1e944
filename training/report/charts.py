"""The curves of a run's metrics, drawn by matplotlib as SVG that stands in the page and takes its colours."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.training.report.run_record import Measurement, RunRecord

MAX_ROWS = 25
"""Rows of a chart's table of values."""

LOGARITHMIC_SPAN = 20.0
"""Ratio of the largest value to the smallest above which an axis that may be logarithmic is."""

INKS = (*(f"--line-{number}" for number in range(6)), "--muted", "--rule", "--ground")
"""Variables of page.css, for light and for dark. matplotlib draws in stand-ins for them, see `_ink`."""

DASHES: Any = ("-", "--", ":", "-.", (0, (8, 3)), (0, (3, 1)))
"""Of the lines, for those who see no colours."""

ROUND = (1, 2, 5, 10)
"""Numbers between two labels of an axis, and their multiples by powers of ten."""

LOSSES = ("loss", "negative_log_likelihood")
OWN_LOSS = "negative_log_likelihood "
"""Prefix of the names of the corpora's own losses, where there are several."""

DRAWN_APART = {"epoch", "perplexity", *LOSSES, "learning_rate", "tokens_per_second", "gradient_norm"}

Point = tuple[int, float]
"""Update and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """A chart to draw: one or more lines over the updates.

    unit:      label of the axis of the values.
    series:    points by the name of the line, ascending.
    from_zero: whether the axis of the values begins at 0.
    mark_best: whether each line's highest value is marked.
    """

    title: str
    unit: str
    series: Mapping[str, Sequence[Point]]
    from_zero: bool = False
    may_be_logarithmic: bool = False
    mark_best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawn chart.

    svg:     markup to be included as it is; all text in it is escaped.
    summary: what it shows, in words, for those who do not see it.
    rows:    update and a value for each of `names`, a blank where it has none.
    """

    title: str
    svg: str
    names: tuple[str, ...]
    summary: str
    rows: tuple[tuple[str, ...], ...]


def draw_curves(record: RunRecord) -> list[Chart]:
    """The loss and how good the translations are first, then whatever else was measured, under its name in the log."""
    training, validations = record.of_kind("training"), record.of_kind("validation")
    likelihood = _points(training, "negative_log_likelihood")
    scores = dict.fromkeys(name for line in validations for name in line.values if name.startswith("bleu "))
    losses = dict.fromkeys(name for line in validations for name in line.values if name.startswith("loss "))
    own = dict.fromkeys(name for line in training for name in line.values if name.startswith(OWN_LOSS))
    others = dict.fromkeys(name for line in training for name in line.values if name not in {*DRAWN_APART, *own})
    wanted = [
        Curves(
            title="Loss, in nats per target piece",
            unit="nats per piece",
            series={_words(name): _points(training, name) for name in LOSSES},
        ),
        Curves(
            title="Loss of each corpus, without smoothing",
            unit="nats per piece",
            series={name.removeprefix(OWN_LOSS): _points(training, name) for name in own},
        ),
        Curves(
            title="Loss on the dev set, without smoothing",
            unit="nats per piece",
            series={name.removeprefix("loss "): _points(validations, name) for name in losses},
        ),
        Curves(
            title="Perplexity of the training data",
            unit="perplexity",
            series={"perplexity": [(update, perplexity(value)) for update, value in likelihood]},
            may_be_logarithmic=True,
        ),
        Curves(
            title="BLEU on the dev set",
            unit="BLEU",
            series={name.removeprefix("bleu "): _points(validations, name) for name in scores},
            mark_best=True,
        ),
        Curves(
            title="Learning rate",
            unit="learning rate",
            series={"learning rate": _points(training, "learning_rate")},
            from_zero=True,
        ),
        Curves(
            title="Target tokens a second",
            unit="tokens a second",
            series={"tokens": _points(training, "tokens_per_second")},
            from_zero=True,
        ),
        Curves(
            title="Norm of the gradient",
            unit="norm",
            series={"norm": _points(training, "gradient_norm")},
            may_be_logarithmic=True,
        ),
        *(
            Curves(title=_words(name).capitalize(), unit="value", series={_words(name): _points(training, name)})
            for name in others
        ),
    ]
    charts = (draw_chart(f"chart-{number}", curves, record.update) for number, curves in enumerate(wanted, 1))
    return [chart for chart in charts if chart is not None]


def draw_chart(name: str, curves: Curves, last_update: int) -> Chart | None:
    """Draws a chart; None without a finite value. Values that are not finite leave a gap.

    name: begins every id of the SVG. last_update: where the axis ends.
    """
    finite = {line: [point for point in points if math.isfinite(point[1])] for line, points in curves.series.items()}
    finite = {line: points for line, points in finite.items() if points}
    if not finite:
        return None
    values = [value for points in finite.values() for _, value in points]
    is_logarithmic = curves.may_be_logarithmic and min(values) > 0 and max(values) > LOGARITHMIC_SPAN * min(values)
    return Chart(
        title=curves.title + (" (logarithmic)" if is_logarithmic else ""),
        svg=_draw(name, curves, finite, max(1, last_update), is_logarithmic=is_logarithmic),
        names=tuple(finite),
        summary="; ".join(_summary(line, points) for line, points in finite.items()),
        rows=_rows(finite),
    )


def _draw(
    name: str, curves: Curves, finite: Mapping[str, Sequence[Point]], last_update: int, *, is_logarithmic: bool
) -> str:
    # Here, as the import takes half a second. Without pyplot there is no window, and no state but the settings.
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a user has set for other drawings
        matplotlib.rcParams.update(_settings())
        figure = Figure(figsize=(420 / 72, 240 / 72), layout="constrained")
        axes = figure.add_subplot(xlabel="update", ylabel=curves.unit, yscale="log" if is_logarithmic else "linear")
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=ROUND))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
        for number, (line, points) in enumerate(finite.items()):
            gid, label = f"line-{number}", _printable(line)
            style: Any = {"color": _ink(f"--line-{number % 6}"), "clip_on": False}
            if curves.mark_best:
                update, best = max(points, key=lambda point: point[1])
                label = f"{label}, best {best:.1f}"
                ground = _ink("--ground")
                axes.plot(
                    update, best, "o", gid=f"{gid}-best", markerfacecolor=ground, markeredgewidth=2, zorder=3, **style
                )
            dot = "." if len(points) == 1 else None  # a line of one point would not be seen
            axes.plot(
                *zip(*curves.series[line], strict=True),
                gid=gid,
                label=label,
                marker=dot,
                linestyle=DASHES[number % 6],
                **style,
            )
        axes.set_xlim(0, max(last_update, *(points[-1][0] for points in finite.values())))
        if curves.from_zero:
            axes.set_ylim(bottom=0)
        if is_logarithmic:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value)))
            axes.yaxis.set_minor_locator(NullLocator())
        if len(finite) > 1 or curves.mark_best:
            figure.legend(loc="outside upper left", ncols=3)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _fit_into_page(name, file.getvalue())


def _settings() -> Any:
    muted, rule = _ink("--muted"), _ink("--rule")
    return {
        "axes.edgecolor": muted,
        "axes.facecolor": "none",
        "axes.labelcolor": muted,
        "axes.spines.left": False,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.facecolor": "none",
        "font.family": ["DejaVu Sans"],  # matplotlib brings it, so that all machines measure alike
        "font.size": 11.0,
        "grid.color": rule,
        "legend.frameon": False,
        "legend.handlelength": 2.5,
        "lines.linewidth": 1.8,
        "path.simplify_threshold": 0.5,  # points; a spike stays to be seen
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "dragoman",  # equal runs, equal pages
        "text.color": muted,
        "text.parse_math": False,
        "xtick.labelcolor": muted,
        "ytick.labelcolor": muted,
    }


def _ink(variable: str) -> str:
    """A colour for matplotlib that stands for a variable of page.css: nearly black, and used for nothing else."""
    return f"#0000{INKS.index(variable) + 1:02x}"


def _fit_into_page(name: str, document: str) -> str:
    """The SVG element alone, in the page's colours and fonts, with ids that no other chart has."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would hold for the whole page

    def fit(tag: re.Match[str]) -> str:
        fitted = re.sub(r"font-family: [^;\"]*;?", "", tag[0])
        fitted = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", fitted)
        return re.sub(r"#0000(\w\w)\b", lambda found: f"var({INKS[int(found[1], 16) - 1]})", fitted)

    return re.sub(r"<[^>]+>", fit, svg)


def _printable(text: str) -> str:
    """Without characters that matplotlib's font lacks or cannot measure; the page's own text has them all."""
    return re.sub(r"[^ -~→]", "?", text)


def best_validation(record: RunRecord) -> Measurement | None:
    """Of the highest mean BLEU, the earliest among equals."""
    validations = [line for line in record.of_kind("validation") if "bleu" in line.values]
    return max(validations, key=lambda line: (line.values["bleu"], -line.update), default=None)


def perplexity(negative_log_likelihood: float) -> float:
    try:
        return math.exp(negative_log_likelihood)
    except OverflowError:
        return math.inf


def evenly(items: Sequence[int], max_items: int) -> list[int]:
    """At most `max_items` items, evenly spread, with the first and the last."""
    if len(items) <= max_items:
        return list(items)
    return [items[round(place * (len(items) - 1) / (max_items - 1))] for place in range(max_items)]


def format_value(value: float) -> str:
    """A value to four digits, without an exponent unless people would write one."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _points(measurements: Sequence[Measurement], name: str) -> list[Point]:
    return [(line.update, line.values[name]) for line in measurements if name in line.values]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _summary(name: str, points: Sequence[Point]) -> str:
    (first_update, first), (last_update, last) = points[0], points[-1]
    lowest, highest = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
    return (
        f"{name}: {format_value(first)} at update {first_update:,}, {format_value(last)} at update {last_update:,}, "
        f"lowest {format_value(lowest[1])} at update {lowest[0]:,}, "
        f"highest {format_value(highest[1])} at update {highest[0]:,}"
    )


def _rows(series: Mapping[str, Sequence[Point]]) -> tuple[tuple[str, ...], ...]:
    updates = evenly(sorted({update for points in series.values() for update, _ in points}), MAX_ROWS)
    by_name = [dict(points) for points in series.values()]
    return tuple(
        (f"{update:,}", *(format_value(known[update]) if update in known else "" for known in by_name))
        for update in updates
    )
