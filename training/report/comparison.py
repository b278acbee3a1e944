"""Runs side by side: the differences of their configurations, and their results. Free of torch."""

import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, bleu_score
from dragoman.training.report.run_record import RunRecord

_NO_CHOICES = ("run_folder", "seed", "bundle.", "optimization.warmup_share")
"""Prefixes of keys whose values do not distinguish experiments, or follow from another's (warmup_updates)."""

_PLAIN_CORPUS = {"repeat": 1, "directions": [], "name": None}
"""Default options of a corpus, which runs of older versions lack."""

_OLD_TOKENIZER = {"validation.tokenize": DEFAULT_TOKENIZER}
"""Validation options of older versions' runs, which do not record them."""

_DEV_SET = "dev set"

_BLEU = "bleu "
"""Prefix of the names of a validation's scores; a direction follows."""

_TEXT_COLUMNS = 2
"""The first columns, whose cells may be broken: names of runs, and differences."""

_WIDE = 110
_NOT_ON_NARROW = ("target pieces, M", "threads")
"""Columns that only a terminal at least `_WIDE` characters wide shows."""

MAX_PADDING = 40
"""Wider cells overflow their column, so that the table still fits a screen."""


@dataclass(frozen=True)
class ComparedRun:
    """A run's results."""

    record: RunRecord

    @property
    def seed(self) -> Any:
        return self.record.config.get("seed")

    @cached_property
    def bleu(self) -> dict[str, float]:
        """BLEU of its best translations, by dev set and direction; empty before the first validation."""
        return {
            label: bleu_score(
                [line.hypothesis for line in lines],
                [line.reference for line in lines],
                tokenize=self.record.tokenizer,
            )
            for label, group in groupby(self.record.best_translations, key=lambda line: line.label)
            for lines in [list(group)]
        }

    @cached_property
    def last_bleu(self) -> dict[str, float]:
        """BLEU of its last validation, by dev set and direction: fine-tuning may end with less than it began with."""
        validations = self.record.of_kind("validation")
        values = validations[-1].values if validations else {}
        return {name.removeprefix(_BLEU): value for name, value in values.items() if name.startswith(_BLEU)}

    @property
    def best_update(self) -> int | None:
        """The update of its best translations; the last one of a mean of checkpoints."""
        return self.record.best_translations[0].update if self.record.best_translations else None

    @property
    def target_pieces(self) -> float | None:
        """Target pieces trained on, in millions."""
        return self._progress("target_tokens", 1e6)

    @property
    def hours(self) -> float | None:
        """Hours of training, without validations."""
        return self._progress("seconds", 3600)

    @property
    def threads(self) -> int | None:
        """Threads of all its processes at its last start."""
        try:
            start = self.record.provenance["starts"][-1]
            return int(start["processes"]) * int(start["threads"])
        except (LookupError, TypeError, ValueError):
            return None

    def _progress(self, key: str, unit: float) -> float | None:
        value = self.record.progress.get(key)
        return value / unit if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Runs that differ only in their seed.

    differences: dotted key → value of the keys that differ from the first run; None for a missing key. "dev set" means
                 that the sentences differ from the first run's.
    """

    runs: tuple[ComparedRun, ...]
    differences: Mapping[str, Any]

    @property
    def num_seeds(self) -> int:
        return len({run.seed for run in self.runs})


def compare_runs(records: Sequence[RunRecord]) -> list[Experiment]:
    """The experiments, in the order of their first runs. records: at least one; the others are compared with the first,
    and repeated ones are skipped."""
    distinct = {record.folder.resolve(): record for record in reversed(records)}
    runs = [ComparedRun(record) for record in reversed(distinct.values())]
    choices = [_choices(run.record) for run in runs]
    experiments: dict[str, Experiment] = {}
    for run, chosen in zip(runs, choices, strict=True):
        differences = _differences(choices[0], chosen)
        key = json.dumps(differences, sort_keys=True)
        alike = experiments[key].runs if key in experiments else ()
        experiments[key] = Experiment((*alike, run), differences)
    return list(experiments.values())


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    keys = dict.fromkeys([*first, *other])
    different = {key: other.get(key) for key in keys if other.get(key) != first.get(key)}
    if None in (first[_DEV_SET], other[_DEV_SET]):  # not validated yet: what it will be is not known
        different.pop(_DEV_SET, None)
    return different


def _choices(record: RunRecord) -> dict[str, Any]:
    """Dotted key → value of the options that distinguish experiments."""
    flat: dict[str, Any] = dict(_OLD_TOKENIZER)
    for key, value in record.config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    flat = {key: _without_plain_options(value) for key, value in flat.items() if not key.startswith(_NO_CHOICES)}
    sentences = sorted((line.label, line.source, line.reference) for line in record.best_translations)
    digest = hashlib.sha256(json.dumps(sentences).encode()).hexdigest() if sentences else None
    return flat | {_DEV_SET: digest}


def _without_plain_options(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_plain_options(item) for item in value]
    if isinstance(value, dict):
        return {
            key: content for key, content in value.items() if key not in _PLAIN_CORPUS or content != _PLAIN_CORPUS[key]
        }
    return value


def comparison_rows(experiments: Sequence[Experiment]) -> list[list[str]]:
    """The headings, and a row for each experiment: means over its runs that have a value, for BLEU with the standard
    deviation over several seeds, and with the number of runs if some have no value. Unknown cells are empty."""
    first = experiments[0].runs[0].record.folder
    directions = list(dict.fromkeys(name for one in experiments for run in one.runs for name in run.bleu))
    columns: list[tuple[str, Callable[[Experiment], str]]] = [
        ("run", lambda one: ", ".join(_name(run) for run in one.runs)),
        (f"other than {first}", lambda one: "; ".join(map(_shown_difference, one.differences.items()))),
        ("seeds", lambda one: str(one.num_seeds)),
        *(
            (f"dev BLEU {name}", lambda one, name=name: _scores(one, lambda run: run.bleu.get(name)))
            for name in directions
        ),
        ("at update", lambda one: _mean(one, lambda run: run.best_update, ",.0f")),
        *(
            (f"last {name}", lambda one, name=name: _scores(one, lambda run: run.last_bleu.get(name)))
            for name in directions
        ),
        ("updates", lambda one: _mean(one, lambda run: run.record.update, ",.0f")),
        ("target pieces, M", lambda one: _mean(one, lambda run: run.target_pieces, ".1f")),
        ("hours", lambda one: _mean(one, lambda run: run.hours, ".2f")),
        ("threads", lambda one: _mean(one, lambda run: run.threads, ".0f")),
    ]
    rows = [[head for head, _ in columns], *([cell(one) for _, cell in columns] for one in experiments)]
    return [[" ".join(cell.split()) for cell in row] for row in rows]


def comparison_table(experiments: Sequence[Experiment]) -> str:
    """The rows in Markdown."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in comparison_rows(experiments)]
    widths = [min(MAX_PADDING, max(3, *map(len, column))) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def terminal_table(experiments: Sequence[Experiment], *, width: int) -> Table:
    """The rows for a terminal `width` characters wide: long cells are broken, columns without any value left out, and
    on a narrow one those that matter least."""
    head, *rows = comparison_rows(experiments)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    left_out = _NOT_ON_NARROW if width < _WIDE else ()
    shown = [place for place in range(len(head)) if any(row[place] for row in rows) and head[place] not in left_out]
    for place in shown:
        if place < _TEXT_COLUMNS:
            table.add_column(head[place], overflow="fold", min_width=10)
        else:
            table.add_column(head[place].replace(" ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row[place]) for place in shown))
    return table


def _name(run: ComparedRun) -> str:
    return f"{run.record.folder} (running)" if run.record.is_running else str(run.record.folder)


def _shown_difference(difference: tuple[str, Any]) -> str:
    key, value = difference
    if key == _DEV_SET:
        return "dev set of other sentences"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return f"{key} = " + " + ".join(map(_shown_corpus, value))
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _shown_corpus(corpus: Mapping[str, Any]) -> str:
    files = ", ".join(str(value) for key, value in corpus.items() if key not in _PLAIN_CORPUS)
    options = "".join(
        f", {key} {json.dumps(value, ensure_ascii=False)}" for key, value in corpus.items() if key in _PLAIN_CORPUS
    )
    return files + options


def _scores(experiment: Experiment, score_of: Callable[[ComparedRun], float | None]) -> str:
    scores = [score for score in map(score_of, experiment.runs) if score is not None]
    if not scores:
        return ""
    spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 and experiment.num_seeds > 1 else ""
    of = f", {len(scores)} of {len(experiment.runs)}" if len(scores) < len(experiment.runs) else ""
    return f"{statistics.fmean(scores):.2f}{spread}{of}"


def _mean(experiment: Experiment, value_of: Callable[[ComparedRun], float | None], form: str) -> str:
    values = [value for value in map(value_of, experiment.runs) if value is not None]
    return format(statistics.fmean(values), form) if values else ""
