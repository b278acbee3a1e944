"""Runs side by side: in what their configurations differ, and what came of it. Free of torch."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from training.metrics import bleu_score
from training.report.run_record import RunRecord

_NO_CHOICES = ("run_folder", "seed", "bundle.")
"""Beginnings of keys that make no other experiment of a run."""

MAX_PADDING = 40
"""Cells that are wider stand out of their column; a table where all were as wide would fit no screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRuns:
    """Runs that differ in nothing but their seed.

    names:         their folders.
    differences:   key → value, of those keys whose value is not the first run's; None where there is no such key.
    bleu:          by direction, of each run's best translations of its dev set, NaN where it has none yet.
    best_updates:  at which those were made; the last update of a mean of checkpoints.
    updates:       where each run stands.
    target_pieces: that each has been trained on.
    hours:         that each has been trained for, validations left out.
    threads:       of all processes of a run together, when it last started; 0 where that is not known.
    """

    names: tuple[str, ...]
    differences: Mapping[str, Any]
    bleu: Mapping[str, tuple[float, ...]]
    best_updates: tuple[int, ...]
    updates: tuple[int, ...]
    target_pieces: tuple[int, ...]
    hours: tuple[float, ...]
    threads: tuple[int, ...]


def compare_runs(records: Sequence[RunRecord]) -> list[ComparedRuns]:
    """One for each experiment, in the order in which they first come. records: at least one, of which the first is what
    the others are held against."""
    choices = [_choices(record.config) for record in records]
    first = choices[0]
    differences = [
        {key: chosen.get(key) for key in dict.fromkeys([*first, *chosen]) if chosen.get(key) != first.get(key)}
        for chosen in choices
    ]
    alike: dict[str, list[RunRecord]] = {}
    for record, different in zip(records, differences, strict=True):
        alike.setdefault(json.dumps(different), []).append(record)
    return [_describe(group, json.loads(different)) for different, group in alike.items()]


def comparison_table(compared: Sequence[ComparedRuns]) -> str:
    """A table in Markdown with a row for each experiment: where there are several seeds, the mean of each column, and
    of BLEU the standard deviation, too."""
    directions = list(dict.fromkeys(direction for runs in compared for direction in runs.bleu))
    heads = ["run", f"other than {compared[0].names[0]}", "seeds", *(f"dev BLEU {name}" for name in directions)]
    rows = [[*heads, "at update", "updates", "target pieces", "hours", "threads"]]
    for runs in compared:
        rows.append(
            [
                ", ".join(runs.names),
                "; ".join(f"{key} = {_shown(value)}" for key, value in runs.differences.items()),
                str(len(runs.names)),
                *(_mean_and_spread(runs.bleu.get(name, ())) for name in directions),
                f"{statistics.fmean(runs.best_updates):,.0f}",
                f"{statistics.fmean(runs.updates):,.0f}",
                f"{statistics.fmean(runs.target_pieces) / 1e6:.1f} M",
                f"{statistics.fmean(runs.hours):.2f}",
                f"{statistics.fmean(runs.threads):.0f}" if all(runs.threads) else "",
            ]
        )
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    widths = [min(MAX_PADDING, max(3, *map(len, column))) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key → value."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    return {key: value for key, value in flat.items() if not key.startswith(_NO_CHOICES)}


def _describe(records: Sequence[RunRecord], differences: Mapping[str, Any]) -> ComparedRuns:
    scores = [_best_bleu(record) for record in records]
    directions = dict.fromkeys(direction for score in scores for direction in score)
    return ComparedRuns(
        names=tuple(str(record.folder) for record in records),
        differences=differences,
        bleu={name: tuple(score.get(name, math.nan) for score in scores) for name in directions},
        best_updates=tuple(record.best_translations[0].update if record.best_translations else 0 for record in records),
        updates=tuple(record.update for record in records),
        target_pieces=tuple(int(record.progress.get("target_tokens", 0)) for record in records),
        hours=tuple(float(record.progress.get("seconds", 0)) / 3600 for record in records),
        threads=tuple(map(_num_threads, records)),
    )


def _best_bleu(record: RunRecord) -> dict[str, float]:
    """By direction."""
    return {
        direction: bleu_score([line.hypothesis for line in lines], [line.reference for line in lines])
        for direction, group in groupby(record.best_translations, key=lambda line: line.direction)
        for lines in [list(group)]
    }


def _num_threads(record: RunRecord) -> int:
    starts = record.provenance.get("starts") or [{}]
    return int(starts[-1].get("processes", 0)) * int(starts[-1].get("threads", 0))


def _mean_and_spread(scores: Sequence[float]) -> str:
    if not scores or any(map(math.isnan, scores)):
        return ""
    mean = f"{statistics.fmean(scores):.2f}"
    return f"{mean} ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else mean


def _shown(value: Any) -> str:
    """Of corpora, which are tables of files, the paths alone."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return " + ".join(", ".join(text for text in item.values() if isinstance(text, str)) for item in value)
    return json.dumps(value, ensure_ascii=False)
