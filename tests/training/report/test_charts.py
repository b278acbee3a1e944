"""The curves of a report, read from their SVG: every value within the axes, every spike seen, gaps left as gaps."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.training.report.charts import (
    INKS,
    MAX_ROWS,
    Chart,
    Curves,
    Line,
    Point,
    dash_of,
    draw_chart,
    evenly,
    format_value,
    spread_out,
)
from dragoman.training.report.course import draw_curves
from dragoman.training.report.run_record import read_run
from tests.training.report.made_up_run import add_metrics, begin_run, training_line, validation_line

VALUES = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))
Places = list[tuple[float, float]]


@dataclass
class Drawing:
    """An SVG. lines: each stretch of a line, by its gid."""

    root: ET.Element
    texts: list[str]
    ids: list[str]
    lines: dict[str, list[Places]]


def read_drawing(svg: str) -> Drawing:
    root = ET.fromstring(svg)
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    texts = [element.text or "" for element in root.findall(".//{*}text")]
    lines = {
        group.attrib["id"]: list(stretches(path.attrib["d"]))
        for group in root.findall(".//{*}g")
        if "-line-" in group.attrib.get("id", "")
        for path in group.findall("{*}path")
    }
    return Drawing(root, texts, ids, lines)


def stretches(path: str) -> Iterator[Places]:
    for stretch in path.split("M")[1:]:
        numbers = [float(number) for number in re.findall(r"[-\d.e+]+", stretch)]
        yield list(zip(numbers[::2], numbers[1::2], strict=True))


def drawn(points: Sequence[Point], **options: Any) -> tuple[Chart, Drawing]:
    chart = draw_chart("x", Curves(title="title", unit="unit", series={"a": points}, **options), points[-1][0])
    assert chart is not None
    return chart, read_drawing(chart.svg)


@settings(max_examples=12, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=50), st.sampled_from([None, "highest", "lowest"]), st.booleans())
def test_every_value_lies_within_the_axes(values: list[float], best: str | None, logarithmic: bool) -> None:
    _, drawing = drawn(list(enumerate(values, 1)), best=best, may_be_logarithmic=logarithmic)
    [line] = drawing.lines["x-line-0"]
    assert len(line) <= len(values)
    assert all(0 <= x <= 420 and 0 <= y <= 240 for x, y in line)
    assert [x for x, _ in line] == sorted(x for x, _ in line)


def test_the_axes_have_labels_and_round_numbers() -> None:
    _, drawing = drawn([(100, 0.1), (2000, 0.42)], from_zero=True)
    assert drawing.texts == ["0", "500", "1,000", "1,500", "2,000", "update", "0.0", "0.1", "0.2", "0.3", "0.4", "unit"]
    [[(x, y), (later_x, later_y)]] = drawing.lines["x-line-0"]
    assert x < later_x
    assert y > later_y


def test_a_small_number_has_room_for_its_label() -> None:
    _, drawing = drawn([(1, 0.0003), (2, 0.0001)], from_zero=True)
    [label] = [text for text in drawing.root.findall(".//{*}text") if text.text == "0.0003"]
    assert "text-anchor: end" in label.attrib["style"]
    assert float(label.attrib["x"]) >= len("0.0003") * 6
    _, drawing = drawn([(1, 0.00003), (2, 0.00001)], from_zero=True)
    assert {"3", "1e−5"} <= set(drawing.texts)  # a power of ten for the whole axis


def test_a_wide_span_is_logarithmic_where_it_may_be() -> None:
    points = [(1, 5000.0), (2, 3.0)]
    chart, drawing = drawn(points, may_be_logarithmic=True)
    plain, _ = drawn(points)
    assert (chart.title, plain.title) == ("title (logarithmic)", "title")
    assert {"10", "100", "1,000"} <= set(drawing.texts)


def test_the_best_of_each_line_is_marked() -> None:
    series = {"en→de": [(1, 3.0), (2, 9.0), (3, 9.0)], "de→en": [(1, 20.0), (2, 10.0)]}
    chart = draw_chart("x", Curves(title="BLEU", unit="BLEU", series=series, best="highest"), 3)
    assert chart is not None
    drawing = read_drawing(chart.svg)
    assert {"en→de, best 9.0", "de→en, best 20.0"} <= set(drawing.texts)
    [mark] = [group for group in drawing.root.findall(".//{*}g") if group.attrib.get("id") == "x-line-0-best"]
    [use] = mark.findall(".//{*}use")
    [line] = drawing.lines["x-line-0"]
    assert (float(use.attrib["x"]), float(use.attrib["y"])) == pytest.approx(line[1])  # the earliest among equals


def test_the_best_perplexity_is_the_lowest() -> None:
    _, drawing = drawn([(1, 30.0), (2, 9.5), (3, 10.0)], best="lowest")
    assert "a, best 9.5" in drawing.texts


def test_lines_around_their_mean_are_thin_and_share_its_colour() -> None:
    runs = [[(1, 1.0), (2, 3.0)], [(1, 2.0), (2, 5.0)]]
    series: dict[str, Line] = {"A": [(1, 0.0), (2, 1.0)], "B": [(1, 1.5), (2, 4.0)]}
    chart = draw_chart("x", Curves(title="x", unit="x", series=series, around={"B": runs}, labels="ends"), 2)
    assert chart is not None
    strokes = [
        (re.search(r"stroke: (var\(--line-\d\))", look), "stroke-dasharray" in look, "stroke-opacity" in look)
        for look in re.findall(r'<path d="M [^>]*?style="([^"]*)"', chart.svg, re.DOTALL)
    ]
    lines = [(found[1], is_dashed, is_thin) for found, is_dashed, is_thin in strokes if found]
    assert sorted(lines) == [
        ("var(--line-0)", False, False),
        ("var(--line-1)", False, True),
        ("var(--line-1)", False, True),
        ("var(--line-1)", True, False),
    ]
    assert chart.rows == (("1", "0", "1.5 (1 to 2)"), ("2", "1", "4 (3 to 5)"))
    drawing = read_drawing(chart.svg)
    names = {text.text: text for text in drawing.root.findall(".//{*}text") if text.text in series}
    assert names.keys() == series.keys()
    for name, line in (("A", "x-line-0"), ("B", "x-line-1")):
        x, y = place_of(names[name])
        end_x, end_y = drawing.lines[line][0][-1]
        assert 0 < x - end_x < 10
        assert abs(y - end_y) < 8


def place_of(text: ET.Element) -> tuple[float, float]:
    """Where a text begins."""
    found = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", text.attrib.get("transform", ""))
    x, y = (found[1], found[2]) if found else (text.attrib["x"], text.attrib["y"])
    return float(x), float(y)


def test_names_at_ends_that_meet_stand_one_above_the_other() -> None:
    assert spread_out([(0, 10), (1, 10), (0, 12), (90, 10)], 12, 99) == [10, 22, 34, 10]
    assert spread_out([(0, 50), (0, 0)], 12, 99) == [50, 0]
    assert spread_out([(0, 50), (0, 0), (0, 49)], 12, 50) == [50, 0, 38]
    assert spread_out([], 12, 99) == []


def test_more_lines_than_colours_have_other_dashes() -> None:
    looks = {(number % 6, dash_of(number)) for number in range(36)}
    assert len(looks) == 36


def test_a_beginning_that_leaves_no_room_for_the_rest_is_left_out() -> None:
    course = [(place, 9.0 if place < 20 else 1 + place % 2 / 10) for place in range(101)]
    chart, drawing = drawn(course, late_from=0.25)
    assert chart.title == "title, after the beginning"
    ticks = [float(text) for text in drawing.texts if re.fullmatch(r"\d\.\d+", text)]
    assert 0.9 < min(ticks) < max(ticks) < 1.2
    assert chart.rows[0] == ("0", "9")
    assert drawn([(0, 1.0), (50, 2.0), (100, 9.0)], late_from=0.25)[0].title == "title"
    assert drawn([(0, 1.0), (100, 9.0)], late_from=0.25)[0].title == "title"


def test_the_end_of_a_line_that_ends_early_has_room(recwarn: pytest.WarningsRecorder) -> None:
    long, short = (
        [(place, 1 + 100 / place) for place in range(1, 101)],
        [(place, 90.0 - place) for place in range(1, 9)],
    )
    series: dict[str, Line] = {"A": long, "B": short}
    for lines in (series, {"B": short, "A": long}):
        chart = draw_chart("x", Curves(title="x", unit="x", series=lines, labels="ends", late_from=0.25), 0)
        assert chart is not None
        drawing = read_drawing(chart.svg)
        names = {text.text: text for text in drawing.root.findall(".//{*}text") if text.text in series}
        assert all(0 < y < 240 for _, y in map(place_of, names.values()))
    assert not recwarn.list


def test_another_axis_is_named_and_ends_with_the_lines() -> None:
    curves = Curves(title="x", unit="x", axis="hours of training", series={"a": [(0.5, 1.0), (2.5, 3.0)]})
    chart = draw_chart("x", curves, 0)
    assert chart is not None
    assert "a: 1 at 0.5 hours of training, 3 at 2.5 hours of training, lowest 1" in chart.summary
    assert (chart.axis, chart.rows[0]) == ("hours of training", ("0.5", "1"))
    assert {"hours of training", "0.5", "2.5"} <= set(read_drawing(chart.svg).texts)


def test_long_names_have_fewer_columns() -> None:
    names = [f"a network with {kind} attention" for kind in ("no", "additive", "multiplicative", "self-")]
    chart = draw_chart("x", Curves(title="x", unit="x", series={name: [(1, 1.0), (9, 2.0)] for name in names}), 9)
    assert chart is not None
    root = ET.fromstring(chart.svg)
    width = float(root.attrib["viewBox"].split()[2])
    places = {one.text: one.attrib for one in root.findall(".//{*}text")}
    for name in names:
        assert float(places[name]["x"]) + 5 * len(name) < width  # a letter is wider than 5 of 11 points


def test_values_that_are_no_numbers_leave_a_gap() -> None:
    _, drawing = drawn([(1, 1.0), (2, 2.0), (3, math.nan), (4, math.inf), (5, 3.0), (6, 1.0)])
    assert [len(stretch) for stretch in drawing.lines["x-line-0"]] == [2, 2]


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": [(1, math.nan)]}])
def test_nothing_to_draw(series: dict[str, list[Point]]) -> None:
    assert draw_chart("x", Curves(title="x", unit="x", series=series), 1) is None


def test_one_point_is_a_dot() -> None:
    _, drawing = drawn([(5, 2.0)])
    [group] = [group for group in drawing.root.findall(".//{*}g") if group.attrib.get("id") == "x-line-0"]
    assert len(list(group.findall(".//{*}use"))) == 1


def test_a_long_line_is_small_and_keeps_every_spike() -> None:
    points = [(n, 1.0 + n % 7 / 50) for n in range(20_000)]
    points[7777], points[11111], points[15000] = (7777, 99.0), (11111, -99.0), (15000, math.nan)
    chart, drawing = drawn(points)
    first, second = drawing.lines["x-line-0"]
    heights = [y for _, y in first]
    assert max(heights) - min(heights) > 150
    assert sorted(heights)[1] - min(heights) > 70 < max(heights) - sorted(heights)[-2]
    assert second
    assert len(chart.svg) < 60_000


def test_the_colours_are_the_page_s_and_so_are_the_fonts() -> None:
    css = (Path(__file__).parents[3] / "training" / "report" / "page.css").read_text("utf-8")
    series = {str(number): [(1, 1.0), (2, float(number))] for number in range(8)}
    chart = draw_chart("x", Curves(title="x", unit="x", series=series, best="highest"), 2)
    assert chart is not None
    assert set(re.findall(r"var\((.*?)\)", chart.svg)) == set(INKS)
    assert all(css.count(f"{ink}:") == 2 for ink in INKS)  # for light and for dark
    assert not re.search(r"(stroke|fill): #|font-family|<style|<metadata|<!DOCTYPE", chart.svg)


def test_ids_are_of_one_chart_alone_and_equal_runs_give_equal_drawings(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_metrics(tmp_path, training_line(1, other=1.0), training_line(2), validation_line(2, 3.0))
    charts = draw_curves(read_run(tmp_path))
    assert [chart.title for chart in charts][-2:] == ["Target tokens a second", "Other"]
    ids = [name for chart in charts for name in read_drawing(chart.svg).ids]
    assert len(ids) == len(set(ids))
    for chart in charts:
        assert set(re.findall(r'(?:href="|url\()#([^")]*)', chart.svg)) <= set(read_drawing(chart.svg).ids)
    assert draw_curves(read_run(tmp_path)) == charts


def test_a_name_that_no_font_has_is_drawn_nevertheless() -> None:
    series = {"日本\ud800\0$x$<b>": [(1, 1.0)], "b": [(1, 2.0)]}
    chart = draw_chart("x", Curves(title="x", unit="x", series=series), 1)
    assert chart is not None
    assert "????$x$<b>" in read_drawing(chart.svg).texts


def test_the_words_and_the_table_say_what_the_lines_show() -> None:
    series = {"a": [(n, abs(n - 50.0)) for n in range(101)], "b": [(100, 1.5)]}
    chart = draw_chart("x", Curves(title="x", unit="x", series=series), 100)
    assert chart is not None
    assert "a: 50 at update 0, 50 at update 100, lowest 0 at update 50, highest 50 at update 0" in chart.summary
    assert chart.names == ("a", "b")
    assert len(chart.rows) == MAX_ROWS
    assert chart.rows[0] == ("0", "50", "")
    assert chart.rows[-1] == ("100", "50", "1.5")


def test_even_choices_have_both_ends() -> None:
    assert evenly(range(100), 4) == [0, 33, 66, 99]
    assert evenly([3, 4], 4) == [3, 4]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234567.8, "1,234,568"), (3.14159, "3.142"), (0.00002, "2e-05"), (math.inf, "inf"), (-5.5, "-5.5")],
)
def test_values_as_text(value: float, text: str) -> None:
    assert format_value(value) == text
