"""Which curves a run's metrics give."""

import math
from collections.abc import Sequence

from dragoman.training.report.charts import Chart, Point, draw_chart
from dragoman.training.report.run_record import Measurement, RunRecord

LOSSES = ("loss", "negative_log_likelihood")
NOT_DRAWN = {"epoch", "perplexity", *LOSSES}


def draw_curves(record: RunRecord) -> list[Chart]:
    """The loss and how good the translations are first, then whatever else was measured, under its name in the log."""
    training = record.of_kind("training")
    last = record.update
    bleu = _bleu_by_direction(record.of_kind("validation"))
    likelihood = _points(training, "negative_log_likelihood")
    charts = [
        draw_chart(
            "Loss, in nats per target piece",
            {_words(name): _points(training, name) for name in LOSSES if _points(training, name)},
            last_update=last,
        ),
        draw_chart(
            "Perplexity of the training data",
            {"perplexity": [(update, _perplexity(value)) for update, value in likelihood]},
            last_update=last,
            may_be_logarithmic=True,
        ),
        draw_chart("BLEU on the dev set", bleu, last_update=last, mark_best=True),
        draw_chart(
            "Learning rate", {"learning rate": _points(training, "learning_rate")}, last_update=last, from_zero=True
        ),
        draw_chart(
            "Target tokens a second",
            {"tokens": _points(training, "tokens_per_second")},
            last_update=last,
            from_zero=True,
        ),
        draw_chart(
            "Norm of the gradient",
            {"norm": _points(training, "gradient_norm")},
            last_update=last,
            may_be_logarithmic=True,
        ),
    ]
    known = NOT_DRAWN | {"learning_rate", "tokens_per_second", "gradient_norm"}
    others = dict.fromkeys(name for line in training for name in line.values if name not in known)
    charts += [
        draw_chart(_words(name).capitalize(), {_words(name): _points(training, name)}, last_update=last)
        for name in others
    ]
    return [chart for chart in charts if chart is not None]


def best_validation(record: RunRecord) -> Measurement | None:
    """Of the highest mean BLEU, the earliest among equals."""
    validations = [line for line in record.of_kind("validation") if "bleu" in line.values]
    return max(validations, key=lambda line: (line.values["bleu"], -line.update), default=None)


def _bleu_by_direction(validations: Sequence[Measurement]) -> dict[str, list[Point]]:
    names = dict.fromkeys(name for line in validations for name in line.values if name.startswith("bleu "))
    return {name.removeprefix("bleu "): _points(validations, name) for name in names}


def _points(measurements: Sequence[Measurement], name: str) -> list[Point]:
    return [(line.update, line.values[name]) for line in measurements if name in line.values]


def _perplexity(negative_log_likelihood: float) -> float:
    try:
        return math.exp(negative_log_likelihood)
    except OverflowError:
        return math.inf


def _words(name: str) -> str:
    return name.replace("_", " ")
