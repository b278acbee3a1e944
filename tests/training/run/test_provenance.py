"""What a run folder tells of how the run came about."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch

from dragoman.model.errors import InvalidInputError
from dragoman.training.learning.distributed import World
from dragoman.training.run import folder as run_folder
from dragoman.training.run.folder import circumstances, read_starts, record_start


def test_circumstances_name_versions_and_processes() -> None:
    told = circumstances(World(size=3))
    assert told["versions"]["torch"] == torch.__version__
    assert set(told["versions"]) >= {"python", "dragoman", "sentencepiece", "numpy"}
    assert (told["processes"], told["threads"]) == (3, torch.get_num_threads())
    json.dumps(told)


def test_each_start_is_recorded(tmp_path: Path) -> None:
    checksums = {"train.en": "12ab"}
    record_start(tmp_path, World(), seed=7, checksums=checksums, update=0)
    record_start(tmp_path, World(size=2, launcher="job"), seed=7, checksums=checksums, update=40)

    content = json.loads((tmp_path / "provenance.json").read_text())
    assert (content["seed"], content["data_checksums"]) == (7, checksums)
    starts = read_starts(tmp_path)
    assert [(start["update"], start["processes"], start["launcher"]) for start in starts] == [
        (0, 1, None),
        (40, 2, "job"),
    ]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    assert read_starts(tmp_path) == []
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"provenance\.json: cannot be read"):
        read_starts(tmp_path)


def test_the_commit_is_told_and_whether_the_code_was_edited_since(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    assert run_folder._commit(tmp_path / "nowhere") is None
    git("init")
    (tmp_path / "code").write_text("1")
    git("add", "code")
    git("commit", "-m", "code")
    assert re.fullmatch(r"[0-9a-f]{40}", run_folder._commit(tmp_path) or "")
    installed = tmp_path / "venv" / "training"  # in somebody else's checkout
    installed.mkdir(parents=True)
    (installed / "code").write_text("1")
    assert run_folder._commit(installed) is None
    (tmp_path / "code").write_text("2")
    assert re.fullmatch(r"[0-9a-f]{40}\+", run_folder._commit(tmp_path) or "")
