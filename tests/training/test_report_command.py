"""`dragoman report` as its users meet it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import dragoman
from model.errors import DragomanError, InvalidInputError
from tests.training.report.made_up_run import add_metrics, add_translations, begin_run, training_line

MAX_BYTES = 1_000_000


def report(*arguments: str | Path) -> str:
    outcome = CliRunner().invoke(dragoman.app, ["report", *map(str, arguments)])
    if isinstance(outcome.exception, DragomanError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_the_page_lies_in_the_run_folder(tmp_path: Path) -> None:
    begin_run(tmp_path)
    assert report(tmp_path) == f"{tmp_path / 'report.html'}: written\n"
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_the_page_goes_where_it_is_wanted_and_replaces_an_older_one(tmp_path: Path) -> None:
    begin_run(tmp_path / "run")
    output = tmp_path / "pages" / "run.html"
    report(tmp_path / "run", "--output", output)
    before = output.read_text("utf-8")
    add_metrics(tmp_path / "run", training_line(5))
    report(tmp_path / "run", "--output", output)
    assert output.read_text("utf-8") != before
    assert not (tmp_path / "run" / "report.html").exists()


def test_the_page_of_a_long_run_is_small(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_metrics(tmp_path, *[training_line(update, gradient_norm=update % 7) for update in range(50, 200_000, 50)])
    for update in range(2000, 60_000, 2000):
        sources = [f"source {n} " * 20 for n in range(20)]
        hypotheses = [f"hypothesis {n * update} " * 20 for n in range(20)]
        add_translations(tmp_path, sources=sources, references=sources, hypotheses=hypotheses, update=update)
    report(tmp_path)
    assert (tmp_path / "report.html").stat().st_size < MAX_BYTES


def test_half_a_character_does_not_stop_it(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_translations(tmp_path, sources=["a\ud800b"], references=["c"], hypotheses=["d\udfff"])
    report(tmp_path)
    assert "a?b" in (tmp_path / "report.html").read_text("utf-8")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no training run has begun here"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []
