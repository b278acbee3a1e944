"""`dragoman grammar`: with what it writes, a first training is one more command."""

import shlex
from pathlib import Path

import pytest

from dragoman.training.config import load_run_config
from dragoman.training.run.prepare import read_run_text
from tests.commands.running import Run, assert_refused
from tests.training.tiny import small_disk

SMALL = ("--sentences", 120, "--held-out", 15)


@pytest.mark.parametrize("name", ["quickstart", 'a "first" try'])
def test_the_configuration_trains_on_the_corpus_beside_it(run: Run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    outcome = run("grammar", folder, *SMALL)
    path = folder / "quickstart.toml"
    assert outcome.output == f"{path}: written; train on it: dragoman train {shlex.quote(str(path))}\n"
    text = read_run_text(load_run_config(path))
    assert [(part.source.path, part.source.num_lines) for part in text.train] == [(folder / "train.en", 120)]
    assert [len(part.target) for part in text.dev] == [15]
    assert len((folder / "test.de").read_text("utf-8").splitlines()) == 15


def test_a_configuration_that_is_there_is_not_replaced_unless_that_is_wanted(run: Run, tmp_path: Path) -> None:
    run("grammar", tmp_path, *SMALL)
    before = (tmp_path / "train.en").read_text("utf-8")
    assert_refused(run("grammar", tmp_path, *SMALL, "--seed", 2), "quickstart.toml: exists already")
    assert (tmp_path / "train.en").read_text("utf-8") == before
    assert run("grammar", tmp_path, *SMALL, "--seed", 2, "--overwrite").status == 0
    assert (tmp_path / "train.en").read_text("utf-8") != before


def test_a_full_disk_is_one_line(run: Run, tmp_path: Path) -> None:
    with small_disk(50):
        outcome = run("grammar", tmp_path / "corpus", *SMALL)
    assert_refused(outcome, "corpus: cannot be written: ")
