"""The command line as a whole, and the public names."""

from pathlib import Path

import pytest

import dragoman
from tests.commands.running import Run, assert_refused


def test_models_lists_what_is_shipped(run: Run) -> None:
    outcome = run("models")
    assert outcome.status == 0
    for bundle in sorted(Path("model/bundles").glob("*/config.json")):
        assert bundle.parent.name in outcome.output


def test_public_names_exist_and_unknown_ones_do_not() -> None:
    for name in dragoman.__all__:
        assert getattr(dragoman, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Translater'"):
        _ = dragoman.Translater


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "--to", "de", "--to=fr", "text"],
        ["evaluate", "--reference", "a", "--hypothesis", "b", "--hypothesis", "c"],
        ["score", "--overwrite", "--overwrite"],
        ["average", "a", "b", "--output", "c", "--overwrite", "--overwrite"],
    ],
)
def test_an_option_given_twice_is_an_error_unless_it_is_a_list(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert outcome.status == 2
    assert "is given 2 times" in outcome.errors


def test_wrong_usage_exits_with_2(run: Run) -> None:
    for arguments in (["nonsense"], ["train"], ["translate", "--to"]):
        assert run(*arguments).status == 2


def test_help_groups_the_commands_by_what_a_user_does(run: Run) -> None:
    lines = [line.strip("│ ") for line in run("--help").output.splitlines()]
    headings = [index for index, line in enumerate(lines) if line.startswith("╭")]
    commands = {lines[index].strip("╭╮─ "): lines[index + 1].split(" ")[0] for index in headings}
    assert commands == {
        "Options": "--version",
        "Translate": "translate",
        "Serve": "serve",
        "Train": "clean",
        "Measure": "evaluate",
        "Convert": "export",
    }


def test_version(run: Run) -> None:
    assert run("--version").output.startswith("dragoman")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("translate --to de --to en text", "--to"),
        ("translate --to de --beam-size 2 text --beam-size=3", "--beam-size"),
        ("translate --to de --split --no-split text", "--split"),
        ("clean --source a --target b --target c", "--target"),
        ("serve --config a --config b", "--config"),
        ("score en-de --to de --source a --source b --target c", "--source"),
    ],
)
def test_an_option_that_takes_one_value_is_given_once(run: Run, command: str, option: str) -> None:
    assert_refused(run(*command.split(" ")), f"{option} is given 2 times, but takes one value")


def test_a_switch_and_a_list_may_be_given_twice(run: Run) -> None:
    again = ["--overwrite", "--overwrite", "--suppress", "a", "--suppress", "b"]
    assert_refused(run("translate", "--to", "de", "text", "--input", "none", *again), "give either TEXT")
