"""Curves as geometry, which the page's template turns into SVG. Free of markup: what is text stays text until there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 30
"""Of a chart and its margins, in the units of its viewBox; about pixels."""

MAX_POINTS = 800
"""Of a line: more are not told apart on any screen."""

MAX_HOVERS = 80
"""Places of a chart whose values are shown under the pointer."""

MAX_ROWS = 25
"""Of a chart's table of values."""

LOGARITHMIC_SPAN = 20.0
"""Ratio of the largest value to the smallest above which a chart that may be logarithmic is."""

Point = tuple[int, float]
"""Update and value."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, in the viewBox, with its label."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One curve. path: for SVG. best: where its marked value is, with that value, if one is marked."""

    name: str
    path: str
    best: tuple[float, float, str] | None = None


@dataclass(frozen=True, slots=True)
class Hover:
    """A strip over the chart that tells the values of one update."""

    left: float
    width: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing of one or more lines over the updates.

    summary: what it shows, in words, for those who do not see it. rows: update and a value for each line, a blank where
    it has none.
    """

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    hovers: tuple[Hover, ...]
    summary: str
    rows: tuple[tuple[str, ...], ...]


def draw_chart(
    title: str,
    series: Mapping[str, Sequence[Point]],
    *,
    last_update: int,
    from_zero: bool = False,
    may_be_logarithmic: bool = False,
    mark_best: bool = False,
) -> Chart | None:
    """None if there is no finite value to draw. Values that are no finite numbers leave a gap.

    series: points by the name of the line, ascending. last_update: where the axis ends. from_zero: whether the axis of
    the values begins at 0. mark_best: whether each line's highest value is marked.
    """
    finite = {name: [point for point in points if math.isfinite(point[1])] for name, points in series.items()}
    finite = {name: points for name, points in finite.items() if points}
    values = [value for points in finite.values() for _, value in points]
    if not values:
        return None
    is_logarithmic = may_be_logarithmic and min(values) > 0 and max(values) > LOGARITHMIC_SPAN * min(values)
    x_axis = _Axis(0, max(last_update, *(points[-1][0] for points in finite.values())), LEFT, WIDTH - RIGHT)
    low, high = (0.0 if from_zero else min(values)), max(values)
    y_axis = _Axis(low, high, HEIGHT - BOTTOM, TOP, is_logarithmic=is_logarithmic)
    lines = []
    for name, points in finite.items():
        best = max(points, key=lambda point: point[1]) if mark_best else None
        mark = (x_axis.place(best[0]), y_axis.place(best[1]), f"{best[1]:.1f}") if best else None
        lines.append(Line(name, _path(thin_out(series[name], MAX_POINTS), x_axis, y_axis), mark))
    return Chart(
        title=title + (" (logarithmic)" if is_logarithmic else ""),
        lines=tuple(lines),
        x_ticks=x_axis.ticks(5),
        y_ticks=y_axis.ticks(5),
        hovers=_hovers(finite, x_axis),
        summary="; ".join(_summary(name, points) for name, points in finite.items()),
        rows=_rows(finite),
    )


def thin_out(points: Sequence[Point], max_points: int) -> list[Point]:
    """At most about `max_points` of them: of each of equal stretches the lowest and the highest, so that every spike
    stays to be seen; a value that is no number stays, too."""
    if len(points) <= max_points:
        return list(points)
    num_stretches = max_points // 2
    kept = []
    for number in range(num_stretches):
        first, last = number * len(points) // num_stretches, (number + 1) * len(points) // num_stretches
        stretch = points[first:last]
        gaps = [point for point in stretch if not math.isfinite(point[1])]
        finite = [point for point in stretch if math.isfinite(point[1])]
        extremes = {min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])} if finite else set()
        kept.extend(sorted([*extremes, *gaps[:1]], key=lambda point: point[0]))
    return kept


def evenly(items: Sequence[int], max_items: int) -> list[int]:
    """At most `max_items` of them, the first and the last included."""
    if len(items) <= max_items:
        return list(items)
    return [items[round(place * (len(items) - 1) / (max_items - 1))] for place in range(max_items)]


def format_value(value: float) -> str:
    """To four digits, without an exponent where people would write none."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


class _Axis:
    """From values to places in the viewBox."""

    def __init__(self, low: float, high: float, first: float, last: float, *, is_logarithmic: bool = False) -> None:
        if low == high:
            margin = abs(low) / 10 or 1.0
            low, high = low - margin, high + margin
        self._is_logarithmic = is_logarithmic
        self._low, self._high = self._scaled(low), self._scaled(high)
        self._first, self._last = first, last

    def place(self, value: float) -> float:
        share = (self._scaled(value) - self._low) / (self._high - self._low)
        return round(self._first + share * (self._last - self._first), 1)

    def ticks(self, count: int) -> tuple[Tick, ...]:
        """About `count` round values."""
        if self._is_logarithmic:
            return self._logarithmic_ticks()
        raw = (self._high - self._low) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
        decimals = max(0, -math.floor(math.log10(step)) + (round(step / power, 1) == 2.5))
        first, last = math.ceil(self._low / step - 1e-9), math.floor(self._high / step + 1e-9)
        return tuple(
            Tick(self.place(number * step), f"{number * step:,.{decimals}f}") for number in range(first, last + 1)
        )

    def _logarithmic_ticks(self) -> tuple[Tick, ...]:
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        factors = (1,) if len(powers) > 3 else (1, 3)
        values = [factor * 10.0**power for power in powers for factor in factors]
        return tuple(
            Tick(self.place(value), format_value(value))
            for value in values
            if self._low - 1e-9 <= math.log10(value) <= self._high + 1e-9
        )

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self._is_logarithmic else value


def _path(points: Sequence[Point], x_axis: _Axis, y_axis: _Axis) -> str:
    parts = []
    command = "M"
    for update, value in points:
        if not math.isfinite(value):
            command = "M"
            continue
        parts.append(f"{command}{x_axis.place(update):g},{y_axis.place(value):g}")
        command = "L"
    if len(parts) == 1:  # a line of one point would not be seen; with round caps, one of no length is a dot
        parts.append("h0")
    return "".join(parts)


def _hovers(series: Mapping[str, Sequence[Point]], x_axis: _Axis) -> tuple[Hover, ...]:
    updates = evenly(sorted({update for points in series.values() for update, _ in points}), MAX_HOVERS)
    places = [x_axis.place(update) for update in updates]
    by_name = {name: dict(points) for name, points in series.items()}
    hovers = []
    for number, (update, place) in enumerate(zip(updates, places, strict=True)):
        left = (places[number - 1] + place) / 2 if number else LEFT
        right = (place + places[number + 1]) / 2 if number + 1 < len(places) else WIDTH - RIGHT
        values = [f"{name} {format_value(known[update])}" for name, known in by_name.items() if update in known]
        text = f"update {update:,}: {', '.join(values)}"
        hovers.append(Hover(round(left, 1), round(max(right - left, 0.5), 1), text))
    return tuple(hovers)


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
