"""What a comparison keeps of a run: enough for the same table and page, no sentence, no path. And files that are
none."""

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.report.comparison import compare_runs, comparison_table
from dragoman.training.report.measured_run import MAX_POINTS, MeasuredRun, measure_run, pack_runs, read_runs
from dragoman.training.report.run_record import read_run
from tests.training.report.made_up_run import (
    SOURCES,
    TARGETS,
    add_checkpoint,
    add_metrics,
    add_translations,
    begin_run,
    training_line,
    validation_line,
)

PUBLISHED = Path(__file__).parents[3] / "training" / "measured"
MAX_BYTES_OF_A_RUN = 8_000


def long_run(folder: Path, *, seed: int = 1, **tables: Any) -> Path:
    """Of 8,000 updates, validated after each 500."""
    begin_run(folder, bundle={"description": "our secret"}, **tables)
    set_config(folder, seed=seed)
    add_metrics(folder, *(training_line(update, loss=9.123456789 + 1 / update) for update in range(50, 8001, 50)))
    add_metrics(folder, *(validation_line(update, 40 + seed - 1 / update) for update in range(500, 8001, 500)))
    add_translations(folder, update=7500)
    add_checkpoint(folder, 8000, seconds=7200.5, target_tokens=64_000_000)
    (folder / "provenance.json").write_text('{"starts": [{"processes": 1, "threads": 2, "platform": "secret host"}]}')
    return folder


def set_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def measured(folder: Path) -> MeasuredRun:
    return measure_run(read_run(folder))


def save(path: Path, *runs: Path) -> Path:
    path.write_bytes(pack_runs(read_runs(runs)))
    return path


def test_a_file_gives_the_same_runs_and_table(tmp_path: Path) -> None:
    runs = [
        *(long_run(tmp_path / "runs" / f"seed-{seed}", seed=seed) for seed in (1, 2, 3)),
        long_run(tmp_path / "other" / "seed-1", objective={"r_drop": 5.0}),
    ]
    path = save(tmp_path / "runs.json", *runs)
    assert read_runs([path]) == read_runs(runs)
    assert [run.name for run in read_runs([path])] == ["runs/seed-1", "seed-2", "seed-3", "other/seed-1"]
    table = comparison_table(compare_runs(read_runs([path])))
    assert table == comparison_table(compare_runs(read_runs(runs)))
    assert "objective.r_drop = 5.0" in table
    mixed = read_runs([path, long_run(tmp_path / "fourth", seed=4)])
    assert [one.num_seeds for one in compare_runs(mixed)] == [4, 1]
    assert path.stat().st_size < len(runs) * MAX_BYTES_OF_A_RUN


def test_nothing_of_the_corpus_or_the_machine_is_in_it(tmp_path: Path) -> None:
    data = {code: str(tmp_path / "private" / f"train.{code}") for code in ("en", "de")}
    run = long_run(
        tmp_path / "somewhere" / "run",
        data={"train": [data], "dev": {"news": data}},
        initialization={"bundle": str(tmp_path / "best")},
    )
    content = save(tmp_path / "runs.json", run).read_text("utf-8")
    for secret in (*SOURCES, *TARGETS, str(tmp_path), "private", "somewhere", "secret"):
        assert secret not in content
        assert json.dumps(secret)[1:-1] not in content
    assert '"en":"train.en"' in content
    assert f'"bundle":"{tmp_path.name}/best"' in content


@pytest.mark.parametrize(
    "path", ["C:\\Users\\ann\\train.en", "~/corpus/train.en", "//host/share/train.en", "\\\\h\\s\\train.en"]
)
def test_absolute_paths_of_any_system(path: str, tmp_path: Path) -> None:
    begin_run(tmp_path)
    set_config(tmp_path, data={"train": [{"en": path, "de": "corpus/train.de"}]})
    assert measured(tmp_path).config["data"] == {"train": [{"en": "train.en", "de": "corpus/train.de"}]}


def test_corpora_of_the_same_name_are_known_by_their_content(tmp_path: Path) -> None:
    runs = []
    for name, content in (("first", "1a"), ("moved", "1a"), ("grown", "2b"), ("old", None)):
        corpus, run = tmp_path / name / "train.en", tmp_path / "runs" / name
        begin_run(run)
        set_config(run, data={"train": [{"en": str(corpus)}]})
        if content:
            (run / "checksums.json").write_text(json.dumps({str(corpus): content}))
        runs.append(run)
    first, grown, old = compare_runs(read_runs(runs))
    assert [run.name for run in first.runs] == ["first", "moved"]
    assert list(grown.differences) == list(old.differences) == ["content of data.train"]
    assert comparison_table([first, grown]).splitlines()[3].count("other content of data.train") == 1


def test_a_corpus_may_be_named_from_elsewhere(tmp_path: Path) -> None:
    runs = []
    for name, path in (("absolute", "/corpora/tok/train.en"), ("relative", "../tok/train.en"), ("other", "raw.en")):
        begin_run(tmp_path / name)
        set_config(tmp_path / name, data={"train": [{"en": path}]})
        (tmp_path / name / "checksums.json").write_text(json.dumps({path: "2b" if name == "other" else "1a"}))
        runs.append(tmp_path / name)
    first, other = compare_runs(read_runs(runs))
    assert [run.name for run in first.runs] == ["absolute", "relative"]
    assert comparison_table([first, other]).splitlines()[3].count("data.train = raw.en") == 1
    (tmp_path / "relative" / "checksums.json").unlink()
    assert len(compare_runs(read_runs(runs))) == 3


def test_files_of_the_same_name_keep_as_much_of_their_path_as_tells_them_apart(tmp_path: Path) -> None:
    begin_run(tmp_path)
    set_config(tmp_path, data={"train": [{"en": "/x/a/train.en"}, {"en": "/x/b/train.en"}], "dev": {"en": "/x/dev.en"}})
    run = measured(tmp_path)
    assert run.config["data"] == {"train": [{"en": "a/train.en"}, {"en": "b/train.en"}], "dev": {"en": "dev.en"}}
    assert run.files.keys() == {"a/train.en", "b/train.en", "dev.en"}
    assert len(set(run.files.values())) == 3


def test_the_training_loss_is_thinned_to_means(tmp_path: Path) -> None:
    begin_run(tmp_path)
    lines = [training_line(update, negative_log_likelihood=float(update)) for update in range(1, 3 * MAX_POINTS)]
    lines[10]["negative_log_likelihood"] = float("nan")
    add_metrics(tmp_path, *lines)
    points = measured(tmp_path).training
    assert MAX_POINTS / 2 < len(points) <= MAX_POINTS
    assert points[0] == (3, 2.0)
    assert points[-1][0] == 3 * MAX_POINTS - 1


def test_scores_of_a_run_without_translations_are_those_of_its_best_validation(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_metrics(tmp_path, validation_line(2, 10.0), validation_line(4, 12.5), validation_line(6, 11.0))
    run = measured(tmp_path)
    assert (run.best, run.best_update, run.last) == ({"bleu en→de": 12.5}, 4, {"bleu en→de": 11.0})


def test_names_that_cannot_be_told_apart_stay(tmp_path: Path) -> None:
    run = long_run(tmp_path / "run")
    copies = [save(tmp_path / name, run) for name in ("a.json", "b.json")]
    assert [run.name for run in read_runs([*copies, copies[0]])] == ["run", "run"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is neither a run folder nor a file that dragoman compare --save has written"),
        ("[1]", "is neither a run folder nor a file"),
        ('{"runs": []}', "is neither a run folder nor a file"),
        ("\ufeff\x00", "is neither a run folder nor a file"),
        ('{"format": "dragoman-runs", "version": 2, "runs": 5}', "is of version 2 of its format, .* reads 1 alone"),
        ('{"format": "dragoman-runs", "version": 1, "runs": []}', "runs: .* at least 1"),
        ('{"format": "dragoman-runs", "version": 1, "runs": [{"name": 5}]}', "runs.0.name: .*string"),
        ('{"format": "dragoman-runs", "version": 1}', "runs: Field required"),
    ],
)
def test_a_file_that_is_none(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, "utf-8")
    with pytest.raises(InvalidInputError, match=message) as found:
        read_runs([path])
    assert str(found.value).startswith(f"{path}: ")
    assert "\n" not in str(found.value)


def test_a_path_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"x\.json: there is no such run"):
        read_runs([tmp_path / "x.json"])


def test_every_published_file_can_be_read_and_compared(tmp_path: Path) -> None:
    of_this_test = save(tmp_path / "made-up.json", long_run(tmp_path / "run"))
    for path in (of_this_test, *PUBLISHED.glob("*.json")):
        runs = read_runs([path])
        table = comparison_table(compare_runs(runs))
        assert all(run.name in table and run.best and run.training for run in runs), path
        assert path.stat().st_size < len(runs) * MAX_BYTES_OF_A_RUN, path
        assert path.read_bytes() == pack_runs(runs), path
        assert not [text for text in path.read_text("utf-8").split('"') if text.startswith(("/", "~"))], path
