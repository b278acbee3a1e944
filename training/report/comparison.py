"""Runs side by side: the differences of their configurations, and their results. Free of torch."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER
from dragoman.training.report.measured_run import BLEU, MeasuredRun, strings_in

_NO_CHOICES = ("seed", "optimization.warmup_share")
"""Keys whose values do not distinguish experiments, or follow from another's (warmup_updates)."""

_PLAIN_CORPUS = {
    "repeat": 1,
    "directions": [],
    "name": None,
    "shards": None,
    "columns": {},
    "weight": None,
    "max_loss": None,
}
"""Default options of a corpus or dev set, which runs of older versions lack."""

_OLD_TOKENIZER = {"validation.tokenize": DEFAULT_TOKENIZER}
"""Validation options of older versions' runs, which do not record them."""

_DEV_SET = "dev set"

_CONTENT = "content of "
"""Prefix of the key of files that have the same names as the first run's and other content."""

_NETWORK, _KIND = "architecture.", "architecture.kind"
"""Prefix of the keys of the network, and that of its kind."""

_TEXT_COLUMNS = 2
"""The first columns, whose cells may be broken: names of runs, and differences."""

DIFFERENCES = 1
"""The column that has them."""

MAX_DIFFERENCES = 4
"""Of a row, where there is no room for more."""

_WIDE = 110
_NOT_ON_NARROW = ("target pieces, M", "threads")
"""Columns that only a terminal at least `_WIDE` characters wide shows."""

MAX_PADDING = 40
"""Wider cells overflow their column, so that the table still fits a screen."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Runs that differ only in their seed.

    differences: dotted key → value of the keys that differ from the first run; None for a missing key. "dev set" means
                 that the sentences differ from the first run's, "content of" a key that its files do, which have the
                 same names. Files of other names and the same content are no difference.
    """

    runs: tuple[MeasuredRun, ...]
    differences: Mapping[str, Any]

    @property
    def num_seeds(self) -> int:
        return len({run.seed for run in self.runs})


def compare_runs(runs: Sequence[MeasuredRun]) -> list[Experiment]:
    """The experiments, in the order of their first runs. runs: at least one; the others are compared with the first."""
    experiments: dict[str, Experiment] = {}
    for run in runs:
        differences = _differences(runs[0], run)
        key = json.dumps([differences, [run.files.get(text) for text in strings_in(differences)]], sort_keys=True)
        alike = experiments[key].runs if key in experiments else ()
        experiments[key] = Experiment((*alike, run), differences)
    return list(experiments.values())


def _differences(first: MeasuredRun, other: MeasuredRun) -> dict[str, Any]:
    ours, theirs = _choices(first), _choices(other)
    different: dict[str, Any] = {}
    for key in dict.fromkeys([*ours, *theirs]):
        value = theirs.get(key)
        if not _is_same(ours.get(key), value, first.files, other.files):
            if ours.get(key) == value:
                different[_CONTENT + key] = [other.files.get(text) for text in strings_in(value)]
            else:
                different[key] = value
    if None in (first.dev_set, other.dev_set):  # not validated yet: what it will be is not known
        different.pop(_DEV_SET, None)
    return different


def _is_same(one: Any, other: Any, files: Mapping[str, str], other_files: Mapping[str, str]) -> bool:
    """Whether two values are equal, files by their content where it is known of both."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key], files, other_files) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _is_same(*pair, files, other_files) for pair in zip(one, other, strict=True)
        )
    if isinstance(one, str) and isinstance(other, str) and one in files and other in other_files:
        return files[one] == other_files[other]
    return bool(one == other)


def _choices(run: MeasuredRun) -> dict[str, Any]:
    """Dotted key → value of the options that distinguish experiments."""
    flat: dict[str, Any] = dict(_OLD_TOKENIZER)
    for key, value in run.config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    flat = {key: _without_plain_options(value) for key, value in flat.items() if key not in _NO_CHOICES}
    return flat | {_DEV_SET: run.dev_set}


def _without_plain_options(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_plain_options(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _without_plain_options(content)
            for key, content in value.items()
            if key not in _PLAIN_CORPUS or content != _PLAIN_CORPUS[key]
        }
    return value


def comparison_rows(experiments: Sequence[Experiment]) -> list[list[str]]:
    """The headings, and a row for each experiment: means over its runs that have a value, for scores with the standard
    deviation over several seeds, and with the number of runs if some have no value. Unknown cells are empty."""
    names, tests = score_names(experiments), recorded_names(experiments)
    columns: list[tuple[str, Callable[[Experiment], str]]] = [
        ("run", lambda one: ", ".join(map(shown_name, one.runs))),
        (f"other than {experiments[0].runs[0].name}", lambda one: "; ".join(shown_differences(one))),
        ("seeds", lambda one: str(one.num_seeds)),
        *(
            (f"dev {shown_score(name)}", lambda one, name=name: _scores(one, lambda run: run.best.get(name)))
            for name in names
        ),
        ("at update", lambda one: _mean(one, lambda run: run.best_update, ",.0f")),
        *(
            (
                f"last {name.removeprefix(BLEU)}",
                lambda one, name=name: _scores(one, lambda run: run.last.get(name)),
            )
            for name in names
        ),
        *((f"test BLEU {name}", lambda one, name=name: _scores(one, lambda run: run.test.get(name))) for name in tests),
        ("updates", lambda one: _mean(one, lambda run: run.update, ",.0f")),
        ("target pieces, M", lambda one: _mean(one, target_pieces, ".1f")),
        ("hours", lambda one: _mean(one, hours, ".2f")),
        ("threads", lambda one: _mean(one, lambda run: run.threads, ".0f")),
    ]
    rows = [[head for head, _ in columns], *([cell(one) for _, cell in columns] for one in experiments)]
    return [[" ".join(cell.split()) for cell in row] for row in rows]


def score_names(experiments: Sequence[Experiment]) -> list[str]:
    """Of the scores of the dev sets."""
    return list(dict.fromkeys(name for one in experiments for run in one.runs for name in run.best))


def recorded_names(experiments: Sequence[Experiment]) -> list[str]:
    return list(dict.fromkeys(name for one in experiments for run in one.runs for name in run.test))


def shown_score(name: str) -> str:
    """Of a value of a validation: "BLEU en→de" or "perplexity"."""
    return f"BLEU {name.removeprefix(BLEU)}" if name.startswith(BLEU) else name


def hours(run: MeasuredRun) -> float | None:
    """Hours of training, without validations."""
    return run.cost["seconds"] / 3600 if "seconds" in run.cost else None


def target_pieces(run: MeasuredRun) -> float | None:
    """Target pieces trained on, in millions."""
    return run.cost["target_tokens"] / 1e6 if "target_tokens" in run.cost else None


def comparison_table(experiments: Sequence[Experiment]) -> str:
    """The rows in Markdown."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in comparison_rows(experiments)]
    widths = [min(MAX_PADDING, max(3, *map(len, column))) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def terminal_table(experiments: Sequence[Experiment], *, width: int) -> Table:
    """The rows for a terminal `width` characters wide: long cells are broken, many differences counted, columns
    without any value left out, and on a narrow one those that matter least."""
    head, *rows = comparison_rows(experiments)
    for row, one in zip(rows, experiments, strict=True):
        row[DIFFERENCES] = few_differences(one, "see --page")
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


def shown_name(run: MeasuredRun) -> str:
    return f"{run.name} (running)" if run.is_running else run.name


def shown_differences(experiment: Experiment) -> list[str]:
    """In words."""

    def shown(key: str, value: Any) -> str:
        if key == _DEV_SET:
            return "dev set of other sentences"
        return f"other {key}" if key.startswith(_CONTENT) else f"{key} = {_shown_value(value)}"

    return [shown(key, value) for key, value in _telling(experiment.differences).items()]


def few_differences(experiment: Experiment, place: str) -> str:
    """The first ones, and how many more there are. place: where the reader finds those."""
    shown = shown_differences(experiment)
    more = len(shown) - MAX_DIFFERENCES
    return "; ".join([*shown[:MAX_DIFFERENCES], *([f"and {more} more, {place}"] if more > 0 else [])])


def difference_rows(experiments: Sequence[Experiment]) -> list[tuple[str, ...]]:
    """A row for each key in which experiments differ: the key, and the values of all of them; empty for a missing
    one."""
    first = _choices(experiments[0].runs[0])
    keys = dict.fromkeys(key for one in experiments for key in _telling(one.differences))

    def cell(one: Experiment, key: str) -> str:
        if key == _DEV_SET or key.startswith(_CONTENT):
            return "other" if key in one.differences else ""
        value = one.differences.get(key, first.get(key))
        return _shown_value(value) if value is not None else ""

    return [(key, *(cell(one, key) for one in experiments)) for key in keys]


def _telling(differences: Mapping[str, Any]) -> dict[str, Any]:
    """Another kind of network first, and then without the keys that only the first kind has."""
    if _KIND not in differences:
        return dict(differences)
    others = {key: value for key, value in differences.items() if value is not None or not key.startswith(_NETWORK)}
    return {_KIND: differences[_KIND], **others}


def _shown_value(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return " + ".join(map(_shown_corpus, value))
    return json.dumps(value, ensure_ascii=False)


def _shown_corpus(corpus: Mapping[str, Any]) -> str:
    files = ", ".join(str(value) for key, value in corpus.items() if key not in _PLAIN_CORPUS)
    options = "".join(
        f", {key} {json.dumps(value, ensure_ascii=False)}" for key, value in corpus.items() if key in _PLAIN_CORPUS
    )
    return files + options


def _scores(experiment: Experiment, score_of: Callable[[MeasuredRun], float | None]) -> str:
    scores = [score for score in map(score_of, experiment.runs) if score is not None]
    if not scores:
        return ""
    spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 and experiment.num_seeds > 1 else ""
    of = f", {len(scores)} of {len(experiment.runs)}" if len(scores) < len(experiment.runs) else ""
    return f"{statistics.fmean(scores):.2f}{spread}{of}"


def _mean(experiment: Experiment, value_of: Callable[[MeasuredRun], float | None], form: str) -> str:
    values = [value for value in map(value_of, experiment.runs) if value is not None]
    return format(statistics.fmean(values), form) if values else ""
