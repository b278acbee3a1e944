"""Runs side by side, on run folders without the training."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import dragoman
from tests.training.report.made_up_run import TARGETS, add_metrics, add_translations, begin_run, training_line
from training.metrics import bleu_score
from training.report.comparison import ComparedRuns, compare_runs, comparison_table
from training.report.run_record import read_run

WORSE = [*TARGETS[:2], "Das Kind sucht."]


def made_up(
    folder: Path, hypotheses: list[str] | None = None, *, update: int = 2, seed: int = 1, **tables: Any
) -> Path:
    begin_run(folder, **tables)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"seed": seed}))
    add_metrics(folder, training_line(update))
    if hypotheses is not None:
        add_translations(folder, hypotheses=hypotheses, update=update)
    return folder


def compared(*folders: Path) -> list[ComparedRuns]:
    return compare_runs([read_run(folder) for folder in folders])


def test_what_a_run_has_other_than_the_first(tmp_path: Path) -> None:
    base = made_up(tmp_path / "base", TARGETS)
    other = made_up(tmp_path / "other", WORSE, update=8, objective={"r_drop": 5.0}, bundle={"name": "other"})
    first, second = compared(base, other)
    assert (first.names, first.differences) == ((str(base),), {})
    assert (second.names, second.differences) == ((str(other),), {"objective.r_drop": 5.0})
    assert first.bleu == {"en→de": pytest.approx((100.0,))}
    assert second.bleu == {"en→de": (bleu_score(WORSE, TARGETS),)}
    assert (second.best_updates, second.updates) == ((8,), (8,))


def test_seeds_of_one_experiment_share_a_row(tmp_path: Path) -> None:
    runs = [
        made_up(tmp_path / "base", TARGETS),
        made_up(tmp_path / "a", WORSE, seed=1, objective={"label_smoothing": 0.2}),
        made_up(tmp_path / "b", TARGETS, seed=2, objective={"label_smoothing": 0.2}),
    ]
    _, seeds = compared(*runs)
    assert seeds.names == (str(runs[1]), str(runs[2]))
    low, high = bleu_score(WORSE, TARGETS), 100.0
    head, _, _, row = comparison_table(compared(*runs)).splitlines()
    assert f"| other than {runs[0]}" in head
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    deviation = (high - low) / 2**0.5
    assert cells[1:4] == ["objective.label_smoothing = 0.2", "2", f"{(low + high) / 2:.2f} ± {deviation:.2f}"]


def test_a_run_without_a_validation_has_no_score(tmp_path: Path) -> None:
    base, begun = made_up(tmp_path / "base", TARGETS), made_up(tmp_path / "begun", seed=2)
    (both,) = compared(base, begun)
    assert "±" not in comparison_table([both])
    (alone,) = compared(begun)
    assert alone.bleu == {}
    assert "dev BLEU" not in comparison_table([alone])


def test_a_key_that_an_older_version_did_not_know_is_a_difference(tmp_path: Path) -> None:
    base, older = made_up(tmp_path / "base"), made_up(tmp_path / "older")
    config = json.loads((older / "config.json").read_text())
    del config["objective"]["r_drop"]
    (older / "config.json").write_text(json.dumps(config))
    assert compared(base, older)[1].differences == {"objective.r_drop": None}
    assert compared(older, base)[1].differences == {"objective.r_drop": 0.0}


def test_what_a_run_took(tmp_path: Path) -> None:
    run = made_up(tmp_path / "run", TARGETS)
    (run / "provenance.json").write_text('{"starts": [{"processes": 1, "threads": 8}, {"processes": 2, "threads": 2}]}')
    (alone,) = compared(run)
    assert (alone.threads, alone.hours, alone.target_pieces) == ((4,), (0.0,), (0,))


def test_the_command_prints_a_table_in_markdown(tmp_path: Path) -> None:
    base, other = made_up(tmp_path / "base", TARGETS), made_up(tmp_path / "other", validation={"every": 3})
    outcome = CliRunner().invoke(dragoman.app, ["compare", str(base), str(other)])
    assert outcome.exit_code == 0, outcome.output
    head, rule, *rows = outcome.output.splitlines()
    assert set(rule) == {"|", "-"}
    assert [line.count("|") for line in (head, rule, *rows)] == [head.count("|")] * 4
    assert "validation.every = 3" in rows[1]
