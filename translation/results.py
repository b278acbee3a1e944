"""What a translator returns, as text."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation as text; equal to another of equal text and score.

    score:           the length-normalized log probability; higher is better.
    pieces:          the vocabulary's pieces that it is made of, without the end of sentence.
    token_log_probs: the log probability of each piece, and last that of the end of sentence, unless it was cut off.
    attention:       [len(token_log_probs), source pieces] what each of them looked at; None unless asked for.
    alignment:       pairs (source word, target word), see `translation.alignment`; empty without attention.

    How those of a text of several sentences are made is told in `translation.combining`.
    """

    text: str
    score: float
    pieces: tuple[str, ...] = field(default=(), compare=False)
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)
    attention: NDArray[np.float32] | None = field(default=None, compare=False)
    alignment: tuple[tuple[int, int], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Translation:
    """One source text with its hypotheses, best first; there is always at least one.

    source_pieces: what the source was to the model, language tag and end of each sentence included: the columns of the
                   hypotheses' attention. Empty where it is not known.
    """

    source: str
    hypotheses: tuple[Hypothesis, ...]
    source_pieces: tuple[str, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """The best hypothesis' text."""
        return self.hypotheses[0].text

    @property
    def score(self) -> float:
        """The best hypothesis' score."""
        return self.hypotheses[0].score
