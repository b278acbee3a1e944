"""Scores by the length of the source: where a network that squeezes a sentence into one state fails, they fall."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, bleu_score, chrf_score

BOUNDS = (10, 20, 30, 40)
"""Most pieces of a source in each group but the last."""


@dataclass(frozen=True, slots=True)
class LengthRow:
    """The texts whose sources have `least` to `most` pieces; most is None in the last group."""

    least: int
    most: int | None
    num_texts: int
    bleu: float
    chrf: float


def score_by_length(
    lengths: Sequence[int],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    tokenize: str = DEFAULT_TOKENIZER,
) -> list[LengthRow]:
    """The scores of each group that has a text, shortest first; BLEU is that of a corpus, not a mean of sentences.
    lengths: pieces of each source."""
    groups: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        groups.setdefault(bisect_left(BOUNDS, length), []).append(number)
    rows = []
    for group, chosen in sorted(groups.items()):
        texts, due = [hypotheses[number] for number in chosen], [references[number] for number in chosen]
        least, most = (0, *BOUNDS)[group] + 1, (*BOUNDS, None)[group]
        bleu, chrf = bleu_score(texts, due, tokenize=tokenize), chrf_score(texts, due)
        rows.append(LengthRow(least, most, len(chosen), bleu, chrf))
    return rows


def rows_to_json(rows: Sequence[LengthRow]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def format_rows(rows: Sequence[LengthRow]) -> str:
    """A table for a terminal."""
    lines = ["pieces    texts   BLEU   chrF"]
    for row in rows:
        pieces = f"{row.least}–{row.most}" if row.most is not None else f"{row.least - 1}+"
        lines.append(f"{pieces:<8} {row.num_texts:>6} {row.bleu:>6.1f} {row.chrf:>6.1f}")
    return "\n".join(lines)
