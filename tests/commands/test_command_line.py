"""The command line as a whole, and the public names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dragoman
from dragoman.command_line import main
from tests.commands.running import Run, assert_refused


def test_models_lists_what_is_shipped(run: Run) -> None:
    outcome = run("models")
    assert outcome.status == 0
    for bundle in sorted(Path("model/bundles").glob("*/config.json")):
        assert bundle.parent.name in outcome.output


@pytest.mark.parametrize(("given", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_threads_sleep_while_they_wait_unless_the_user_decided(
    given: dict[str, str], policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "OMP_WAIT_POLICY": ""} | given)
    if not given:
        del os.environ["OMP_WAIT_POLICY"]
    monkeypatch.setattr(sys, "argv", ["dragoman", "keys", "no such key"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ["OMP_WAIT_POLICY"] == policy


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
        ["translate", "--split", "text", "--no-split", "--to", "de"],
        ["serve", "--config", "a", "--config", "b"],
        ["average", "a", "b", "--output", "c", "--overwrite", "--overwrite"],
    ],
)
def test_an_option_given_twice_is_an_error_unless_it_is_a_list(run: Run, arguments: list[str]) -> None:
    assert_refused(run(*arguments), "is given 2 times, but may be given once")


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
        "Train": "init",
        "Measure": "evaluate",
        "Convert": "import",
    }


def test_version(run: Run) -> None:
    assert run("--version").output.startswith("dragoman")


def test_a_list_may_be_given_twice(run: Run) -> None:
    again = ["--suppress", "a", "--suppress", "b"]
    assert_refused(run("translate", "--to", "de", "text", "--input", "none", *again), "give either TEXT")


def test_a_translation_imports_nothing_that_takes_long() -> None:
    code = """
import sys
import dragoman.command_line
sys.argv = ["dragoman", "translate", "12", "--to", "de"]
dragoman.command_line.main()
loaded = set(sys.modules)
slow = {"argparse", "email", "google", "grpc", "pydantic", "rich", "sacrebleu", "subprocess", "torch"} & loaded
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "12\n"
