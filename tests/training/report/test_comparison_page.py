"""The page that compares runs: who is drawn how, what a reader without colours, eyes or network gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.training.report.comparison import Experiment, compare_runs
from dragoman.training.report.comparison_page import draw_comparison, make_comparison_page, mean_line
from dragoman.training.report.measured_run import read_runs
from tests.training.report.made_up_run import add_checkpoint, add_metrics, begin_run, training_line, validation_line
from tests.training.report.test_charts import read_drawing
from tests.training.report.test_page import HOSTILE, Reader


def made_up(folder: Path, bleu: list[float], *, seed: int = 1, **tables: Any) -> Path:
    """A run with a validation every 100 updates."""
    begin_run(folder, **tables)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"seed": seed}))
    for number, score in enumerate(bleu, 1):
        add_metrics(folder, training_line(100 * number), validation_line(100 * number, score))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three seeds and another configuration; the third seed has not come as far."""
    return [
        made_up(tmp_path / "base-1", [10.0, 20.0, 30.0]),
        made_up(tmp_path / "base-2", [12.0, 22.0, 32.0], seed=2),
        made_up(tmp_path / "base-3", [14.0, 24.0], seed=3),
        made_up(tmp_path / "other", [15.0, 25.0, 35.0], objective={"r_drop": 5.0}),
    ]


def experiments_of(*runs: Path) -> dict[str, Experiment]:
    return dict(zip("ABCDEF", compare_runs(read_runs(runs)), strict=False))


def test_seeds_share_a_line_and_its_mean_is_of_those_that_came_as_far(runs: list[Path]) -> None:
    charts = {chart.title: chart for chart in draw_comparison(experiments_of(*runs))}
    assert list(charts) == ["Dev BLEU en→de", "Loss in training"]
    chart = charts["Dev BLEU en→de"]
    assert chart.names == ("A", "B")
    assert chart.rows == (("100", "12 (10 to 14)", "15"), ("200", "22 (20 to 24)", "25"), ("300", "", "35"))
    assert {"A", "B", "update", "BLEU"} <= set(read_drawing(chart.svg).texts)
    assert chart.svg.count("stroke-opacity") == 3  # the thin lines


def test_the_course_by_hours_and_pieces_where_the_cost_is_known(runs: list[Path]) -> None:
    add_checkpoint(runs[0], 300, seconds=3600, target_tokens=3_000_000)
    add_checkpoint(runs[1], 300, seconds=7200, target_tokens=3_000_000)
    charts = {(chart.title, chart.axis): chart for chart in draw_comparison(experiments_of(*runs))}
    hours = charts["Dev BLEU en→de by hours of training", "hours of training"]
    assert hours.names == ("A",)  # the other run's cost is unknown
    assert [row[0] for row in hours.rows] == ["0.5", "1"]
    pieces = charts["Dev BLEU en→de by million target pieces", "million target pieces"]
    assert [row[0] for row in pieces.rows] == ["1", "2"]


def test_the_table_is_the_legend(runs: list[Path]) -> None:
    page = Reader(make_comparison_page(list(experiments_of(*runs).values())))
    for text in ("4 runs, 2 configurations", "objective.r_drop = 5.0", "base-1, base-2, base-3", "28.67 ± 4.16"):
        assert text in page.text, text
    samples = [attributes for attributes in page.named("svg") if attributes.get("class") == "sample"]
    assert [sample["aria-label"] for sample in samples] == ["line of A", "line of B"]
    first, second = page.named("line")
    assert first["style"] != second["style"]
    assert "stroke-dasharray" not in first
    assert second["stroke-dasharray"]


def test_many_differences_have_a_table_of_their_own(tmp_path: Path) -> None:
    other = {"d_model": 32, "d_ff": 64, "num_heads": 4, "num_encoder_layers": 2, "num_decoder_layers": 2}
    runs = [made_up(tmp_path / "a", [1.0]), made_up(tmp_path / "b", [2.0], architecture=other)]
    page = Reader(make_comparison_page(compare_runs(read_runs(runs))))
    assert "architecture.num_heads = 4; " in page.text
    assert "and 1 more, see below" in page.text
    assert "#differences" in {attributes["href"] for attributes in page.named("a")}
    rows = [row.split() for row in page.text.split("Differences")[2].splitlines()]
    assert ["architecture.d_ff3264"] in rows
    assert "Differences" not in Reader(make_comparison_page(compare_runs(read_runs(runs[:1])))).text


def test_the_page_needs_nothing_else_and_no_eyes(runs: list[Path]) -> None:
    page = Reader(make_comparison_page(list(experiments_of(*runs).values())))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    policy = [each["content"] for each in page.named("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for attributes in page.named("a")} <= {f"#{name}" for name in ids}
    described = [attributes["aria-label"] or "" for attributes in page.named("div") if attributes.get("role") == "img"]
    assert len(described) == 2
    assert "B: 15 at update 100, 35 at update 300, lowest 15" in described[0]
    assert len(page.named("table")) == len(page.named("thead"))
    regions = [each["aria-label"] for each in page.named("div") if each.get("role") == "region"]
    assert len(regions) == len(set(regions))
    titles = {"Table", "Curves", "Each run", "Differences", "Configuration of A", "Words"}  # of the sections
    assert titles <= set(page.text.splitlines())
    assert not titles & set(regions)


def test_more_runs_than_letters_and_colours(tmp_path: Path) -> None:
    runs = [made_up(tmp_path / f"run {n}", [float(n)], validation={"every": n}) for n in range(1, 29)]
    page = Reader(make_comparison_page(compare_runs(read_runs(runs))))
    assert "28 runs, 28 configurations" in page.text
    looks = {(line["style"], line.get("stroke-dasharray")) for line in page.named("line")}
    assert len(looks) == 28
    assert "AB" in page.text


def test_runs_that_have_only_begun(tmp_path: Path) -> None:
    begin_run(tmp_path / "run")
    page = Reader(make_comparison_page(compare_runs(read_runs([tmp_path / "run"]))))
    assert "1 run, 1 configuration" in page.text
    assert "Nothing has been measured yet." in page.text


def test_hostile_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    runs = [made_up(tmp_path / str(n), [1.0], data={"directions": [text]}) for n, text in enumerate(["en-de"])]
    config = json.loads((runs[0] / "config.json").read_text())
    config["data"]["train"] = [{"en": text} for text in HOSTILE]
    other = made_up(tmp_path / "<b>bold<b>", [1.0])
    (other / "config.json").write_text(json.dumps(config))
    add_metrics(other, {"kind": "validation", "update": 5, "bleu <i>x</i>": 1.0, "loss <u>y": 2.0})
    page = Reader(make_comparison_page(compare_runs(read_runs([*runs, other]))))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "b", "i", "u"})
    assert "<b>bold<b>" in page.text
    assert "BLEU <i>x</i>" in page.text
    assert str(7919 * 7919) not in page.text


def test_the_mean_of_lines() -> None:
    assert mean_line([[(1, 1.0), (2, 2.0)], [(2, 4.0), (3, 9.0)]]) == [(2, 3.0)]
    assert mean_line([]) == mean_line([[(1, 1.0)], [(2, 1.0)]]) == []
