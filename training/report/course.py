"""The course of a run: which curves of its metrics are drawn."""

import math
from collections.abc import Sequence

from dragoman.training.evaluation.ranking import decisive_score, rank
from dragoman.training.report.charts import Chart, Curves, Line, draw_chart
from dragoman.training.report.run_record import Measurement, RunRecord

LOSSES = ("loss", "negative_log_likelihood")
OWN_LOSS = "negative_log_likelihood "
"""Prefix of the names of the corpora's own losses, where there are several."""

DRAWN_APART = {"epoch", "perplexity", *LOSSES, "learning_rate", "tokens_per_second", "gradient_norm"}


def draw_curves(record: RunRecord) -> list[Chart]:
    """The loss and how good the translations are first, then whatever else was measured, under its name in the log."""
    training, validations = record.of_kind("training"), record.of_kind("validation")
    likelihood = _points(training, "negative_log_likelihood")
    scores = dict.fromkeys(name for line in validations for name in line.values if name.startswith("bleu "))
    losses = dict.fromkeys(name for line in validations for name in line.values if name.startswith("loss "))
    own = dict.fromkeys(name for line in training for name in line.values if name.startswith(OWN_LOSS))
    others = dict.fromkeys(name for line in training for name in line.values if name not in {*DRAWN_APART, *own})
    wanted = [
        Curves(
            title="Loss, in nats per target piece",
            unit="nats per piece",
            series={_words(name): _points(training, name) for name in LOSSES},
        ),
        Curves(
            title="Loss of each corpus, without smoothing",
            unit="nats per piece",
            series={name.removeprefix(OWN_LOSS): _points(training, name) for name in own},
        ),
        Curves(
            title="Loss on the dev set, without smoothing",
            unit="nats per piece",
            series={name.removeprefix("loss "): _points(validations, name) for name in losses},
        ),
        Curves(
            title="Perplexity of the training data",
            unit="perplexity",
            series={"perplexity": [(update, perplexity(value)) for update, value in likelihood]},
            may_be_logarithmic=True,
        ),
        Curves(
            title="BLEU on the dev set",
            unit="BLEU",
            series={name.removeprefix("bleu "): _points(validations, name) for name in scores},
            best="highest",
        ),
        Curves(
            title="Perplexity of the dev set",
            unit="perplexity",
            series={"perplexity": _points(validations, "perplexity")},
            may_be_logarithmic=True,
            best="lowest",
        ),
        Curves(
            title="Learning rate",
            unit="learning rate",
            series={"learning rate": _points(training, "learning_rate")},
            from_zero=True,
        ),
        Curves(
            title="Target tokens a second",
            unit="tokens a second",
            series={"tokens": _points(training, "tokens_per_second")},
            from_zero=True,
        ),
        Curves(
            title="Norm of the gradient",
            unit="norm",
            series={"norm": _points(training, "gradient_norm")},
            may_be_logarithmic=True,
        ),
        *(
            Curves(title=_words(name).capitalize(), unit="value", series={_words(name): _points(training, name)})
            for name in others
        ),
    ]
    charts = (draw_chart(f"chart-{number}", curves, record.update) for number, curves in enumerate(wanted, 1))
    return [chart for chart in charts if chart is not None]


def best_validation(record: RunRecord) -> Measurement | None:
    """Of the highest mean BLEU, as long as that is near 0 of the lowest dev loss, or of a language model the lowest
    perplexity; the earliest among equals."""
    validations = [line for line in record.of_kind("validation") if line.values.keys() & {"bleu", "perplexity"}]
    return max(
        validations, key=lambda line: (rank(decisive_score(line.values), line.values), -line.update), default=None
    )


def perplexity(negative_log_likelihood: float) -> float:
    try:
        return math.exp(negative_log_likelihood)
    except OverflowError:
        return math.inf


def _points(measurements: Sequence[Measurement], name: str) -> Line:
    return [(line.update, line.values[name]) for line in measurements if name in line.values]


def _words(name: str) -> str:
    return name.replace("_", " ")
