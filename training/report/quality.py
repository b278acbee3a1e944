"""Scores of the dev set with confidence intervals, scores by length, and what the sentences are like."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.training.evaluation.metrics import (
    DEFAULT_TOKENIZER,
    NUM_BOOTSTRAP_SAMPLES,
    bleu_score,
    score_translations,
)
from dragoman.training.report.dev_set import TranslatedText, word_count

LENGTH_LIMITS = (10, 20, 30, 40)
"""Source words at which a next group of sentences begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One metric of one direction. low, high: the 95 % confidence interval."""

    direction: str
    num_sentences: int
    metric: str
    score: float
    low: float
    high: float
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthRow:
    """BLEU of the sentences whose source has a like number of words."""

    direction: str
    words: str
    num_sentences: int
    bleu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """What the dev sentences of a direction are like. Lengths are in words divided by spaces: mean, shortest, longest.

    ratio:      words of all hypotheses to those of all references.
    num_exact:  hypotheses that are their reference.
    num_copied: hypotheses that are their source.
    """

    direction: str
    num_sentences: int
    source: tuple[float, int, int]
    reference: tuple[float, int, int]
    hypothesis: tuple[float, int, int]
    ratio: float
    num_exact: int
    num_copied: int


def score_rows(text: TranslatedText, tokenize: str = DEFAULT_TOKENIZER) -> list[ScoreRow]:
    """BLEU, chrF and TER with intervals of sacreBLEU's bootstrap (Koehn 2004)."""
    # Compared with itself, a system gets the interval that sacreBLEU's paired bootstrap has for it.
    report = score_translations(text.hypothesis, text.reference, baseline=text.hypothesis, tokenize=tokenize)
    rows = []
    for name, score in (("BLEU", report.bleu), ("chrF", report.chrf), ("TER", report.ter)):
        assert score.comparison is not None
        low, high = score.comparison.confidence_interval
        rows.append(
            ScoreRow(
                direction=str(text.direction),
                num_sentences=report.num_sentences,
                metric=name,
                score=score.score,
                low=max(0.0, low),
                high=high if name == "TER" else min(100.0, high),
                signature=score.signature,
            )
        )
    return rows


def length_rows(text: TranslatedText, tokenize: str = DEFAULT_TOKENIZER) -> list[LengthRow]:
    """Only groups that have a sentence."""
    groups: dict[int, list[int]] = {}
    for number, source in enumerate(text.source):
        words = len(source.split())
        groups.setdefault(sum(words >= limit for limit in LENGTH_LIMITS), []).append(number)
    return [
        LengthRow(
            direction=str(text.direction),
            words=_name_group(group),
            num_sentences=len(numbers),
            bleu=bleu_score(
                [text.hypothesis[number] for number in numbers],
                [text.reference[number] for number in numbers],
                tokenize=tokenize,
            ),
        )
        for group, numbers in sorted(groups.items())
    ]


def _name_group(group: int) -> str:
    if group == len(LENGTH_LIMITS):
        return f"{LENGTH_LIMITS[-1]} or more"
    first = LENGTH_LIMITS[group - 1] if group else 1
    return f"{first} to {LENGTH_LIMITS[group] - 1}"


def text_row(text: TranslatedText) -> TextRow:
    num_reference_words = word_count(text.reference)
    return TextRow(
        direction=str(text.direction),
        num_sentences=len(text.source),
        source=_lengths(text.source),
        reference=_lengths(text.reference),
        hypothesis=_lengths(text.hypothesis),
        ratio=word_count(text.hypothesis) / max(1, num_reference_words),
        num_exact=sum(a == b for a, b in zip(text.hypothesis, text.reference, strict=True)),
        num_copied=sum(a == b for a, b in zip(text.hypothesis, text.source, strict=True)),
    )


def _lengths(sentences: Sequence[str]) -> tuple[float, int, int]:
    lengths = [len(sentence.split()) for sentence in sentences]
    return statistics.fmean(lengths), min(lengths), max(lengths)


BOOTSTRAP = f"sacreBLEU's bootstrap with {NUM_BOOTSTRAP_SAMPLES:,} resamples"
