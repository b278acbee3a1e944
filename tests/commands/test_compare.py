"""`dragoman compare` as its users meet it: a table, a page, and a small file in place of the runs."""

import json
from pathlib import Path

from tests.commands.running import Run, assert_refused
from tests.training.report.made_up_run import (
    add_metrics,
    add_translations,
    begin_run,
    training_line,
    validation_line,
)


def made_up(folder: Path, seed: int) -> Path:
    begin_run(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"seed": seed}))
    add_metrics(folder, training_line(2), validation_line(2, 10.0 + seed), training_line(4), validation_line(4, 12.0))
    add_translations(folder, update=4)
    return folder


def test_a_saved_file_stands_for_its_runs(run: Run, tmp_path: Path) -> None:
    runs = [made_up(tmp_path / f"run-{seed}", seed) for seed in (1, 2)]
    kept, first, second = tmp_path / "new" / "runs.json", tmp_path / "1.html", tmp_path / "2.html"
    told = run("compare", *runs, "--save", kept, "--page", first)
    assert told.status == 0
    assert told.errors.splitlines() == [f"{kept}: written", f"{first}: written"]
    again = run("compare", kept, "--page", second, "--save", tmp_path / "again.json")
    assert again.output == told.output
    assert "run-1, run-2" in told.output

    def without_time(page: Path) -> str:
        return page.read_text("utf-8").partition("<footer>")[0]

    assert without_time(first) == without_time(second)
    assert (tmp_path / "again.json").read_bytes() == kept.read_bytes()


def test_a_file_of_something_else_is_refused_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    strange = tmp_path / "package.json"
    strange.write_text('{"name": "x"}')
    page = tmp_path / "page.html"
    assert_refused(run("compare", made_up(tmp_path / "run", 1), strange, "--page", page), f"{strange}: is neither")
    assert not page.exists()
