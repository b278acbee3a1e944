"""The report as one self-contained HTML page: no script, no other file, no network."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from statistics import median
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError
from dragoman.training.config import BundleOptions
from dragoman.training.display import describe_duration
from dragoman.training.evaluation.ranking import decisive_score, name_of_decisive
from dragoman.training.report.attention_picture import AttentionPicture, picture_attention
from dragoman.training.report.charts import format_value
from dragoman.training.report.course import best_validation, draw_curves, perplexity
from dragoman.training.report.dev_set import (
    BOOTSTRAP,
    TranslatedDevSet,
    find_translations,
    length_rows,
    score_rows,
    search_options,
    text_row,
)
from dragoman.training.report.errors import find_errors
from dragoman.training.report.histories import tell_histories
from dragoman.training.report.outcome import describe_outcome
from dragoman.training.report.run_record import RunRecord
from dragoman.translation.translator import Translator

Rows = list[tuple[str, str]]
"""Names and values of a table."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A number at the top of the page."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the run, for the reader."""

    kind: Literal["running", "stopped", "finished"]
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """A fault from which the run recovered."""

    update: str
    what: str
    why: str


def make_page(record: RunRecord) -> str:
    """The report on a run, as HTML. Scores and attention come from its best bundle, if there is one."""
    translator, problem = _load_translator(record)
    dev = find_translations(record, translator)
    pictures, no_pictures = _picture(record, translator, dev)
    histories = tell_histories(record.samples, record.best_translations)
    return render(
        "page.html",
        title=_title(record),
        description=str(record.option("bundle", "description") or ""),
        folder=str(record.folder),
        written=now(),
        status=tell_status(record),
        translates=not record.is_of_language_model,
        outcome=describe_outcome(record),
        facts=_facts(record),
        charts=draw_curves(record),
        events=_events(record),
        dev_origin=dev.origin,
        scores=[row for text in dev.texts for row in score_rows(text, record.tokenizer)],
        errors=find_errors(record, dev.texts),
        lengths=[row for text in dev.texts for row in length_rows(text, record.tokenizer)],
        test_scores=record.bundle.scores if record.bundle is not None else (),
        bootstrap=BOOTSTRAP,
        histories=[
            (label, Direction.parse(histories[0].direction), histories)
            for label, group in groupby(histories, key=lambda history: history.label)
            for histories in [list(group)]
        ],
        pictures=pictures,
        no_pictures=problem or no_pictures,
        data_facts=_data_facts(record),
        texts=[text_row(text) for text in dev.texts],
        configuration=tables(record.config),
        provenance=list(flatten(record.provenance)),
    )


def render(template: str, **values: Any) -> str:
    """A page from one of the templates in this room."""
    # The template engine escapes all text, matplotlib that of the charts; none is trusted.
    environment = Environment(
        loader=PackageLoader("dragoman.training.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def tell_status(record: RunRecord) -> Status:
    """Whether the run is going on, has finished or was stopped early."""
    total = record.option("optimization", "max_updates")
    done = f"{record.update:,}" + (f" of {total:,}" if isinstance(total, int) else "") + " updates"
    written = f"; last measured {record.last_written:%Y-%m-%d %H:%M} UTC" if record.last_written is not None else ""
    if record.is_running:
        return Status("running", f"Training goes on: {done}{written}.")
    if isinstance(total, int) and record.update >= total:
        return Status("finished", f"Finished: {done}{written}.")
    best, patience = best_validation(record), record.option("validation", "patience")
    later = sum(best is not None and line.update > best.update for line in record.of_kind("validation"))
    if best is not None and isinstance(patience, int) and later >= patience:
        score = name_of_decisive(decisive_score(best.values), best.values)
        return Status(
            "finished", f"Finished early, after {later} validations without a better {score}: {done}{written}."
        )
    return Status("stopped", f"Not finished, and no process trains here now: {done}{written}.")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values as text, in the tree's order; lists of plain values are one."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield from flatten({str(place): item for place, item in enumerate(value)}, f"{name}.")
        else:
            yield name, _as_text(value)


def _as_text(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def tables(config: Mapping[str, Any]) -> list[tuple[str, Rows]]:
    """A configuration as a table for each of its tables."""
    plain = {key: value for key, value in config.items() if not isinstance(value, Mapping)}
    rest = [(key, list(flatten(value))) for key, value in config.items() if isinstance(value, Mapping)]
    return [("run", list(flatten(plain))), *rest]


def _title(record: RunRecord) -> str:
    """The bundle's name if one was chosen, else the folder's: by the default name nobody knows a run."""
    name = record.option("bundle", "name")
    return str(name) if name not in (None, BundleOptions().name) else record.folder.resolve().name


def _load_translator(record: RunRecord) -> tuple[Translator | None, str]:
    """The best bundle's translator, or None and the reason."""
    if record.bundle is None:
        return None, "There is no best bundle yet."
    if record.is_of_language_model:
        return None, "A language model translates nothing."
    try:
        return Translator.load(record.bundle_folder), ""
    except DragomanError as error:
        return None, f"The best bundle cannot be loaded: {error}"


def _picture(
    record: RunRecord, translator: Translator | None, dev: TranslatedDevSet
) -> tuple[list[tuple[str, list[AttentionPicture]]], str]:
    """Pictures of the samples, and the reason if there are none."""
    if translator is None:
        return [], ""
    if record.option("architecture", "attention") == "none":
        return [], "This network has no attention: its decoder knows of the source what the encoder's last state holds."
    pictures = []
    options = search_options(record, return_attention=True)
    try:
        for text in dev.texts:
            samples = dict.fromkeys(sample.source for sample in record.samples if sample.label == text.label)
            sources = list(samples) or text.source
            drawn = list(picture_attention(translator, text.direction, sources, options))
            if drawn:
                pictures.append((text.label, drawn))
    except DragomanError as error:
        return [], f"The best bundle cannot translate the dev sentences: {error}"
    return pictures, "There is no dev sentence short enough for a picture."


def _events(record: RunRecord) -> list[Event]:
    events = [Event("–", "warning", warning) for warning in record.warnings]
    for line in record.measurements:
        why = ", ".join(line.texts.values())
        if line.kind == "rollback":  # its line has the update to which the run rolled back
            start = line.values.get("from", line.update)
            events.append(Event(f"{start:,.0f}", f"went back to update {line.update:,}", why))
        elif line.kind not in ("training", "validation"):
            events.append(Event(f"{line.update:,}", f"update {line.kind}", why))
    return events


def _facts(record: RunRecord) -> list[Fact]:
    facts = list(_score_facts(record))
    training = record.of_kind("training")
    if training:
        values = training[-1].values
        if "negative_log_likelihood" in values:
            likelihood = values["negative_log_likelihood"]
            note = f"{format_value(likelihood)} nats a piece, last"
            facts.append(Fact("training perplexity", format_value(perplexity(likelihood)), note))
        speeds = [line.values["tokens_per_second"] for line in training if "tokens_per_second" in line.values]
        if speeds:
            facts.append(Fact("target tokens a second", f"{median(speeds):,.0f}", "median"))
    seconds, tokens = record.progress.get("seconds"), record.progress.get("target_tokens")
    if isinstance(seconds, int | float):
        facts.append(
            Fact("training time", describe_duration(seconds), "validations left out, to the newest checkpoint")
        )
    if isinstance(tokens, int):
        facts.append(Fact("target tokens trained on", f"{tokens:,}"))
    if record.bundle is not None:
        facts.append(Fact("parameters", f"{record.bundle.num_parameters:,}", f"stored as {record.bundle.storage}"))
    return facts


def _score_facts(record: RunRecord) -> Iterator[Fact]:
    best = best_validation(record)
    if best is None:
        return
    for name, value in best.values.items():
        if name.startswith("bleu ") or name == "perplexity":
            label = name.replace("bleu ", "BLEU ")
            yield Fact(f"dev {label}", f"{value:.1f}", f"at update {best.update:,}, the best")
    averaged = record.provenance.get("averaged_checkpoints")
    for key, label in (("dev_bleu", "BLEU"), ("dev_perplexity", "perplexity")):
        kept = record.provenance.get(key)
        if isinstance(kept, int | float) and isinstance(averaged, list) and averaged:
            yield Fact(f"dev {label} of the bundle", f"{kept:.1f}", f"mean of {len(averaged)} checkpoints")


def _data_facts(record: RunRecord) -> Rows:
    """Facts about the training data. The corpora themselves are not read: they may be large, or moved by now."""
    rows: Rows = []
    pairs = record.provenance.get("sentence_pairs")
    if isinstance(pairs, int):
        rows.append(("sentence pairs trained on, all directions together", f"{pairs:,}"))
    training = record.of_kind("training")
    if training and "epoch" in training[-1].values:
        rows.append(("whole passes through the data", f"{training[-1].values['epoch']:.0f}"))
    rows += _option_rows(
        record,
        [("directions", "data", "directions"), ("most pieces of a side", "data", "max_length")],
    )
    rows += [(f"corpus {number}: {name}", value) for number, name, value in _corpora(record.option("data", "train"))]
    dev = record.option("data", "dev")
    rows += [(f"dev set: {name}", value) for name, value in flatten(dev)] if isinstance(dev, dict) else []
    rows += _option_rows(record, [("own grammar", "data", "grammar"), ("vocabulary pieces", "vocabulary", "size")])
    return rows


def _corpora(corpora: Any) -> Iterator[tuple[int, str, str]]:
    for number, corpus in enumerate(corpora if isinstance(corpora, list) else [], 1):
        if isinstance(corpus, dict):
            yield from ((number, name, value) for name, value in flatten(corpus))


def _option_rows(record: RunRecord, options: Iterable[tuple[str, str, str]]) -> Rows:
    rows = []
    for name, table, key in options:
        value = record.option(table, key)
        if isinstance(value, dict):
            value = [f"{key} {each}" for key, each in value.items()]
        if value is not None:
            rows.append((name, _as_text(value)))
    return rows
