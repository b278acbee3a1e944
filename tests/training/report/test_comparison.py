"""Runs side by side, on run folders without the training."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dragoman.command_line import make_app
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import exclusive_lock
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.dev_translations import DevTranslations
from dragoman.training.evaluation.metrics import bleu_score
from dragoman.training.report.comparison import Experiment, compare_runs, comparison_table, terminal_table
from dragoman.training.report.measured_run import read_runs
from tests.training.report.made_up_run import (
    SOURCES,
    TARGETS,
    add_bundle,
    add_checkpoint,
    add_metrics,
    add_translations,
    begin_run,
    training_line,
    validation_line,
)

WORSE = [*TARGETS[:2], "Das Kind sucht."]
LOW, HIGH = bleu_score(WORSE, TARGETS), 100.0


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


def compared(*folders: Path) -> list[Experiment]:
    return compare_runs(read_runs(folders))


def table_of(*folders: Path) -> list[dict[str, str]]:
    """Of each row the cells by the column's head."""
    lines = comparison_table(compared(*folders)).splitlines()
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


def with_corpora(folder: Path, corpora: Any) -> Path:
    """The run, as if it had been trained on them."""
    config = json.loads((folder / "config.json").read_text())
    config["data"]["train"] = corpora
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_what_a_run_has_other_than_the_first(tmp_path: Path) -> None:
    base = made_up(tmp_path / "base", TARGETS)
    other = made_up(tmp_path / "other", WORSE, update=8, objective={"r_drop": 5.0}, bundle={"name": "other"})
    first, second = compared(base, other)
    assert (first.differences, second.differences) == ({}, {"objective.r_drop": 5.0})
    assert [[run.name for run in one.runs] for one in (first, second)] == [["base"], ["other"]]
    assert first.runs[0].best == {"bleu en→de": pytest.approx(HIGH)}
    assert second.runs[0].best == {"bleu en→de": pytest.approx(LOW, rel=1e-5)}
    assert second.runs[0].best_update == 8


def test_seeds_of_one_experiment_share_a_row(tmp_path: Path) -> None:
    base = made_up(tmp_path / "base", TARGETS)
    runs = [
        made_up(tmp_path / f"seed {seed}", hypotheses, seed=seed, objective={"label_smoothing": 0.2})
        for seed, hypotheses in ((1, WORSE), (2, TARGETS))
    ]
    _, row = table_of(base, *runs)
    assert row["other than base"] == "objective.label_smoothing = 0.2"
    assert row["run"] == "seed 1, seed 2"
    assert row["seeds"] == "2"
    assert row["dev BLEU en→de"] == f"{(LOW + HIGH) / 2:.2f} ± {(HIGH - LOW) / 2**0.5:.2f}"


def test_a_run_twice_is_one_and_a_seed_twice_has_no_spread(tmp_path: Path) -> None:
    base, again = made_up(tmp_path / "base", TARGETS), made_up(tmp_path / "again", WORSE)
    (tmp_path / "link").symlink_to(base)
    (row,) = table_of(base, tmp_path / "link", tmp_path / "again" / ".." / "base", again)
    assert (row["run"], row["seeds"]) == ("base, again", "1")
    assert row["dev BLEU en→de"] == f"{(LOW + HIGH) / 2:.2f}"


def test_another_dev_set_is_another_experiment(tmp_path: Path) -> None:
    base, other = made_up(tmp_path / "base", TARGETS), made_up(tmp_path / "other", seed=2)
    add_translations(other, sources=["A tree."], references=["Ein Baum."], hypotheses=["Ein Baum."])
    rows = table_of(base, other)
    assert rows[1]["other than base"] == "dev set of other sentences"
    assert [row["seeds"] for row in rows] == ["1", "1"]


def test_scores_are_those_of_the_tokenizer_and_old_runs_have_the_default(tmp_path: Path) -> None:
    base, old, characters = (made_up(tmp_path / name, WORSE, seed=n) for n, name in enumerate(("base", "old", "char")))
    for folder, tokenize in ((old, None), (characters, "char")):
        config = json.loads((folder / "config.json").read_text())
        config["validation"].pop("tokenize")
        config["validation"] |= {"tokenize": tokenize} if tokenize else {}
        (folder / "config.json").write_text(json.dumps(config))
    first, second = table_of(base, old, characters)
    assert (first["seeds"], first["dev BLEU en→de"]) == ("2", f"{LOW:.2f} ± 0.00")
    assert second["other than base"] == 'validation.tokenize = "char"'
    assert second["dev BLEU en→de"] == f"{bleu_score(WORSE, TARGETS, tokenize='char'):.2f}"


def test_what_is_not_known_yet_is_left_out_of_the_mean(tmp_path: Path) -> None:
    base, begun = made_up(tmp_path / "base", TARGETS, update=40), made_up(tmp_path / "begun", seed=2, update=20)
    (row,) = table_of(base, begun)
    assert row["dev BLEU en→de"] == "100.00, 1 of 2"
    assert (row["at update"], row["updates"]) == ("40", "30")
    assert (row["hours"], row["target pieces, M"], row["threads"]) == ("", "", "")
    (alone,) = table_of(begun)
    assert not any(head.startswith("dev BLEU") for head in alone)
    assert alone["at update"] == ""


def test_a_run_that_goes_on_says_so(tmp_path: Path) -> None:
    run = made_up(tmp_path / "run", TARGETS)
    with exclusive_lock(run / "lock"):
        (row,) = table_of(run)
    assert row["run"] == "run (running)"


def test_each_direction_has_a_column(tmp_path: Path) -> None:
    there, back = (
        ParallelText(Direction(*way), list(source), list(target))
        for way, source, target in ((("en", "de"), SOURCES, TARGETS), (("de", "en"), TARGETS, SOURCES))
    )
    run = made_up(tmp_path / "run")
    DevTranslations(run, [there, back], seed=1).write(2, {"en→de": WORSE, "de→en": SOURCES}, is_best=True)
    (row,) = table_of(made_up(tmp_path / "one way", TARGETS, seed=3), run)[1:]
    assert (row["dev BLEU en→de"], row["dev BLEU de→en"]) == (f"{LOW:.2f}", "100.00")


def test_the_last_validation_is_told_beside_the_best(tmp_path: Path) -> None:
    run = made_up(tmp_path / "run", TARGETS, update=2)
    for update, bleu in ((2, 39.56), (400, 39.1)):
        add_metrics(run, validation_line(update, bleu))
    (row,) = table_of(run)
    assert (row["dev BLEU en→de"], row["at update"], row["last en→de"]) == ("100.00", "2", "39.10")
    (silent,) = table_of(made_up(tmp_path / "silent", TARGETS))
    assert silent["last en→de"] == ""


def test_scores_of_test_sets_are_those_of_the_bundles(tmp_path: Path, tiny_bundle: Path) -> None:
    runs = [made_up(tmp_path / str(seed), TARGETS, seed=seed) for seed in (1, 2, 3)]
    for run, score in zip(runs, (1.25, 2.25), strict=False):
        add_bundle(run, tiny_bundle)
        config = json.loads((run / "best" / "config.json").read_text())
        config["scores"] = [
            config["scores"][0] | {"metric": metric, "score": score, "signature": "nrefs:1|tok:none|smooth:exp"}
            for metric in ("BLEU", "chrF")
        ]
        (run / "best" / "config.json").write_text(json.dumps(config))
    (row,) = table_of(*runs)
    assert row["test BLEU made-up en→de tok:none"] == "1.75 ± 0.71, 2 of 3"
    assert not [head for head in row if "chrF" in head]


def test_a_key_that_an_older_version_did_not_know_is_a_difference(tmp_path: Path) -> None:
    base, older = made_up(tmp_path / "base"), made_up(tmp_path / "older")
    config = json.loads((older / "config.json").read_text())
    del config["objective"]["r_drop"]
    (older / "config.json").write_text(json.dumps(config))
    assert compared(base, older)[1].differences == {"objective.r_drop": None}
    assert compared(older, base)[1].differences == {"objective.r_drop": 0.0}


def test_corpora_are_shown_with_what_is_said_of_them(tmp_path: Path) -> None:
    plain = with_corpora(made_up(tmp_path / "plain"), [{"en": "a.en", "de": "a.de"}])
    said = with_corpora(
        made_up(tmp_path / "said"), [{"en": "a.en", "de": "a.de", "repeat": 3, "directions": ["en-de"]}, {"de": "b"}]
    )
    other_order = with_corpora(
        made_up(tmp_path / "again", seed=2), [{"de": "a.de", "en": "a.en", "repeat": 1, "directions": []}]
    )
    first, second = table_of(plain, said, other_order)
    assert first["seeds"] == "2"  # what is said is no more than what holds anyway
    assert second["other than plain"] == 'data.train = a.en, a.de, repeat 3, directions ["en-de"] + b'


def test_what_a_run_took(tmp_path: Path) -> None:
    run = made_up(tmp_path / "run", TARGETS)
    (run / "provenance.json").write_text('{"starts": [{"processes": 1, "threads": 8}, {"processes": 2, "threads": 2}]}')
    add_checkpoint(run, 2, seconds=5400, target_tokens=12_340_000)
    (row,) = table_of(run)
    assert (row["threads"], row["hours"], row["target pieces, M"]) == ("4", "1.50", "12.3")


@pytest.mark.parametrize("starts", ['{"x": 1}', '["x"]', "[]", "5", '[{"processes": null, "threads": 1}]'])
def test_odd_provenance_is_not_known(tmp_path: Path, starts: str) -> None:
    run = made_up(tmp_path / "run", TARGETS)
    (run / "provenance.json").write_text(f'{{"starts": {starts}}}')
    assert table_of(run)[0]["threads"] == ""


def test_the_command_prints_a_table_in_markdown(tmp_path: Path) -> None:
    base, other = made_up(tmp_path / "base", TARGETS), made_up(tmp_path / "a|b\nc", validation={"every": 3})
    outcome = CliRunner().invoke(make_app(), ["compare", str(base), str(other)])
    assert outcome.exit_code == 0, outcome.output
    head, rule, *rows = outcome.output.splitlines()
    assert set(rule) == {"|", "-"}
    assert [line.replace(r"\|", "").count("|") for line in (head, rule, *rows)] == [head.count("|")] * 4
    assert "validation.every = 3" in rows[1]
    assert r"a\|b c" in rows[1]


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(make_app(), ["compare", str(made_up(tmp_path / "base")), str(tmp_path)])
    assert isinstance(outcome.exception, InvalidInputError)
    assert str(tmp_path) in str(outcome.exception)


def test_a_terminal_gets_a_table_without_empty_columns(tmp_path: Path) -> None:
    first = made_up(tmp_path / "first", TARGETS, architecture={"dropout": 0.1})
    second = made_up(tmp_path / "second", WORSE, architecture={"dropout": 0.2})
    console = Console(width=200, file=io.StringIO())
    experiments = compared(first, second)
    table = terminal_table(experiments, width=200)
    heads = [str(column.header).replace("\n", " ") for column in table.columns]
    assert heads[0] == "run"
    assert "dev BLEU en→de" in heads
    assert len(terminal_table(experiments, width=80).columns) <= len(heads)
    assert "hours" not in heads  # no run knows them
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert "architecture.dropout = 0.2" in console.file.getvalue()
    assert "|" not in console.file.getvalue()


def test_a_terminal_gets_the_first_of_many_differences(tmp_path: Path) -> None:
    other = {"d_model": 32, "d_ff": 64, "num_heads": 4, "num_encoder_layers": 2, "num_decoder_layers": 2}
    experiments = compared(made_up(tmp_path / "a"), made_up(tmp_path / "b", architecture=other))
    table = terminal_table(experiments, width=200)
    _, cell = table.columns[1].cells
    assert str(cell).endswith("; and 1 more, see --page")
    assert str(cell).count(" = ") == 4
    assert comparison_table(experiments).count("architecture.") == 5


def test_of_another_kind_of_network_the_kind_comes_first_and_missing_keys_are_none(tmp_path: Path) -> None:
    base, other = made_up(tmp_path / "base"), made_up(tmp_path / "other", validation={"every": 3})
    config = json.loads((other / "config.json").read_text())
    config["architecture"] = {"kind": "recurrent", "d_model": 16, "attention": "none"}
    (other / "config.json").write_text(json.dumps(config))
    _, row = table_of(base, other)
    shown = row["other than base"].split("; ")
    assert shown[0] == 'architecture.kind = "recurrent"'
    assert sorted(shown[1:]) == ['architecture.attention = "none"', "validation.every = 3"]
