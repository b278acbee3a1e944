"""The geometry of curves: every value within the axes, every spike seen, gaps left as gaps."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.training.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_HOVERS,
    MAX_POINTS,
    MAX_ROWS,
    RIGHT,
    TOP,
    WIDTH,
    draw_chart,
    evenly,
    format_value,
    thin_out,
)

VALUES = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.e+]+),([-\d.e+]+)", path)]


@given(st.lists(VALUES, min_size=1, max_size=50), st.booleans(), st.booleans())
def test_every_value_and_tick_lies_within_the_axes(values: list[float], mark_best: bool, logarithmic: bool) -> None:
    points = list(enumerate(values, 1))
    chart = draw_chart("x", {"a": points}, last_update=60, mark_best=mark_best, may_be_logarithmic=logarithmic)
    assert chart is not None
    [line] = chart.lines
    drawn = places(line.path)
    assert len(drawn) == len(values)
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in drawn)
    assert all(LEFT <= tick.place <= WIDTH - RIGHT for tick in chart.x_ticks)
    assert all(TOP <= tick.place <= HEIGHT - BOTTOM for tick in chart.y_ticks)
    assert len({tick.label for tick in chart.y_ticks}) == len(chart.y_ticks) >= 1
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)


def test_the_axes_are_round() -> None:
    chart = draw_chart("x", {"a": [(100, 0.1), (2000, 0.42)]}, last_update=2000, from_zero=True)
    assert chart is not None
    assert [tick.label for tick in chart.x_ticks] == ["0", "500", "1,000", "1,500", "2,000"]
    assert [tick.label for tick in chart.y_ticks] == ["0.0", "0.1", "0.2", "0.3", "0.4"]


def test_a_wide_span_is_logarithmic_where_it_may_be() -> None:
    points = [(1, 5000.0), (2, 3.0)]
    chart = draw_chart("x", {"a": points}, last_update=2, may_be_logarithmic=True)
    plain = draw_chart("x", {"a": points}, last_update=2)
    assert chart is not None
    assert plain is not None
    assert (chart.title, plain.title) == ("x (logarithmic)", "x")
    assert [tick.label for tick in chart.y_ticks] == ["10", "100", "1,000"]


def test_the_best_of_each_line_is_marked() -> None:
    series = {"en→de": [(1, 3.0), (2, 9.0), (3, 9.0)], "de→en": [(1, 20.0), (2, 10.0)]}
    chart = draw_chart("x", series, last_update=3, mark_best=True)
    assert chart is not None
    marks = [line.best for line in chart.lines]
    assert [mark and mark[2] for mark in marks] == ["9.0", "20.0"]
    assert marks[0] is not None
    assert marks[0][:2] == places(chart.lines[0].path)[1]  # the earliest among equals


def test_values_that_are_no_numbers_leave_a_gap() -> None:
    points = [(1, 1.0), (2, 2.0), (3, math.nan), (4, math.inf), (5, 3.0), (6, 1.0)]
    chart = draw_chart("x", {"a": points}, last_update=6)
    assert chart is not None
    assert re.sub(r"[\d.,]+", "", chart.lines[0].path) == "MLML"


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [(1, math.nan)]}])
def test_nothing_to_draw(series: dict[str, list[tuple[int, float]]]) -> None:
    assert draw_chart("x", series, last_update=1) is None


def test_one_point_is_a_dot() -> None:
    chart = draw_chart("x", {"a": [(5, 2.0)]}, last_update=10)
    assert chart is not None
    assert chart.lines[0].path.endswith("h0")


def test_hovers_cover_the_chart_and_tell_the_values() -> None:
    series = {"loss": [(n, n / 7) for n in range(1, 1001)], "other": [(1000, 2.5)]}
    chart = draw_chart("x", series, last_update=1000)
    assert chart is not None
    assert len(chart.hovers) == MAX_HOVERS
    assert chart.hovers[0].left == LEFT
    for before, after in zip(chart.hovers, chart.hovers[1:], strict=False):
        assert before.left + before.width == pytest.approx(after.left, abs=0.11)
    assert chart.hovers[-1].text == "update 1,000: loss 142.9, other 2.5"


def test_the_words_and_the_table_say_what_the_lines_show() -> None:
    chart = draw_chart("x", {"a": [(n, abs(n - 50.0)) for n in range(101)], "b": [(100, 1.5)]}, last_update=100)
    assert chart is not None
    assert "a: 50 at update 0, 50 at update 100, lowest 0 at update 50, highest 50 at update 0" in chart.summary
    assert len(chart.rows) == MAX_ROWS
    assert chart.rows[0] == ("0", "50", "")
    assert chart.rows[-1] == ("100", "50", "1.5")


def test_thinning_out_keeps_every_spike() -> None:
    points = [(n, 1.0 + n / 1e6) for n in range(20_000)]
    points[7777] = (7777, 99.0)
    points[11111] = (11111, -99.0)
    points[15000] = (15000, math.nan)
    kept = thin_out(points, MAX_POINTS)
    assert len(kept) <= MAX_POINTS * 1.5
    assert {(7777, 99.0), (11111, -99.0)} <= set(kept)
    assert any(math.isnan(value) for _, value in kept)
    assert [update for update, _ in kept] == sorted(update for update, _ in kept)


def test_few_points_stay_as_they_are() -> None:
    assert thin_out([(1, 2.0), (2, 1.0)], MAX_POINTS) == [(1, 2.0), (2, 1.0)]


def test_even_choices_have_both_ends() -> None:
    assert evenly(range(100), 4) == [0, 33, 66, 99]
    assert evenly([3, 4], 4) == [3, 4]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234567.8, "1,234,568"), (3.14159, "3.142"), (0.00002, "2e-05"), (math.inf, "inf"), (-5.5, "-5.5")],
)
def test_values_as_text(value: float, text: str) -> None:
    assert format_value(value) == text
