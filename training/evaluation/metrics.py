"""Scores of translations: BLEU, chrF and TER as sacreBLEU computes them, each with its signature."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest, Result

from dragoman.model.errors import InvalidInputError
from dragoman.translation.languages import has_spaces, primary_subtag

DEFAULT_TOKENIZER = "13a"
"""sacreBLEU's name of mteval-v13a's tokenizer, which suits languages with spaces between words."""

NUM_BOOTSTRAP_SAMPLES = 1000
"""Resamples of the paired bootstrap, as in Koehn (2004) and sacreBLEU's command line."""


_TOKENIZERS = {"zh": "zh", "yue": "zh", "wuu": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
"""By language: sacreBLEU's tokenizers for text whose words 13a does not find."""


CHANCE_BLEU = 1.0
"""BLEU below which differences are chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineComparison:
    """A system against a baseline on the same sentences, by paired bootstrap resampling (Koehn 2004).

    baseline_score:      the baseline's score on all sentences.
    difference:          the system's score less the baseline's; for TER, below 0 is better.
    p_value:             the probability of so large a difference by chance, 0 to 1; exactly 1 without a difference.
    confidence_interval: the system's lowest and highest score with 95 % confidence.
    baseline_confidence_interval: the same for the baseline.
    """

    baseline_score: float
    difference: float
    p_value: float
    confidence_interval: tuple[float, float]
    baseline_confidence_interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScore:
    """One metric over all sentences.

    score:      in per cent; BLEU and chrF from 0 to 100, higher is better; TER from 0, lower is better.
    signature:  sacreBLEU's: two scores compare only where their signatures agree.
    comparison: None without a baseline.
    """

    score: float
    signature: str
    comparison: BaselineComparison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """The scores of translations. BLEU: Papineni et al. 2002; chrF: Popović 2015; TER: Snover et al. 2006."""

    num_sentences: int
    num_references: int = 1
    bleu: MetricScore
    chrf: MetricScore
    ter: MetricScore


def silence_sacrebleu() -> None:
    """Keeps sacreBLEU's progress and hints off the terminal. For commands alone, since it affects the whole process."""
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)


def tokenizer_warning(tokenize: str, languages: Iterable[str]) -> str | None:
    """A warning if the default tokenizer does not find the words of a target language; otherwise None."""
    for language in languages if tokenize == DEFAULT_TOKENIZER else ():
        if (better := tokenizer_for(language)) != DEFAULT_TOKENIZER:
            return (
                f"BLEU with sacreBLEU's tokenizer {DEFAULT_TOKENIZER} means little for {language}, whose words it does "
                f'not find; use tokenize "{better}"'
            )
    return None


def tokenizer_for(language: str) -> str:
    """The name of sacreBLEU's tokenizer that finds a language's words, or its characters."""
    default = DEFAULT_TOKENIZER if has_spaces(language) else "char"
    return _TOKENIZERS.get(primary_subtag(language), default)


def fitting_tokenizer(languages: Iterable[str]) -> str:
    """The tokenizer for a run's target languages, of those that are installed: one that fits all of them, or the
    default."""
    names = set()
    for language in languages:
        name = tokenizer_for(language)
        try:
            check_tokenizer(name)
        except InvalidInputError:
            name = "char"
        names.add(name)
    if names == {DEFAULT_TOKENIZER, "zh"}:
        return "zh"  # it treats text with spaces as the default does
    return names.pop() if len(names) == 1 else DEFAULT_TOKENIZER


def bleu_score(hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str = DEFAULT_TOKENIZER) -> float:
    """Corpus BLEU alone (cased), 0 to 100: the cheap score for validation while a model trains.

    Raises InvalidInputError as `score_translations` does.
    """
    _check_lengths(hypotheses, references, "hypotheses")
    return float(_bleu(tokenize).corpus_score(hypotheses, [references]).score)


def chrf_score(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF alone, 0 to 100. Raises InvalidInputError as `score_translations` does."""
    _check_lengths(hypotheses, references, "hypotheses")
    return float(CHRF().corpus_score(hypotheses, [references]).score)


def check_tokenizer_name(name: str) -> None:
    """Raises InvalidInputError for a tokenizer that sacreBLEU does not know."""
    if name not in BLEU.TOKENIZERS:
        raise InvalidInputError(f"unknown tokenizer '{name}'; sacreBLEU has {', '.join(BLEU.TOKENIZERS)}")


def check_tokenizer(name: str) -> None:
    """Raises InvalidInputError for a tokenizer that sacreBLEU does not know or cannot load."""
    _bleu(name)


class SentenceBleu:
    """BLEU of single sentences, to compare hypotheses of one source: sacreBLEU's, with exponential smoothing of n-gram
    orders without a match (Chen & Cherry 2014, method 3) and without orders longer than the sentence.
    """

    def __init__(self, tokenize: str = DEFAULT_TOKENIZER) -> None:
        """tokenize: see `score_translations`, also for the errors raised."""
        self._bleu = _bleu(tokenize, effective_order=True)

    def score(self, hypothesis: str, reference: str) -> float:
        """0 to 100."""
        return float(self._bleu.sentence_score(hypothesis, [reference]).score)


def score_translations(
    hypotheses: Sequence[str],
    *references: Sequence[str],
    baseline: Sequence[str] | None = None,
    tokenize: str = DEFAULT_TOKENIZER,
) -> ScoreReport:
    """Scores hypotheses against one or several references and, if given, against a baseline's hypotheses.

    references: at least one, each a human translation of all sentences. tokenize: sacreBLEU's name of BLEU's tokenizer
    ("13a", "intl", "zh", "char", "none" for tokenized text, …); chrF and TER tokenize in their own ways.

    The bootstrap draws 1000 resamples from sacreBLEU's fixed seed (12345, or SACREBLEU_SEED from the environment), so
    its numbers reproduce and equal those of `sacrebleu --paired-bs`. Its signatures name seed and samples.

    Raises InvalidInputError when there is nothing to score, when the numbers of sentences differ, or for a tokenizer
    that sacreBLEU does not know or cannot load.
    """
    for reference in references:
        _check_lengths(hypotheses, reference, "hypotheses")
    metrics: dict[str, Metric] = {"bleu": _bleu(tokenize), "chrf": CHRF(), "ter": TER()}
    if baseline is None:
        scores = {name: _plain_score(metric, hypotheses, references) for name, metric in metrics.items()}
    else:
        _check_lengths(baseline, references[0], "baseline hypotheses")
        scores = _compared_scores(metrics, hypotheses, baseline, references)
    return ScoreReport(num_sentences=len(hypotheses), num_references=len(references), **scores)


def report_to_json(report: ScoreReport) -> dict[str, Any]:
    """The report for `evaluate --json`, in full precision.

    `{"num_sentences": …, "num_references": …, "bleu": {"score": …, "signature": …}, "chrf": {…}, "ter": {…}}`; with a
    baseline each metric has also the keys of `BaselineComparison`, where an interval is a list of two.
    """
    return {
        "num_sentences": report.num_sentences,
        "num_references": report.num_references,
        **{name.lower(): _metric_to_json(score) for name, score in _named_scores(report)},
    }


def format_report(report: ScoreReport) -> str:
    """The report as a few lines for people, with scores to one digit as in papers."""
    references = f", {report.num_references} references each" if report.num_references > 1 else ""
    lines = [f"{report.num_sentences} sentence{'s' if report.num_sentences != 1 else ''}{references}"]
    for name, score in _named_scores(report):
        line = f"{name:<5}{score.score:5.1f}"
        if score.comparison is not None:
            line += _format_comparison(score.comparison)
        lines.append(f"{line}  {score.signature}")
    return "\n".join(lines)


def _bleu(tokenize: str, *, effective_order: bool = False) -> BLEU:
    check_tokenizer_name(tokenize)
    try:
        return BLEU(tokenize=tokenize, force=True, effective_order=effective_order)
    except (ImportError, OSError, RuntimeError) as error:  # a package that is not installed, a model not downloaded
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"tokenizer '{tokenize}' cannot be loaded: {reason}") from error


def _plain_score(metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> MetricScore:
    score = metric.corpus_score(hypotheses, references)
    return MetricScore(score=float(score.score), signature=str(metric.get_signature()))


def _compared_scores(
    metrics: dict[str, Metric],
    hypotheses: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[Sequence[str]],
) -> dict[str, MetricScore]:
    systems = [("baseline", baseline), ("system", hypotheses)]
    test = PairedTest(systems, metrics, references, test_type="bs", n_samples=NUM_BOOTSTRAP_SAMPLES)
    signatures, results = test()
    scores = {}
    for name, title in zip(metrics, signatures, strict=True):  # sacreBLEU names its results itself: "BLEU", "chrF2", …
        baseline_result, system_result = results[title]
        assert isinstance(baseline_result, Result)
        assert isinstance(system_result, Result)
        scores[name] = MetricScore(
            score=float(system_result.score),
            signature=str(signatures[title]),
            comparison=_comparison(baseline_result, system_result),
        )
    return scores


def _comparison(baseline: Result, system: Result) -> BaselineComparison:
    difference = float(system.score) - float(baseline.score)
    assert system.p_value is not None
    return BaselineComparison(
        baseline_score=float(baseline.score),
        difference=difference,
        # sacreBLEU counts only resamples that differ by more, and so finds p = 0.001 for a system against itself.
        # A difference of 0 is the least extreme.
        p_value=float(system.p_value) if difference else 1.0,
        confidence_interval=_interval(system),
        baseline_confidence_interval=_interval(baseline),
    )


def _interval(result: Result) -> tuple[float, float]:
    assert result.mean is not None
    assert result.ci is not None
    return float(result.mean - result.ci), float(result.mean + result.ci)


def _check_lengths(hypotheses: Sequence[str], references: Sequence[str], name: str) -> None:
    if len(hypotheses) != len(references):
        raise InvalidInputError(f"{len(hypotheses)} {name}, but {len(references)} references")
    if not references:
        raise InvalidInputError("there are no sentences to score")


def _named_scores(report: ScoreReport) -> list[tuple[str, MetricScore]]:
    return [("BLEU", report.bleu), ("chrF", report.chrf), ("TER", report.ter)]


def _metric_to_json(score: MetricScore) -> dict[str, Any]:
    result: dict[str, Any] = {"score": score.score, "signature": score.signature}
    if score.comparison is not None:
        for field in fields(score.comparison):
            value = getattr(score.comparison, field.name)
            result[field.name] = list(value) if isinstance(value, tuple) else value
    return result


def _format_comparison(comparison: BaselineComparison) -> str:
    low, high = comparison.confidence_interval
    return (
        f" ({low:.1f} to {high:.1f})  baseline {comparison.baseline_score:.1f}"
        f"  difference {comparison.difference:+.1f}  p = {comparison.p_value:.3f}"
    )
