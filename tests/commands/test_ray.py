"""Translation on Ray: actors add a column, and the files of a folder are translated in their order."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="the extra ray is not installed")
pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")

import dragoman.ray  # noqa: E402
from dragoman.model.errors import DragomanError, NotFoundError  # noqa: E402
from dragoman.ray import Translate, translate_files  # noqa: E402
from tests.commands.running import Run, assert_refused, write_lines  # noqa: E402


def test_an_actor_adds_a_column(run: Run, tiny_bundle: Path) -> None:
    actor = Translate(model=str(tiny_bundle), to="de", column="body", into="german")
    table = pyarrow.table({"id": [1, 2, 3], "body": ["a small house", None, ""]})
    found = actor(table)
    expected = run("translate", "--model", tiny_bundle, "--to", "de", "a small house").output
    assert found.column("german").to_pylist() == [expected.removesuffix("\n"), None, ""]
    assert found.drop_columns(["german"]).equals(table)
    with pytest.raises(NotFoundError):
        Translate(model=str(tiny_bundle), to="fr")


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ConnectionError("Failed to connect")

    monkeypatch.setattr("ray.init", fail)  # Ray itself tries for a minute
    with pytest.raises(DragomanError, match=r"--ray 10\.0\.0\.1:6379: no Ray cluster can be reached there"):
        translate_files(["in.txt"], "out", address="10.0.0.1:6379", to="de")


def test_files_are_translated_in_their_order(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    folder, parts = tmp_path / "in", tmp_path / "parts"
    folder.mkdir()
    for name in "ba":
        write_lines(
            folder / f"{name}.jsonl", *(json.dumps({"id": f"{name}{n}", "text": f"{name} {n}"}) for n in range(9))
        )
    command = ["translate", "--model", tiny_bundle, "--to", "de", "--ray", "local", "--output", parts]
    assert_refused(run(*command), "--ray needs --input")
    assert_refused(run(*command, "--input", tmp_path / "*.txt"), "there are no such files")
    assert_refused(
        run(*command, "--input", folder / "*", "--json"), "--ray does not go with TEXT, --server, --shard, --json"
    )
    assert_refused(run("translate", "--ray", "local", "--input", folder / "*", "--output", parts), "needs --to")
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", *map(str, command), "--input", folder / "*.jsonl", "--columns", "text"],
        env=os.environ | {"RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "18 rows translated" in done.stderr
    records = [json.loads(line) for path in sorted(parts.iterdir()) for line in path.read_text().splitlines()]
    assert [record["id"] for record in records] == [f"{name}{n}" for name in "ab" for n in range(9)]
    expected = run("translate", "--model", tiny_bundle, "--to", "de", *(record["text"] for record in records)).output
    assert [record["translation"] for record in records] == expected.splitlines()
    assert_refused(run(*command, "--input", folder / "*.jsonl", "--columns", "text"), "parts", "exists already")


class Actors:
    """Takes the place of Ray's pool: actors of this process, whose answers come in order."""

    def __init__(self, actors: list[Any]) -> None:
        self.waiting: deque[Any] = deque()
        self.most = 0

    def submit(self, call: Any, batch: list[str]) -> None:
        self.waiting.append(call(ACTOR, batch))
        self.most = max(self.most, len(self.waiting))

    def get_next(self) -> Any:
        return self.waiting.popleft()


class Actor:
    class translate:
        @staticmethod
        def remote(texts: list[str]) -> list[str]:
            return [text.upper() for text in texts]


ACTOR = Actor()


def test_batches_go_out_as_answers_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def texts() -> Iterator[str]:
        for number in range(35):
            read.append(number)
            yield f"text {number}"

    monkeypatch.setattr(dragoman.ray, "ActorPool", Actors)
    monkeypatch.setattr(dragoman.ray, "ROWS", 4)
    stream = dragoman.ray._translate_in_order([ACTOR, ACTOR], texts())
    first: Any = next(stream)
    assert len(read) == 2 * 2 * 4, "two batches for each of two actors"
    assert [first, *stream] == [f"TEXT {number}" for number in range(35)]


def test_synthesize_and_evaluate_give_the_same_on_a_cluster(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.en", *(f"the small house {number}" for number in range(30)))
    human = write_lines(tmp_path / "in.de", *(f"das kleine Haus {number}" for number in range(30)))
    begin, ray = ("synthesize", "--model", tiny_bundle, "--to", "de", "--input", source), ("--ray", "local")
    made = (*begin, "--sampling-temperature", "2", "--n-best", "2", "--keep", "all", "--output-folder")
    scored = ("evaluate", tiny_bundle, "--to", "de", "--source", source, "--reference", human, "--output")
    for command, name in ((made, "made"), (scored, "scored")):
        here = run(*command, tmp_path / f"{name} here")
        assert here.status == 0, here
        there = subprocess.run(
            [sys.executable, "-m", "dragoman", *map(str, command), str(tmp_path / f"{name} there"), *ray],
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert there.returncode == 0, there.stderr
        if name == "scored":
            assert there.stdout == here.output
            assert (tmp_path / "scored there").read_bytes() == (tmp_path / "scored here").read_bytes()
    folders = [tmp_path / f"made {place}" for place in ("here", "there")]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert set(files[0]) == {"synthesis.json", "synthetic.en", "synthetic.de"}
