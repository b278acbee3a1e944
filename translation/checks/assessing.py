"""The warnings and the quality of a sentence's hypotheses, and the choice among those of several searches."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.request import TokenHypothesis
from dragoman.translation.checks.quality import estimate_quality, lowered_by
from dragoman.translation.checks.sentence import check_sentence
from dragoman.translation.drafts import Draft, PreparedText
from dragoman.translation.protecting.spans import remembered_spans
from dragoman.translation.results import Hypothesis, TranslationWarning


def assess(
    prepared: PreparedText, draft: Draft, text: str, hypothesis: TokenHypothesis, num_source_pieces: int
) -> tuple[tuple[TranslationWarning, ...], float]:
    """The warnings and the quality of a hypothesis that is `text` to the user. num_source_pieces: with the frame's."""
    warnings = find_warnings(prepared, draft, text, hypothesis)
    quality = estimate_quality(
        draft.source,
        text,
        hypothesis.token_log_probs,
        num_source_pieces - prepared.frame.num_source,
        prepared.direction.source,
        prepared.direction.target,
        warnings,
    )
    return warnings, quality


def find_warnings(
    prepared: PreparedText, draft: Draft, text: str, hypothesis: TokenHypothesis
) -> tuple[TranslationWarning, ...]:
    """The warnings of a hypothesis that is `text` to the user."""
    # Spans that were protected are there, or the hypothesis could not be restored.
    are_spans_checked = not draft.changes
    direction = prepared.direction
    return _check(draft.source, text, direction.source, direction.target, are_spans_checked, hypothesis.is_cut_off)


@lru_cache(maxsize=1024)  # a sentence is checked when it is reviewed, and again at once when its text is finished
def _check(
    source: str, target: str, source_language: str, target_language: str, are_spans_checked: bool, is_cut_off: bool
) -> tuple[TranslationWarning, ...]:
    spans = remembered_spans(source) if are_spans_checked else ()
    kept = [(span.begin, span.end) for span in spans if span.kind not in _CONVERTED]
    return check_sentence(source, target, source_language, target_language, kept=kept, is_cut_off=is_cut_off)


_CONVERTED = frozenset(("figure", "figure_code", "item", "pair", "symbol"))
"""Kinds of spans that a translation may write in another way."""


def best_of_searches(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """The hypotheses of several searches for a sentence, without those that repeat themselves: first those with the
    fewest and slightest warnings, among equals the better score."""
    by_text: dict[str, Hypothesis] = {}
    for hypothesis in hypotheses:
        if not any(warning.kind == "repeats" for warning in hypothesis.warnings):
            by_text.setdefault(hypothesis.text, hypothesis)
    return sorted(by_text.values(), key=lambda one: (-lowered_by(one.warnings), -one.score))


def untranslated(draft: Draft, attention: NDArray[np.float32] | None) -> Hypothesis:
    """A sentence returned as it is, because the model has no sound translation of it."""
    if not any(map(str.isalpha, draft.source)):
        return Hypothesis(draft.source, 0.0, attention=attention)
    whole = 0, len(draft.source)
    warning = TranslationWarning("untranslated", whole, whole)
    return Hypothesis(draft.source, 0.0, attention=attention, warnings=(warning,), quality=0.0)
