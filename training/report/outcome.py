"""The end of a run in a few lines: what was kept and why, and what to do next. Free of torch."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from dragoman.model.config import LanguageModelConfig
from dragoman.training.evaluation.metrics import CHANCE_BLEU
from dragoman.training.evaluation.ranking import is_by_loss
from dragoman.training.report.course import best_validation
from dragoman.training.report.run_record import RunRecord

_ENOUGH_VALIDATIONS = 3
"""Fewer say nothing about the course of a run."""

_UNKNOWN = "TEST"
"""Stands for a test set that is not beside the dev set."""


def describe_outcome(record: RunRecord) -> list[str]:
    """What is in the run's `best`, why it is that, and whether more updates would help; a line each."""
    if record.bundle is None:
        every = record.option("validation", "every")
        first = f"; the first validation comes after update {every:,}: go on with --resume" if every else ""
        return [f"Nothing is kept in {record.bundle_folder} yet: the run has not validated{first}"]
    kept = record.bundle.provenance
    if (perplexity := kept.get("dev_perplexity")) is not None:
        return [f"Kept: update {kept.get('updates', 0):,}, dev perplexity {perplexity:.1f}"]
    validations = [(one.update, one.values["bleu"]) for one in record.of_kind("validation") if "bleu" in one.values]
    update, bleu = kept.get("updates", 0), kept.get("dev_bleu", 0.0)
    averaged = kept.get("averaged_checkpoints") or []
    if share := kept.get("initial_share"):
        lines = [f"Kept: update {update:,} with {share:.0%} of the initial bundle's weights, dev BLEU {bleu:.1f}"]
    elif averaged:
        lines = [f"Kept: the mean of {len(averaged)} checkpoints, dev BLEU {bleu:.1f}, better than each validation's"]
    elif update == 0 and len(validations) < 2:
        lines = [f"Kept: the bundle that the run began with, dev BLEU {bleu:.1f}: no update is validated yet"]
    elif update == 0:
        lines = [f"Kept: the bundle that the run began with, dev BLEU {bleu:.1f}: no update made it better"]
    else:
        of = f", the best of {len(validations)} validations" if len(validations) > 1 else ""
        of += " by its dev loss" if of and is_by_loss(bleu, kept.get("dev_scores", {})) else ""
        lines = [f"Kept: update {update:,}, dev BLEU {bleu:.1f}{of}"]
    if advice := _advice(record, validations):
        lines.append(advice)
    return lines


def _advice(record: RunRecord, validations: list[tuple[int, float]]) -> str:
    if len(validations) < _ENOUGH_VALIDATIONS:
        return ""
    last = validations[-1][0]
    found = best_validation(record)
    best = last if found is None else found.update
    if max(bleu for _, bleu in validations) < CHANCE_BLEU:
        if found is not None and best < last and is_by_loss(found.values["bleu"], found.values):
            return (
                f"BLEU is near 0, and the dev loss fell no more after update {best:,} of {last:,}: more data or "
                "dropout may help, time will not"
            )
        return (
            "Too early to judge: BLEU is near 0, as in the beginning of every run; see the dev loss, and train longer"
        )
    planned = record.option("optimization", "max_updates") or last
    if best == last and record.option("optimization", "schedule") == "inverse_square_root":
        return (
            f"It was still gaining: go on with dragoman train --resume {shlex.quote(str(record.folder))} "
            f"--set optimization.max_updates={2 * planned}"
        )
    if best == last and last < planned:
        folder = shlex.quote(str(record.folder))
        return f"It was still gaining after update {last:,} of {planned:,}: go on with dragoman train --resume {folder}"
    if best == last:
        return f"It was still gaining at its end: a new run with more than {planned:,} updates may reach more"
    if best == 0:
        return ""  # what was kept says it
    return f"It gained nothing after update {best:,} of {last:,}: more data or dropout may help, time will not"


def next_commands(record: RunRecord) -> list[str]:
    """The three commands that most people want now."""
    best = shlex.quote(str(record.bundle_folder))
    source, target = _first_direction(record)
    if record.bundle is not None and isinstance(record.bundle.architecture, LanguageModelConfig):
        own = f"TEST.{target}  # of your own"
        return [
            f"dragoman report {shlex.quote(str(record.folder))}",
            f"dragoman complete 'How a text begins' --model {best}",
            f"dragoman evaluate {best} --reference {own}",
        ]
    sets = [files for files in record.dev_files.values() if {source, target} <= files.keys()]
    test = [_test_file(sets[0] if sets else {}, language) for language in (source, target)]
    return [
        f"dragoman report {shlex.quote(str(record.folder))}",
        f"dragoman evaluate {best} --from {source} --to {target} --source {test[0]} --reference {test[1]}"
        + ("  # with a test set of your own" if test[0].startswith(_UNKNOWN) else ""),
        f"dragoman serve {best}",
    ]


def _first_direction(record: RunRecord) -> tuple[str, str]:
    if record.bundle is not None:
        direction = record.bundle.directions[0]
        return direction.source, direction.target
    return "SOURCE", "TARGET"


def _test_file(files: Mapping[str, str], language: str) -> str:
    """The test file beside the dev file, if there is one, or a name in its place."""
    if language in files:
        dev = Path(files[language])
        beside = dev.with_name(dev.name.replace("dev", "test"))
        if beside != dev and beside.exists():
            return shlex.quote(str(beside))
    return f"{_UNKNOWN}.{language}"
