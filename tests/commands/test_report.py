"""`dragoman report` as its users meet it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dragoman.command_line import make_app
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.training.config import RunConfig
from dragoman.training.evaluation.dev_translations import BEST_FILE, SAMPLES_FILE, read_dev_translations
from dragoman.training.run.training_run import train
from tests.training.report.made_up_run import add_metrics, add_translations, begin_run, training_line
from tests.training.tiny import grammar_data, tiny_config

MAX_BYTES = 1_000_000


def real_run(folder: Path, *, max_updates: int) -> RunConfig:
    return tiny_config(
        folder,
        data=grammar_data(folder.parent / "corpus", max_length=28),
        vocabulary={"size": 400},
        optimization={"max_updates": max_updates, "log_every": 1, "checkpoint_every": 2, "batch_tokens": 256},
        validation={"every": 2, "max_sentences": 8, "beam_size": 2},
        averaging={"checkpoints": 2},
        bundle={"storage": "float32"},
    )


def report(*arguments: str | Path) -> str:
    outcome = CliRunner().invoke(make_app(), ["report", *map(str, arguments)])
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


def test_a_real_run_is_shown_and_a_resumed_one_keeps_the_same_translations(tmp_path: Path) -> None:
    train(real_run(tmp_path / "whole", max_updates=6))
    train(real_run(tmp_path / "resumed", max_updates=4))
    train(real_run(tmp_path / "resumed", max_updates=6), resume=True)

    lines = {name: read_dev_translations(tmp_path / name / SAMPLES_FILE) for name in ("whole", "resumed")}
    validated = dict.fromkeys((line.update, line.averaged) for line in lines["whole"])
    assert list(validated) == [(2, ()), (4, ()), (6, ()), (6, (4, 6))]
    # The first part of the resumed run was finished, and so had a mean of its own.
    assert [line for line in lines["resumed"] if line.update != 4 or not line.averaged] == lines["whole"]

    report(tmp_path / "whole")
    page = (tmp_path / "whole" / "report.html").read_text("utf-8")
    [best, *_] = read_dev_translations(tmp_path / "whole" / BEST_FILE)
    assert best.source in page
    for text in ("Finished: 6 of 6 updates", "Norm of the gradient", "mean of 2 checkpoints", "nrefs:1|bs:1000"):
        assert text in page
