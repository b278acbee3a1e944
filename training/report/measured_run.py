"""What a comparison needs of a run, measured from its folder or read from a small file that may be published: neither a
sentence of a corpus nor a path of a machine is in it. Free of torch.

Such a file is JSON, a run on a line:

    {"format": "dragoman-runs", "version": 1, "runs": [
    {"name": …, "config": …, …},
    {"name": …, "config": …, …}
    ]}

where each run has the fields of `MeasuredRun`. A change of their meaning makes a new version.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from dragoman.model.config_files import StrictModel, validate_json
from dragoman.model.errors import InvalidInputError
from dragoman.training.evaluation.metrics import bleu_score
from dragoman.training.report.course import best_validation
from dragoman.training.report.run_record import Measurement, RunRecord, read_run

FORMAT, VERSION = "dragoman-runs", 1

MAX_POINTS = 100
"""Of the training loss; more lines of metrics are averaged."""

DIGITS = 6
"""Significant ones of each measured number."""

BLEU, PERPLEXITY = "bleu ", "perplexity"
"""Names of the values of a validation that are scores, of BLEU with a dev set and direction behind it."""

_LEFT_OUT = ("run_folder", "bundle")
"""Keys of the configuration that have no influence on what is measured."""

_WITH_FILES = ("data", "initialization", "vocabulary")
"""Tables of the configuration that name files."""

_ABSOLUTE = re.compile(r"(/|~|\\\\|[A-Za-z]:[\\/]).+")

Points = tuple[tuple[int, float], ...]
"""Updates and values."""


class MeasuredRun(StrictModel):
    """A run's configuration, course, results and cost.

    name:        of its folder; with the names of the folders around it where other runs are called the same.
    config:      its configuration; of absolute paths as many of the last names as tell them apart.
    files:       digests of the contents of the corpora's files, by their names in `config`, as far as the run kept
                 checksums.
    dev_set:     digest of the validated sentences; None before the first validation and for language models.
    is_running:  whether a process trained in it when it was measured; None if unknown.
    update:      the last measured one; 0 before the first.
    best:        scores of the best bundle by name, such as "bleu en→de" or "perplexity"; empty before the first
                 validation.
    best_update: the update of the best bundle; the last one of a mean of checkpoints.
    test:        BLEU of test sets as `dragoman evaluate --record` wrote it into the best bundle, by test set, direction
                 and sacreBLEU's tokenizer, such as "news en→de tok:13a".
    validations: all values of all validations by name: the scores, "loss en→de" and more.
    training:    the training loss without label smoothing, in nats per target piece.
    cost:        "updates" that took "seconds" of training, without validations, on "target_tokens" pieces; those known.
    threads:     of all its processes at its last start.
    """

    name: str
    config: dict[str, Any]
    files: dict[str, str]
    dev_set: str | None
    is_running: bool | None
    update: int
    best: dict[str, float]
    best_update: int | None
    test: dict[str, float]
    validations: dict[str, Points]
    training: Points
    cost: dict[str, float]
    threads: int | None

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @property
    def last(self) -> dict[str, float]:
        """Scores of its last validation by name: fine-tuning may end with less than it began with."""
        return {name: points[-1][1] for name, points in self.validations.items() if is_score(name) and points}


class _RunsFile(StrictModel):
    format: Literal["dragoman-runs"]
    version: Literal[1]
    runs: Annotated[tuple[MeasuredRun, ...], Field(min_length=1)]


def is_score(name: str) -> bool:
    """Whether a value of a validation is a score of a dev set."""
    return name.startswith(BLEU) or name == PERPLEXITY


def read_runs(paths: Iterable[Path]) -> list[MeasuredRun]:
    """The runs of run folders and of files that `pack_runs` made; a path named twice counts once.

    Raises NotFoundError or InvalidInputError that names the path.
    """
    distinct = {path.resolve(): path for path in reversed(list(paths))}
    return with_short_names(
        [run for path in reversed(distinct.values()) for run in (_read_file(path) if path.is_file() else [_of(path)])]
    )


def _of(folder: Path) -> MeasuredRun:
    return measure_run(read_run(folder))


def with_short_names(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    """The runs under the last names of their folders, as many as tell them apart."""
    names = _short_names([run.name for run in runs])
    return [run.model_copy(update={"name": name}) for run, name in zip(runs, names, strict=True)]


def _short_names(paths: Sequence[str]) -> list[str]:
    """Of each path as many of the last names as tell it from the others, with a "best" the name of its run."""
    parts = [[part for part in re.split(r"[\\/]+", path) if part] for path in paths]
    lengths = [2 if own[-1:] == ["best"] else 1 for own in parts]
    while True:
        names = ["/".join(own[-length:]) for own, length in zip(parts, lengths, strict=True)]
        counts = Counter(names)
        longer = [n for n, name in enumerate(names) if counts[name] > 1 and lengths[n] < len(parts[n])]
        if not longer:
            return names
        for number in longer:
            lengths[number] += 1


def pack_runs(runs: Sequence[MeasuredRun]) -> bytes:
    """The file's content, see above. `read_runs` gives the same runs."""
    lines = [json.dumps(run.model_dump(), ensure_ascii=False, separators=(",", ":")) for run in runs]
    head = f'{{"format": "{FORMAT}", "version": {VERSION}, "runs": [\n'
    return (head + ",\n".join(lines) + "\n]}\n").encode("utf-8", "replace")


def _read_file(path: Path) -> tuple[MeasuredRun, ...]:
    try:
        content = path.read_bytes()
        head = json.loads(content)
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise InvalidInputError(f"{path}: is neither a run folder nor a file that dragoman compare --save has written")
    if head.get("version") != VERSION:
        raise InvalidInputError(
            f"{path}: is of version {head.get('version')} of its format, of which this Dragoman reads {VERSION} alone"
        )
    return validate_json(_RunsFile, content, origin=str(path)).runs


def measure_run(record: RunRecord) -> MeasuredRun:
    """Raises InvalidInputError, naming the run, if the tokenizer of its scores cannot be loaded here."""
    best, best_update = _best(record)
    validations = record.of_kind("validation")
    names = dict.fromkeys(name for line in validations for name in line.values)
    sentences = sorted((line.label, line.source, line.reference) for line in record.best_translations)
    progress = record.progress
    costs = {"updates": progress.get("update")} | {name: progress.get(name) for name in ("seconds", "target_tokens")}
    config = {key: value for key, value in record.config.items() if key not in _LEFT_OUT}
    absolute = list(dict.fromkeys(text for text in strings_in(config) if _ABSOLUTE.fullmatch(text)))
    short = dict(zip(absolute, _short_names(absolute), strict=True))
    return MeasuredRun(
        name=str(record.folder.resolve()).encode("utf-8", "replace").decode(),
        config=_renamed(config, short),
        files={short.get(path, path): digest for path, digest in _contents(record)},
        dev_set=_digest(sentences) if sentences else None,
        is_running=record.is_running,
        update=record.update,
        best={name: _rounded(value) for name, value in best.items()},
        best_update=best_update,
        test=dict(_test_scores(record)),
        validations={name: _points(validations, name) for name in names},
        training=_averaged(_points(record.of_kind("training"), "negative_log_likelihood")),
        cost={name: _rounded(value) for name, value in costs.items() if isinstance(value, int | float)},
        threads=_threads(record),
    )


def _best(record: RunRecord) -> tuple[dict[str, float], int | None]:
    """The scores of the best bundle, and its update: from its translations, else as the bundle has them, else those of
    the best validation."""
    if record.best_translations:
        scores = {
            label: bleu_score(
                [line.hypothesis for line in lines],
                [line.reference for line in lines],
                tokenize=record.tokenizer,
            )
            for label, group in groupby(record.best_translations, key=lambda line: line.label)
            for lines in [list(group)]
        }
        return {f"{BLEU}{label}": score for label, score in scores.items()}, record.best_translations[0].update
    kept = record.bundle.provenance if record.bundle is not None else {}
    update = kept.get("updates")
    scores = _scores({**(kept.get("dev_scores") or {}), PERPLEXITY: kept.get("dev_perplexity")})
    if scores and isinstance(update, int):
        return scores, update
    best = best_validation(record)
    return (_scores(best.values), best.update) if best is not None else ({}, None)


def _scores(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if is_score(name) and isinstance(value, int | float)}


def _test_scores(record: RunRecord) -> Iterator[tuple[str, float]]:
    for score in record.bundle.scores if record.bundle is not None else ():
        if score.metric == "BLEU":
            tokenizer = re.findall(r"tok:[^|]+", score.signature)
            yield " ".join([score.test_set, str(score.direction), *tokenizer]), score.score


def _points(lines: Sequence[Measurement], name: str) -> Points:
    """The finite values, rounded."""
    values = [(line.update, line.values.get(name, math.nan)) for line in lines]
    return tuple((update, _rounded(value)) for update, value in values if math.isfinite(value))


def _averaged(points: Points) -> Points:
    """At most `MAX_POINTS`: means of as many neighbours each, at the last one's update."""
    size = math.ceil(len(points) / MAX_POINTS) or 1
    groups = [points[first : first + size] for first in range(0, len(points), size)]
    return tuple((group[-1][0], _rounded(fmean(value for _, value in group))) for group in groups)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _threads(record: RunRecord) -> int | None:
    try:
        start = record.provenance["starts"][-1]
        return int(start["processes"]) * int(start["threads"])
    except (LookupError, TypeError, ValueError):
        return None


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The tree with other texts in place of some."""
    if isinstance(value, dict):
        return {key: _renamed(content, names) for key, content in value.items()}
    if isinstance(value, list):
        return [_renamed(content, names) for content in value]
    return names.get(value, value) if isinstance(value, str) else value


def _contents(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Files of the configuration, and what stands for the content of each: the digest of its checksum, or of an
    absolute path without one the path's, since its last names alone do not say which file it is."""
    checksums = record.provenance.get("data_checksums")
    known = checksums if isinstance(checksums, dict) else {}
    for text in strings_in({table: record.config.get(table) for table in _WITH_FILES}):
        if text in known or _ABSOLUTE.fullmatch(text):
            yield text, _digest([known.get(text, text)])


def strings_in(tree: Any) -> Iterator[str]:
    """All texts of a configuration, without its keys."""
    if isinstance(tree, Mapping):
        yield from chain.from_iterable(map(strings_in, tree.values()))
    elif isinstance(tree, list):
        yield from chain.from_iterable(map(strings_in, tree))
    elif isinstance(tree, str):
        yield tree


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
