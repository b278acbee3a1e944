"""The command line as a whole, and the public names."""

from pathlib import Path

import pytest

import dragoman
from tests.commands.running import Run


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
