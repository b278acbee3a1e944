"""Two bundles on the same test sets, side by side: scores, confidence, and what is sure about the difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.training.evaluation.metrics import (
    BaselineComparison,
    MetricScore,
    ScoreReport,
    fitting_tokenizer,
    score_translations,
)
from dragoman.training.evaluation.test_set import EvaluationSet


@dataclass(frozen=True, slots=True)
class HeldOutText:
    """A test set in one direction. name: "domain" or another word for people."""

    name: str
    direction: Direction
    source: Path
    reference: Path


@dataclass(frozen=True, slots=True)
class Compared:
    """The later bundle's scores, with the earlier one as the baseline."""

    text: HeldOutText
    report: ScoreReport


def compare_bundles(before: str, after: str, texts: Sequence[HeldOutText]) -> list[Compared]:
    """Translates each text with both bundles and compares by paired bootstrap. Raises `EvaluationSet`'s errors."""
    compared = []
    for text in texts:
        sentences = EvaluationSet([text.reference], text.source)
        baseline, hypotheses = (
            sentences.translate(bundle, text.direction.source, text.direction.target, SearchOptions())
            for bundle in (before, after)
        )
        tokenize = fitting_tokenizer([text.direction.target])
        report = score_translations(hypotheses, *sentences.references, baseline=baseline, tokenize=tokenize)
        compared.append(Compared(text, report))
    return compared


def before_after_rows(compared: Sequence[Compared]) -> Iterator[list[str]]:
    """The cells of BLEU and chrF of each text, below `HEADINGS`."""
    for one in compared:
        named = f"{one.text.name} {one.text.direction}"
        count = f"{one.report.num_sentences:,}"
        for metric, score in (("BLEU", one.report.bleu), ("chrF", one.report.chrf)):
            yield [named, count, metric, *_cells(score)]
            named = count = ""


HEADINGS = ("text", "pairs", "", "before", "after", "gain", "p")


def before_after_table(compared: Sequence[Compared]) -> Table:
    """The rows for people; ±: half of the interval of 95 % confidence."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("text", "") else "right", no_wrap=True)
    for row in before_after_rows(compared):
        table.add_row(*row)
    return table


def _cells(score: MetricScore) -> list[str]:
    comparison = _comparison(score)
    return [
        _with_bounds(comparison.baseline_score, comparison.baseline_confidence_interval),
        _with_bounds(score.score, comparison.confidence_interval),
        f"{comparison.difference:+.1f}",
        f"{comparison.p_value:.3f}",
    ]


def _with_bounds(score: float, interval: tuple[float, float]) -> str:
    return f"{score:.1f} ± {(interval[1] - interval[0]) / 2:.1f}"


def describe_gain(compared: Sequence[Compared]) -> str:
    """Whether the first text gained, in a sentence for people: its direction with the least gain decides."""
    own = [one.report for one in compared if one.text.name == compared[0].text.name]
    known = min(_comparison(report.bleu).baseline_score for report in own)
    if known < MIN_KNOWN and not all(map(_gains, own)):
        return (
            f"No sure gain: with BLEU {known:.1f} on your text the bundle knows too little to be fitted. Train it "
            "longer, or fit one that knows more"
        )
    if all(map(_gains, own)):
        return "Your text gained, in BLEU and in chrF"
    if all(map(_seems_to_gain, own)):
        return "Your text seems to gain: one metric is sure of it, the other is not. Compare some translations yourself"
    return "No sure gain on your text: chance alone may make this difference"


MIN_KNOWN = 5.0
"""BLEU on a domain below which a bundle rarely has anything to build on."""

_MAX_P = 0.05


def _gains(report: ScoreReport) -> bool:
    bleu, chrf = _comparison(report.bleu), _comparison(report.chrf)
    return bleu.difference > 0 and chrf.difference > 0 and max(bleu.p_value, chrf.p_value) < _MAX_P


def _seems_to_gain(report: ScoreReport) -> bool:
    bleu, chrf = _comparison(report.bleu), _comparison(report.chrf)
    return bleu.difference > 0 and chrf.difference > 0 and min(bleu.p_value, chrf.p_value) < _MAX_P


def _comparison(score: MetricScore) -> BaselineComparison:
    assert score.comparison is not None
    return score.comparison
