"""The perplexity of texts under a language model."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dragoman.model.errors import InvalidInputError
from dragoman.translation.scoring.fluency import LanguageScorer


@dataclass(frozen=True, slots=True)
class PerplexityReport:
    """The ends of texts count as pieces and as words. Perplexities by piece compare models of one vocabulary alone; by
    word, and in bits for each character, they compare all."""

    num_texts: int
    num_pieces: int
    num_words: int
    num_characters: int
    perplexity: float
    word_perplexity: float
    bits_per_character: float

    def fields(self) -> dict[str, Any]:
        """For JSON, which has no infinite numbers: None for these."""
        return {name: None if value == math.inf else value for name, value in asdict(self).items()}

    def describe(self) -> str:
        """A few lines for people."""
        return (
            f"{self.num_texts:,} texts, {self.num_pieces:,} pieces, {self.num_words:,} words, ends included\n"
            f"perplexity {_short(self.perplexity)} by piece, {_short(self.word_perplexity)} by word\n"
            f"{self.bits_per_character:.3f} bits a character"
        )


def _exp(loss: float) -> float:
    """Infinite where no number is so great: a word may be a line of 10,000 characters."""
    return math.exp(loss) if loss < MAX_LOSS else math.inf


MAX_LOSS = 700.0


def _short(perplexity: float) -> str:
    return f"{perplexity:.2f}" if perplexity < 1e6 else f"{perplexity:.2e}"


def measure_perplexity(scorer: LanguageScorer, texts: Sequence[str]) -> PerplexityReport:
    """The perplexity of texts; blank ones are left out. Raises InvalidInputError if all are blank."""
    written = [text.strip() for text in texts if text.strip()]
    if not written:
        raise InvalidInputError("all texts are blank: there is nothing to measure")
    log_prob, num_pieces = 0.0, 0
    for score in scorer.score(written):
        log_prob += score.log_prob
        num_pieces += score.num_pieces
    num_words = sum(len(text.split()) + 1 for text in written)
    num_characters = sum(len(text) + 1 for text in written)
    return PerplexityReport(
        num_texts=len(written),
        num_pieces=num_pieces,
        num_words=num_words,
        num_characters=num_characters,
        perplexity=_exp(-log_prob / num_pieces),
        word_perplexity=_exp(-log_prob / num_words),
        bits_per_character=-log_prob / math.log(2) / num_characters,
    )
