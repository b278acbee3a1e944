"""Reading a run folder: finished, still going or killed; and one that is none."""

import json
import re
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import exclusive_lock
from dragoman.training.report.run_record import read_run
from tests.training.report.made_up_run import (
    add_bundle,
    add_metrics,
    add_translations,
    begin_run,
    training_line,
    validation_line,
)


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    begin_run(tmp_path)
    record = read_run(tmp_path)
    assert (record.update, record.measurements, record.samples, record.bundle) == (0, (), (), None)
    assert (record.is_running, record.last_written) == (None, None)
    assert record.option("data", "max_length") == 20
    assert record.option("data", "nothing") is None
    assert record.option("nothing", "nothing") is None


def test_measurements_by_kind(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_metrics(
        tmp_path,
        training_line(1),
        training_line(2),
        validation_line(2, 12.5),
        {"kind": "skipped", "update": 3, "fault": "the loss is nan"},
    )
    record = read_run(tmp_path)
    assert [line.update for line in record.of_kind("training")] == [1, 2]
    assert record.of_kind("validation")[0].values == {"bleu en→de": 12.5, "bleu": 12.5}
    assert record.of_kind("skipped")[0].texts == {"fault": "the loss is nan"}
    assert record.update == 3


def test_a_line_that_a_crash_tore_is_passed_over(tmp_path: Path) -> None:
    begin_run(tmp_path)
    add_metrics(tmp_path, training_line(1))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "training", "upd')
    assert read_run(tmp_path).update == 1


@pytest.mark.parametrize("line", ["[1]", "5", "null", '"text"', "{}"])
def test_a_line_that_is_no_measurement_is_passed_over(tmp_path: Path, line: str) -> None:
    begin_run(tmp_path)
    (tmp_path / "metrics.jsonl").write_text(f'{line}\n{{"kind": "training", "update": 1, "loss": 3}}\n')
    assert [measurement.update for measurement in read_run(tmp_path).measurements] == [1]


def test_what_the_run_and_its_bundle_know_comes_together(tmp_path: Path, tiny_bundle: Path) -> None:
    begin_run(tmp_path)
    add_bundle(tmp_path, tiny_bundle)
    add_translations(tmp_path)
    (tmp_path / "checksums.json").write_text('{"train.en": "abc"}')
    (tmp_path / "provenance.json").write_text('{"seed": 7, "starts": [{"commit": "0123"}]}')
    record = read_run(tmp_path)
    assert record.bundle is not None
    assert record.bundle.name == "tiny"
    assert record.provenance == {
        "description": "random weights",
        "data_checksums": {"train.en": "abc"},
        "seed": 7,
        "starts": [{"commit": "0123"}],
    }
    assert len(record.samples) == len(record.best_translations) == 3


def test_whether_a_process_trains_there(tmp_path: Path) -> None:
    begin_run(tmp_path)
    with exclusive_lock(tmp_path / "lock"):
        assert read_run(tmp_path).is_running is True
    assert read_run(tmp_path).is_running is False
    with exclusive_lock(tmp_path / "lock"):  # having looked does not lock
        assert read_run(tmp_path).is_running is True


def test_a_configuration_of_another_version_is_read(tmp_path: Path) -> None:
    begin_run(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["optimization"]["of_another_time"] = 1
    del config["data"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_run(tmp_path).option("optimization", "of_another_time") == 1


def test_a_tokenizer_that_cannot_be_loaded_is_told_of_the_run(tmp_path: Path) -> None:
    begin_run(tmp_path)
    assert read_run(tmp_path).tokenizer == "13a"
    config = json.loads((tmp_path / "config.json").read_text())
    config["validation"]["tokenize"] = "klingon"  # that of another version, or one whose package is not installed here
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInputError, match=f"{re.escape(str(tmp_path))}: unknown tokenizer 'klingon'"):
        read_run(tmp_path).tokenizer  # noqa: B018


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere: there is no such run folder$"):
        read_run(tmp_path / "nowhere")


def test_a_folder_that_is_no_run(tmp_path: Path, tiny_bundle: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no training run has begun here, it has no config\.json"):
        read_run(tmp_path)
    with pytest.raises(InvalidInputError, match=r"tiny: is no run folder: its config\.json is not the configuration"):
        read_run(tiny_bundle)


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"config\.json: not JSON: "):
        read_run(tmp_path)
