"""The last screen of a run, from its record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.bundle import BundleConfig
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.config_files import validate_tree
from dragoman.training.report.outcome import describe_outcome, next_commands
from dragoman.training.report.run_record import Measurement, RunRecord
from tests.training.tiny import VOCABULARY

RECORD = RunRecord(
    folder=Path("runs/my"),
    config={"optimization": {"max_updates": 400, "schedule": "linear"}},
    measurements=(),
    samples=(),
    best_translations=(),
    bundle=None,
    provenance={},
    warnings=(),
    progress={},
    is_running=False,
    last_written=None,
)


def ended(*bleu: float, kept: int, **provenance: Any) -> RunRecord:
    """A run validated after every 100 updates, whose update `kept` is the best."""
    validations = [
        Measurement(kind="validation", update=100 * number, values={"bleu": score}, texts={})
        for number, score in enumerate(bleu, start=1)
    ]
    bundle = BundleConfig(
        name="my",
        directions=(Direction("en", "de"),),
        architecture=validate_tree(ArchitectureConfig, {"d_model": 16, "num_heads": 2}),
        vocabulary=VOCABULARY,
        storage="float32",
        num_parameters=1,
        provenance={"updates": kept, "dev_bleu": max(bleu, default=0.0), **provenance},
    )
    return replace(RECORD, measurements=tuple(validations), bundle=bundle)


def with_losses(record: RunRecord, *losses: float) -> RunRecord:
    lines = zip(record.measurements, losses, strict=True)
    measured = [replace(line, values={**line.values, "loss en→de": loss}) for line, loss in lines]
    return replace(record, measurements=tuple(measured))


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (
            replace(RECORD, config={"validation": {"every": 100}}),
            [
                "Nothing is kept in runs/my/best yet: the run has not validated; "
                "the first validation comes after update 100: go on with --resume"
            ],
        ),
        (ended(3.0, kept=100), ["Kept: update 100, dev BLEU 3.0"]),
        (
            ended(3.0, 9.5, 8.0, 7.0, kept=200),
            [
                "Kept: update 200, dev BLEU 9.5, the best of 4 validations",
                "It gained nothing after update 200 of 400: more data or dropout may help, time will not",
            ],
        ),
        (
            ended(3.0, 4.0, 5.0, kept=300),
            [
                "Kept: update 300, dev BLEU 5.0, the best of 3 validations",
                "It was still gaining after update 300 of 400: go on with dragoman train --resume runs/my",
            ],
        ),
        (
            ended(3.0, 4.0, 5.0, 6.0, kept=400),
            [
                "Kept: update 400, dev BLEU 6.0, the best of 4 validations",
                "It was still gaining at its end: a new run with more than 400 updates may reach more",
            ],
        ),
        (
            ended(3.0, kept=100, averaged_checkpoints=[50, 100]),
            ["Kept: the mean of 2 checkpoints, dev BLEU 3.0, better than each validation's"],
        ),
        (
            ended(3.0, kept=100, initial_share=0.3),
            ["Kept: update 100 with 30% of the initial bundle's weights, dev BLEU 3.0"],
        ),
        (ended(3.0, kept=0), ["Kept: the bundle that the run began with, dev BLEU 3.0: no update is validated yet"]),
        (ended(3.0, 2.0, kept=0), ["Kept: the bundle that the run began with, dev BLEU 3.0: no update made it better"]),
        (
            ended(0.1, 0.3, 0.2, kept=200),
            [
                "Kept: update 200, dev BLEU 0.3, the best of 3 validations",
                "Too early to judge: BLEU is near 0, as in the beginning of every run; see the dev loss, "
                "and train longer",
            ],
        ),
        (
            with_losses(ended(0.1, 0.0, 0.3, kept=200, dev_bleu=0.0, dev_scores={"loss en→de": 5.0}), 6.0, 5.0, 5.5),
            [
                "Kept: update 200, dev BLEU 0.0, the best of 3 validations by its dev loss",
                "BLEU is near 0, and the dev loss fell no more after update 200 of 300: more data or dropout may help, "
                "time will not",
            ],
        ),
    ],
    ids=[
        "nothing",
        "one",
        "overfitted",
        "stopped-early",
        "still-gaining",
        "mean",
        "blend",
        "unvalidated",
        "base",
        "too-early",
        "too-little",
    ],
)
def test_what_was_kept_and_why(record: RunRecord, lines: list[str]) -> None:
    assert describe_outcome(record) == lines


def test_a_schedule_without_an_end_can_go_on() -> None:
    record = ended(3.0, 4.0, 5.0, kept=300)
    record = replace(record, config={"optimization": {"max_updates": 300, "schedule": "inverse_square_root"}})
    assert describe_outcome(record)[1].endswith("dragoman train --resume runs/my --set optimization.max_updates=600")


def test_the_next_commands_name_the_test_files_beside_the_dev_files(tmp_path: Path) -> None:
    for name in ("test.en", "test.de"):
        (tmp_path / name).touch()
    config = {"data": {"dev": {code: str(tmp_path / f"dev.{code}") for code in ("en", "de")}}}
    assert next_commands(replace(ended(3.0, kept=100), config=config)) == [
        "dragoman report runs/my",
        f"dragoman evaluate runs/my/best --from en --to de --source {tmp_path}/test.en --reference {tmp_path}/test.de",
        "dragoman serve runs/my/best",
    ]


def test_a_bundle_that_no_update_made_better_is_said_once() -> None:
    record = ended(9.0, 8.0, 7.0, 6.0, kept=0)
    first = record.measurements[0]
    record = replace(record, measurements=(replace(first, update=0), *record.measurements[1:]))
    assert describe_outcome(record) == [
        "Kept: the bundle that the run began with, dev BLEU 9.0: no update made it better"
    ]
