"""Whether a run still gains, and what it would keep if it was stopped now; for people."""

from collections.abc import Sequence

from dragoman.training.evaluation.metrics import CHANCE_BLEU
from dragoman.training.evaluation.ranking import PERPLEXITY, TOO_MUCH, is_by_loss
from dragoman.training.run.progress import Validation

SPAN = 3
"""Validations over which the gain is judged: fewer differ by chance."""

CLEAR_GAIN, SMALL_GAIN = 1.0, 0.2
"""BLEU."""


def describe_outlook(validations: Sequence[Validation], *, last_update: int, patience: int) -> str:
    """A line on the course of the validations so far, in the order of their updates; empty before the second one, and
    for a language model, whose perplexity says it.

    last_update: of the run. patience: validations without a better BLEU before the run stops.
    """
    if len(validations) < 2 or validations[-1].update >= last_update or PERPLEXITY in validations[-1].values:
        return ""
    best = max(validations, key=lambda validation: (validation.rank, -validation.update))
    if best.bleu < CHANCE_BLEU and not is_by_loss(best.bleu, best.values):
        return "BLEU is near 0, as in the beginning of every run: too early to judge"
    if is_by_loss(best.bleu, best.values):
        course = "still falling" if best is validations[-1] else f"no lower since update {best.update:,}"
        return f"BLEU is near 0, as in the beginning of every run, so the dev loss decides: it is {course}"
    if best.update == 0:
        kept = f"if you stop it now, it keeps the bundle that it began with (BLEU {best.bleu:.1f})"
    else:
        kept = f"if you stop it now, it keeps update {best.update:,} (BLEU {best.bleu:.1f})"
    interval = validations[-1].update - validations[-2].update
    to_come = max(1, last_update - validations[-1].update) // max(1, interval)
    return f"{_describe_course(validations, best, patience, to_come)}; {kept}"


def _describe_course(validations: Sequence[Validation], best: Validation, patience: int, to_come: int) -> str:
    """to_come: validations until the planned end."""
    num_later = sum(validation.update > best.update for validation in validations)
    left = patience - num_later
    if num_later and left <= 0:
        return f"no gain in {num_later} validations"
    if num_later and TOO_MUCH in validations[-1].values:
        return "a dev set loses more than it may"
    if num_later:
        lost = best.bleu - validations[-1].bleu
        course = f"{lost:.1f} BLEU below update {best.update:,}"
        if left > to_come:
            return course
        return f"{course}: it stops early after {left} more validation{'s' * (left != 1)} without a better BLEU"
    before = validations[: -min(SPAN, len(validations) - 1)]
    start = max(before, key=lambda validation: validation.bleu)
    gain = best.bleu - start.bleu
    words = "still gaining" if gain >= CLEAR_GAIN else "gaining slowly" if gain >= SMALL_GAIN else "hardly gaining"
    return f"{words}: {gain:+.1f} BLEU since update {start.update:,}"
