"""An estimate of a translation's quality, from what its search has computed anyway.

It is fitted to sentence chrF: 0.6 for translations that have chrF 60 on average. It knows how sure the model was, on
average and at its least sure pieces; into how many pieces the words fall on both sides, which are many for rare words;
and how the lengths compare. So it ranks the translations of one model; between models, BLEU or chrF compares.

On Tatoeba's devtest, which it has not seen, its Spearman correlation with sentence chrF is 0.53 en→de and 0.61 de→en,
that of the score 0.52 and 0.57; on the other half of street-en-de's dev set 0.53 and 0.55, that of the score 0.45 and
0.44.
"""

import math
import operator
from collections.abc import Sequence

from dragoman.translation.languages import has_spaces
from dragoman.translation.results import TranslationWarning, WarningKind

WEIGHTS = (-3.216, 5.744, -0.829, -0.308, -0.176, -0.585)
"""Of `features`. Fitted by logistic regression on translations of the shipped bundle en-de against sentence chrF:
Tatoeba's dev set and half of street-en-de's, both directions, 4,800 sentences. `tests/benchmarks/checks.py` fits them
again, and measures the correlations."""

_NUM_LOWEST = 3
_PIECES_PER_WORD = 1.4
"""Of a language without spaces, whose words are not counted."""

_FACTORS: dict[WarningKind, float] = {
    "figure_differs": 0.7,
    "span_lost": 0.7,
    "much_shorter": 0.5,
    "much_longer": 0.5,
    "cut_off": 0.5,
    "unknown_characters": 0.5,
    "repeats": 0.3,
    "untranslated": 0.3,
    "wrong_language": 0.3,
}


def estimate_quality(
    source: str,
    target: str,
    token_log_probs: Sequence[float],
    num_source_pieces: int,
    source_language: str,
    target_language: str,
    warnings: Sequence[TranslationWarning] = (),
) -> float:
    """The quality of a sentence's translation, between 0 and 1.

    token_log_probs:   of its pieces and its end. If there are none, nothing is known, and the estimate is 1 without
                       warnings.
    num_source_pieces: without the frame.
    warnings:          each kind lowers it by a fixed factor.
    """
    if not token_log_probs:
        return lowered_by(warnings)
    found = features(source, target, token_log_probs, num_source_pieces, source_language, target_language)
    logit = sum(map(operator.mul, WEIGHTS, found))
    return lowered_by(warnings) / (1 + math.exp(-logit))


def features(
    source: str,
    target: str,
    token_log_probs: Sequence[float],
    num_source_pieces: int,
    source_language: str,
    target_language: str,
) -> tuple[float, ...]:
    """1; the mean probability of the target's pieces; the root of the mean surprise of the three least sure ones, in
    nats; the logarithms of pieces per word on either side; that of the ratio of the lengths, without its sign.

    token_log_probs: at least one.
    """
    num_target_pieces = len(token_log_probs)
    lowest = sorted(token_log_probs)[:_NUM_LOWEST]
    return (
        1.0,
        sum(map(math.exp, token_log_probs)) / num_target_pieces,
        math.sqrt(max(0.0, -sum(lowest) / len(lowest))),
        math.log(_pieces_per_word(source, num_source_pieces, source_language)),
        math.log(_pieces_per_word(target, num_target_pieces - 1, target_language)),
        abs(math.log((len(target) + 5) / (len(source) + 5))),
    )


def lowered_by(warnings: Sequence[TranslationWarning]) -> float:
    """The share of the quality that warnings leave."""
    if not warnings:
        return 1.0
    return math.prod(_FACTORS[kind] for kind in sorted({warning.kind for warning in warnings}))


def _pieces_per_word(text: str, num_pieces: int, language: str) -> float:
    if not has_spaces(language):
        return _PIECES_PER_WORD
    return max(num_pieces, 1) / max(len(text.split()), 1)
