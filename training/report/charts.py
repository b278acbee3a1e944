"""Curves, drawn by matplotlib as SVG that stands in the page and takes its colours."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeVar

MAX_ROWS = 25
"""Rows of a chart's table of values."""

LOGARITHMIC_SPAN = 20.0
"""Ratio of the largest value to the smallest above which an axis that may be logarithmic is."""

INKS = (*(f"--line-{number}" for number in range(6)), "--muted", "--rule", "--ground")
"""Variables of page.css, for light and for dark. matplotlib draws in stand-ins for them, see `_ink`."""

DASHES: tuple[tuple[float, ...], ...] = ((), (3.7, 1.6), (1, 1.65), (6.4, 1.6, 1, 1.6), (8, 3), (3, 1))
"""Of the lines, for those who see no colours: dash, gap, …, in widths of the line."""

LINE_WIDTH = 1.8
"""In points."""

ROUND = (1, 2, 5, 10)
"""Numbers between two labels of an axis, and their multiples by powers of ten."""

FEW_LATE = 0.6
"""Share of the values below which they are too few to leave out the others."""

LABEL_HEIGHT = 12.0
"""Of a label at the end of a line, in points."""

UPDATES = "update"
"""Name of the axis of a run's course, unless it is another."""

Point = tuple[float, float]
"""Place on the axis of the course, such as an update, and value."""

Line = Sequence[Point]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """A chart to draw: one or more lines over the updates.

    unit:      label of the axis of the values.
    axis:      label of the other axis, in the plural unless it is `UPDATES`.
    series:    points by the name of the line, ascending.
    around:    by the name of a line the lines whose mean it is; they are drawn thinly.
    from_zero: whether the axis of the values begins at 0.
    best:      which value of each line is marked.
    late_from: the axis of the values has room for the lines from this share of their course on, if their beginnings
               would otherwise take most of it.
    labels:    where the lines' names stand: above, if needed, or at their ends.
    """

    title: str
    unit: str
    axis: str = UPDATES
    series: Mapping[str, Line]
    around: Mapping[str, Sequence[Line]] | None = None
    from_zero: bool = False
    may_be_logarithmic: bool = False
    best: Literal["highest", "lowest"] | None = None
    late_from: float = 0.0
    labels: Literal["above", "ends"] = "above"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawn chart.

    svg:     markup to be included as it is; all text in it is escaped.
    summary: what it shows, in words, for those who do not see it.
    rows:    place on the axis and a value for each of `names`, a blank where it has none.
    """

    title: str
    axis: str
    svg: str
    names: tuple[str, ...]
    summary: str
    rows: tuple[tuple[str, ...], ...]


def draw_chart(name: str, curves: Curves, last_place: float) -> Chart | None:
    """Draws a chart; None without a finite value. Values that are not finite leave a gap.

    name: begins every id of the SVG. last_place: where the axis ends.
    """
    finite = {line: _finite(points) for line, points in curves.series.items()}
    around = {line: [_finite(one) for one in lines] for line, lines in (curves.around or {}).items()}
    everything = [*finite.values(), *chain(*around.values())]
    values = [value for points in everything for _, value in points]
    if not values:
        return None
    is_logarithmic = curves.may_be_logarithmic and min(values) > 0 and max(values) > LOGARITHMIC_SPAN * min(values)
    last_place = max(last_place, *(points[-1][0] for points in everything if points))
    limits = _late_limits(everything, curves.late_from) if curves.late_from and not is_logarithmic else None
    drawn = {line: points for line, points in finite.items() if points}
    title = curves.title + (" (logarithmic)" if is_logarithmic else "") + (", after the beginning" if limits else "")
    return Chart(
        title=title,
        axis=curves.axis,
        svg=_draw(name, curves, around, last_place, limits, is_logarithmic=is_logarithmic),
        names=tuple(drawn),
        summary="; ".join(_summary(line, points, curves.axis) for line, points in drawn.items()),
        rows=_rows(drawn, around, curves.axis),
    )


def _finite(points: Line) -> Line:
    return [point for point in points if math.isfinite(point[1])]


def _late_limits(lines: Sequence[Line], share: float) -> tuple[float, float] | None:
    """The span of the values, with a margin, of each line from this share of its course on; None if that is a good part
    of all values' span."""
    late = [value for points in lines for place, value in points if place >= share * points[-1][0]]
    values = [value for points in lines for _, value in points]
    if len(late) < FEW_LATE * len(values) or max(late) - min(late) > (max(values) - min(values)) / 2:
        return None
    margin = 0.06 * (max(late) - min(late)) or 0.5
    return min(late) - margin, max(late) + margin


def _draw(
    name: str,
    curves: Curves,
    around: Mapping[str, Sequence[Line]],
    last_place: float,
    limits: tuple[float, float] | None,
    *,
    is_logarithmic: bool,
) -> str:
    # Here, as the import takes half a second. Without pyplot there is no window, and no state but the settings.
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a user has set for other drawings
        matplotlib.rcParams.update(_settings())
        height = max(240, LABEL_HEIGHT * (len(curves.series) + 5) if curves.labels == "ends" else 0)
        figure = Figure(figsize=(420 / 72, height / 72), layout="constrained")
        axes = figure.add_subplot(xlabel=curves.axis, ylabel=curves.unit, yscale="log" if is_logarithmic else "linear")
        axes.grid(axis="y")
        axes.tick_params(length=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=curves.axis == UPDATES, steps=ROUND))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: _format_place(place, curves.axis)))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
        for number, (line, points) in enumerate(curves.series.items()):
            style: Any = {"color": _ink(f"--line-{number % 6}"), "clip_on": limits is not None}
            for thin in around.get(line, ()):
                dot = "." if len(thin) == 1 else None
                axes.plot(*zip(*thin, strict=True), linewidth=0.9, alpha=0.6, marker=dot, **style) if thin else None
            if _finite(points):
                _draw_line(axes, f"line-{number}", line, points, number, curves, style)
        axes.set_xlim(0, max(1, last_place) if curves.axis == UPDATES else last_place or 1)
        if limits:
            axes.set_ylim(*limits)
        elif curves.from_zero:
            axes.set_ylim(bottom=0)
        if is_logarithmic:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value)))
            axes.yaxis.set_minor_locator(NullLocator())
        if curves.labels == "ends":
            _label_ends(figure, axes, curves, around)
        elif curves.best or sum(bool(_finite(points)) for points in curves.series.values()) > 1:
            _add_legend(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _fit_into_page(name, file.getvalue())


def _add_legend(figure: Any) -> None:
    """In as many columns as there is room for."""
    for columns in (3, 2, 1):
        legend = figure.legend(loc="outside upper left", ncols=columns)
        figure.draw_without_rendering()
        if legend.get_window_extent().width <= figure.bbox.width or columns == 1:
            return
        legend.remove()


def _draw_line(axes: Any, gid: str, line: str, points: Line, number: int, curves: Curves, style: Any) -> None:
    label = _printable(line)
    if curves.best:
        choose = max if curves.best == "highest" else min
        place, best = choose(_finite(points), key=lambda point: point[1])
        label, ground = f"{label}, best {best:.1f}", _ink("--ground")
        axes.plot(place, best, "o", gid=f"{gid}-best", markerfacecolor=ground, markeredgewidth=2, zorder=3, **style)
    dot = "." if len(_finite(points)) == 1 else None  # a line of one point would not be seen
    dash = dash_of(number)
    axes.plot(
        *zip(*points, strict=True), gid=gid, label=label, marker=dot, linestyle=(0, dash) if dash else "-", **style
    )


def dash_of(number: int) -> tuple[float, ...]:
    """Of the line with this number, so that lines of one colour have different ones."""
    return DASHES[(number + number // 6) % 6]


def _label_ends(figure: Any, axes: Any, curves: Curves, around: Mapping[str, Sequence[Line]]) -> None:
    """Writes each line's name at its end, the names one above the other where lines end together."""
    ends = []
    for number, (line, points) in enumerate(curves.series.items()):
        found = [one[-1] for one in (_finite(points), *around.get(line, ())) if one]
        if found:
            ends.append((found[0], _printable(line), _ink(f"--line-{number % 6}")))
    labels = [
        axes.annotate(
            text,
            end,
            (5, 0),
            textcoords="offset points",
            va="center",
            color=ink,
            weight="bold",
            annotation_clip=False,
            bbox={"facecolor": _ink("--ground"), "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
        )
        for end, text, ink in ends
    ]
    figure.draw_without_rendering()  # only then is it known where the ends are
    places = [axes.transData.transform(end) * 72 / figure.dpi for end, _, _ in ends]
    top = float(axes.bbox.y1) * 72 / figure.dpi
    heights = spread_out([(float(x), float(y)) for x, y in places], LABEL_HEIGHT, top)
    for label, (_, y), height in zip(labels, places, heights, strict=True):
        label.set_position((5, height - y))


def spread_out(places: Sequence[tuple[float, float]], least: float, top: float) -> list[float]:
    """New heights for labels at these places, at least `least` apart where labels stand one above the other, and none
    that was not there before above `top`."""
    order = sorted(range(len(places)), key=lambda number: places[number][1])
    heights = [y for _, y in places]

    def neighbours(number: int, among: Sequence[int]) -> list[float]:
        return [heights[other] for other in among if abs(places[other][0] - places[number][0]) < least]

    for rank, number in enumerate(order):
        heights[number] = max([heights[number], *(height + least for height in neighbours(number, order[:rank]))])
    for rank, number in reversed(list(enumerate(order))):
        highest = min([max(top, places[number][1]), *(y - least for y in neighbours(number, order[rank + 1 :]))])
        heights[number] = min(heights[number], highest)
    return heights


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
        "lines.linewidth": LINE_WIDTH,
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


def evenly(items: Sequence[Item], max_items: int) -> list[Item]:
    """At most `max_items` items, evenly spread, with the first and the last."""
    if len(items) <= max_items:
        return list(items)
    return [items[round(place * (len(items) - 1) / (max_items - 1))] for place in range(max_items)]


def format_value(value: float) -> str:
    """A value to four digits, without an exponent unless people would write one."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _summary(name: str, points: Line, axis: str) -> str:
    lowest, highest = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
    where = [(format_value(value), _at(place, axis)) for place, value in (points[0], points[-1], lowest, highest)]
    first, last, least, most = (f"{value} at {place}" for value, place in where)
    return f"{name}: {first}, {last}, lowest {least}, highest {most}"


def _at(place: float, axis: str) -> str:
    shown = _format_place(place, axis)
    return f"{axis} {shown}" if axis == UPDATES else f"{shown} {axis}"


def _format_place(place: float, axis: str) -> str:
    return f"{place:,.0f}" if axis == UPDATES else format_value(place)


def _rows(series: Mapping[str, Line], around: Mapping[str, Sequence[Line]], axis: str) -> tuple[tuple[str, ...], ...]:
    """A value of several lines' mean has their lowest and highest value behind it."""
    places = evenly(sorted({place for points in series.values() for place, _ in points}), MAX_ROWS)
    by_name = {name: dict(points) for name, points in series.items()}
    spreads = {name: [dict(line) for line in lines] for name, lines in around.items()}

    def cell(name: str, place: float) -> str:
        if place not in by_name[name]:
            return ""
        values = [line[place] for line in spreads.get(name, ()) if place in line]
        spread = f" ({format_value(min(values))} to {format_value(max(values))})" if values else ""
        return format_value(by_name[name][place]) + spread

    return tuple((_format_place(place, axis), *(cell(name, place) for name in series)) for place in places)
