"""What a run measures, on disk: readable line by line, and true after a resumption or a full disk."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from dragoman.model.errors import DragomanError
from dragoman.training.run.reporting import MetricsLog
from tests.training.tiny import small_disk


def write_updates(folder: Path, *updates: int, resumed_update: int = 0) -> None:
    with MetricsLog(folder, resumed_update=resumed_update) as log:
        for update in updates:
            log.write("training", update, {"loss": 1 / update})


def updates_of(folder: Path) -> list[int]:
    return [json.loads(line)["update"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_each_line_is_an_object(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        log.write("training", 10, {"loss": 2.5, "epoch": 1})
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()  # a reader sees it at once
        log.write("validation", 20, {"bleu en→de": 12.5, "bleu": 12.5})

    assert [json.loads(line) for line in lines] == [{"kind": "training", "update": 10, "loss": 2.5, "epoch": 1}]
    last = (tmp_path / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last) == {"kind": "validation", "update": 20, "bleu en→de": 12.5, "bleu": 12.5}


def test_tensorboard_gets_the_same(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        log.write("training", 10, {"loss": 2.5})
        log.write("training", 20, {"loss": 1.5})

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("training/loss")] == [(10, 2.5), (20, 1.5)]


def test_resuming_drops_what_is_about_to_be_done_again(tmp_path: Path) -> None:
    write_updates(tmp_path, 1, 2, 3, 4, 5)
    write_updates(tmp_path, 4, 6, resumed_update=3)
    assert updates_of(tmp_path) == [1, 2, 3, 4, 6]

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("training/loss")] == [1, 2, 3, 4, 6]


def test_a_run_without_a_checkpoint_begins_its_log_anew(tmp_path: Path) -> None:
    write_updates(tmp_path, 1, 2)
    write_updates(tmp_path, 1)
    assert updates_of(tmp_path) == [1]


@pytest.mark.parametrize("torn", ['{"kind": "training", "upd', "\0\0\0\0"])
def test_a_line_that_a_crash_tore_is_dropped(tmp_path: Path, torn: str) -> None:
    write_updates(tmp_path, 1, 2)
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(torn)

    write_updates(tmp_path, 3, resumed_update=2)
    assert updates_of(tmp_path) == [1, 2, 3]


def test_a_line_that_lacks_but_its_end_is_kept(tmp_path: Path) -> None:
    write_updates(tmp_path, 1, 2)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))

    write_updates(tmp_path, 3, resumed_update=2)
    assert updates_of(tmp_path) == [1, 2, 3]


def test_a_full_disk_is_told_in_a_line(tmp_path: Path) -> None:
    updates = list(range(1, 21))
    write_updates(tmp_path, *updates)
    path = tmp_path / "metrics.jsonl"

    # Room for half a line more here, and for TensorBoard's new and much smaller file.
    with (
        small_disk(path.stat().st_size + 20),
        pytest.raises(DragomanError, match=r"metrics\.jsonl: cannot be written: \w+"),
    ):
        write_updates(tmp_path, 21, resumed_update=20)

    assert updates_of(tmp_path) == updates  # not half a line more
    write_updates(tmp_path, 21, resumed_update=20)
    assert updates_of(tmp_path) == [*updates, 21]


def test_what_a_full_disk_did_not_take_is_written_when_there_is_room(tmp_path: Path) -> None:
    write_updates(tmp_path, *range(1, 21))
    with MetricsLog(tmp_path, resumed_update=20) as log:
        with small_disk((tmp_path / "metrics.jsonl").stat().st_size + 20):
            for update in (21, 22):
                with pytest.raises(DragomanError):
                    log.write("training", update, {"loss": 1.0})
        log.write("training", 23, {"loss": 1.0})
    assert updates_of(tmp_path) == list(range(1, 24))


def test_tensorboard_on_a_full_disk_goes_on_in_another_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        log.write("training", 1, {"loss": 1.0})
        log.write("training", 2, {"loss": 1.0})
        file = next((tmp_path / "tensorboard").iterdir())
        # The lines of metrics.jsonl stay small enough; the scalars, of long names, do not.
        with small_disk(file.stat().st_size + 100), pytest.raises(DragomanError, match="cannot be written"):
            log.write("validation", 3, {f"bleu {'x' * 80}": 1.0} | {"y": 1.0})
        log.write("training", 4, {"loss": 4.0})

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("training/loss")] == [1, 2, 4]
    assert capfd.readouterr().err == ""


def test_a_validation_about_to_be_done_again_is_dropped_alone(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        for update in (1, 2):
            log.write("training", update, {"loss": 1.0})
            log.write("validation", update, {"bleu": 1.0})
    with MetricsLog(tmp_path, resumed_update=2, validated_update=1):
        pass
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["update"]) for line in lines] == [("training", 1), ("validation", 1), ("training", 2)]


def test_going_back_drops_what_came_after_but_its_own_tale(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        for update in (1, 2, 3):
            log.write("training", update, {"loss": 1.0})
        for number in (1, 2):
            log.write("rollback", 1, {"fault": "the loss is nan", "from": 3, "number": number})
        log.rewind(1, rollbacks=1)  # the second is about to be told again
        log.write("training", 2, {"loss": 2.0})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["update"]) for line in lines] == [("training", 1), ("rollback", 1), ("training", 2)]

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [event.value for event in board.Scalars("training/loss")] == [1.0, 2.0]


def test_going_back_on_a_full_disk_leaves_the_log_in_use(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        for update in range(1, 21):
            log.write("training", update, {"loss": 1.0})
        with small_disk(100), pytest.raises(DragomanError, match=r"metrics\.jsonl: cannot be written"):
            log.rewind(19, rollbacks=0)
        log.write("rollback", 19, {"fault": "the loss is nan", "from": 20, "number": 1})
    assert updates_of(tmp_path) == [*range(1, 21), 19]


def test_going_back_forgets_lines_that_a_full_disk_did_not_take(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, resumed_update=0) as log:
        for update in (1, 2):
            log.write("training", update, {"loss": 1.0})
        size = (tmp_path / "metrics.jsonl").stat().st_size
        for update in (3, 4):
            with small_disk(size + 20), pytest.raises(DragomanError):
                log.write("training", update, {"loss": 1.0})
        log.rewind(3, rollbacks=0)
        log.write("training", 4, {"loss": 2.0})
    assert updates_of(tmp_path) == [1, 2, 3, 4]
