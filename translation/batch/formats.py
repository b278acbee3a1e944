"""Translations and scores as lines, for people and programs to read: tab-separated values and JSON."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.errors import InvalidInputError
from dragoman.translation.markup.alignment import format_alignment
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.translation.terms.outcomes import TermOutcome

DIGITS = 6
"""Decimal places of scores and log probabilities: more than float32 has of them."""

ATTENTION_DIGITS = 4
QUALITY_DIGITS = 3

MAX_QUOTED = 60
"""Characters of a text in a warning."""


def translation_to_json(translation: Translation, *, attention: bool = False) -> str:
    """One line: {"source", "hypotheses": [{"text", "score", "pieces", "token_log_probs", "alignment", "quality",
    "warnings", "terms"}, …]}, best first, a warning as {"kind", "source": [begin, end], "target": [begin, end]} in
    characters, a term as {"source", "target", "span": [begin, end]}, or {"source", "reason"} if it is absent;
    with `attention` also "source_pieces" and each hypothesis' "attention". What is not known is left out."""
    return _dump(
        {
            "source": translation.source,
            "source_pieces": translation.source_pieces if attention else (),
            "hypotheses": [_hypothesis_fields(hypothesis, attention) for hypothesis in translation.hypotheses],
        }
    )


def translation_to_tsv(number: int, translation: Translation) -> str:
    """A line for every hypothesis, best first: the text's number, which counts from 1, score, hypothesis."""
    return "\n".join(
        f"{number}\t{hypothesis.score:.{DIGITS}f}\t{one_line(hypothesis.text)}" for hypothesis in translation.hypotheses
    )


def score_to_json(outcome: ScoredTranslation | InvalidInputError, *, attention: bool = False) -> str:
    """One line: {"source", "target", "score", "log_prob", "pieces", "token_log_probs", "alignment"}, the last one where
    it was asked for; with `attention` also "source_pieces" and "attention"; {"error"} for a pair that has no score."""
    if isinstance(outcome, InvalidInputError):
        return _dump({"error": str(outcome)})
    return _dump(
        {
            "source": outcome.source,
            "target": outcome.target,
            "score": round(outcome.score, DIGITS),
            "log_prob": round(outcome.log_prob, DIGITS),
            "source_pieces": outcome.source_pieces if attention else (),
            "pieces": outcome.pieces,
            "token_log_probs": _rounded(outcome.token_log_probs),
            "alignment": outcome.alignment,
            "attention": _matrix(outcome.attention) if attention else None,
        }
    )


def score_to_tsv(outcome: ScoredTranslation | InvalidInputError, *, pieces: bool, alignment: bool) -> str:
    """Score and log probability; with `pieces` these and the log probability of each, the end of sentence last, divided
    by spaces; with `alignment` that in the Pharaoh format. All fields are empty for a pair that has no score."""
    num_fields = 2 + 2 * pieces + alignment
    if isinstance(outcome, InvalidInputError):
        return "\t" * (num_fields - 1)
    fields = [f"{outcome.score:.{DIGITS}f}", f"{outcome.log_prob:.{DIGITS}f}"]
    if pieces:
        fields += [" ".join(outcome.pieces), " ".join(f"{value:.{DIGITS}f}" for value in outcome.token_log_probs)]
    if alignment:
        fields.append(format_alignment(outcome.alignment))
    return "\t".join(fields)


def warnings_to_lines(translation: Translation) -> list[str]:
    """A line for each warning of the best hypothesis, for people to read."""
    return [_describe_warning(translation, warning) for warning in translation.warnings]


def _describe_warning(translation: Translation, warning: TranslationWarning) -> str:
    """The kind, the parts that it concerns, and the beginning of their sentences."""
    parts = [
        f'"{shorten(one_line(text[begin:end]), MAX_QUOTED)}"'
        for text, (begin, end) in ((translation.source, warning.source), (translation.text, warning.target))
    ]
    return f"{warning.kind.replace('_', ' ')}: {' -> '.join(parts)}"


def shorten(text: str, most: int) -> str:
    """The text, or its beginning with an ellipsis if it is longer."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def one_line(text: str) -> str:
    """A text without line breaks and tabs, which would break a file of lines and fields."""
    return " ".join(text.replace("\t", " ").splitlines())


def _hypothesis_fields(hypothesis: Hypothesis, attention: bool) -> dict[str, Any]:
    return _known(
        {
            "text": hypothesis.text,
            "score": round(hypothesis.score, DIGITS),
            "pieces": hypothesis.pieces,
            "token_log_probs": _rounded(hypothesis.token_log_probs),
            "alignment": hypothesis.alignment,
            "attention": _matrix(hypothesis.attention) if attention else None,
            "quality": None if hypothesis.quality is None else round(hypothesis.quality, QUALITY_DIGITS),
            "warnings": [
                {"kind": warning.kind, "source": warning.source, "target": warning.target}
                for warning in hypothesis.warnings
            ],
            "terms": [_term_fields(outcome) for outcome in hypothesis.terms],
        }
    )


def _term_fields(outcome: TermOutcome) -> dict[str, Any]:
    fields = {"source": outcome.source, "target": outcome.target or None, "span": outcome.span}
    return _known(fields | {"reason": outcome.reason or None})


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, DIGITS) for value in values]


def _matrix(attention: NDArray[np.float32] | None) -> list[list[float]] | None:
    if attention is None:
        return None
    rounded: list[list[float]] = attention.astype(np.float64).round(ATTENTION_DIGITS).tolist()
    return rounded


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty or None, but for texts and numbers."""
    return {name: value for name, value in fields.items() if value is not None and value != () and value != []}


def _dump(fields: dict[str, Any]) -> str:
    line = json.dumps(_known(fields), ensure_ascii=False)
    return line.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written
