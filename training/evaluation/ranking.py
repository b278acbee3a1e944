"""Which of several validations is the best. Free of torch."""

import math
from collections.abc import Mapping
from statistics import fmean

from dragoman.training.evaluation.metrics import CHANCE_BLEU

DECISIVE = "bleu"
"""Name of the value of a validation that decides which network is the best."""

PERPLEXITY = "perplexity"
"""Name of the value that decides in its place for a language model: the lowest is the best."""

BLEU, LOSS = f"{DECISIVE} ", "loss "
TOO_MUCH = "lost beyond the limits"
"""Prefixes of the names of a validation's other values; the label of a text follows, see `ParallelText.label`."""

Rank = tuple[float, float]


def decisive_score(values: Mapping[str, float]) -> float:
    """What decides which network is the best, of the values of a validation, but for the beginning of a run: the
    higher, the better."""
    return values[DECISIVE] if DECISIVE in values else -values[PERPLEXITY]


def rank(score: float, values: Mapping[str, float]) -> Rank:
    """The rank of a validation: the highest is the best. BLEU decides; that below CHANCE_BLEU counts as 0, and among
    validations without more the one with the lower dev loss ranks higher, by the mean of all losses.

    score: see `decisive_score`; older runs kept no other values.
    """
    return (0.0, -_mean_loss(values)) if is_by_loss(score, values) else (score, 0.0)


def is_by_loss(score: float, values: Mapping[str, float]) -> bool:
    """Whether the dev loss decides how a validation ranks among those like it."""
    return score < CHANCE_BLEU and not values.keys() & {PERPLEXITY, TOO_MUCH} and _mean_loss(values) < math.inf


def _mean_loss(values: Mapping[str, float]) -> float:
    """Infinite if none was measured, or if one is no number."""
    losses = [loss for name, loss in values.items() if name.startswith(LOSS)]
    return fmean(losses) if losses and all(map(math.isfinite, losses)) else math.inf


def name_of_decisive(score: float, values: Mapping[str, float]) -> str:
    """For people: of what a better validation than this one has a better value. score: see `decisive_score`."""
    if PERPLEXITY in values:
        return "perplexity"
    return "dev loss" if is_by_loss(score, values) else "BLEU"
