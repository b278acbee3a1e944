"""What a translator returns, as text."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FinishReason: TypeAlias = Literal["", "end_of_sentence", "length"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation as text; equal to another of equal text and score.

    score:           the length-normalized log probability; higher is better.
    pieces:          the vocabulary's pieces that it is made of, without the end of sentence.
    token_log_probs: the log probability of each piece, and last that of the end of sentence, unless it was cut off.
    attention:       [len(token_log_probs), source pieces] what each of them looked at; None unless asked for.
    alignment:       pairs (source word, target word), see `translation.alignment`; empty without attention.
    finish_reason:   whether the model ended the translation, or the translation (or a sentence) was cut off;
                     empty where nothing was translated.

    How those of a text of several sentences are made is told in `translation.combining`.
    """

    text: str
    score: float
    pieces: tuple[str, ...] = field(default=(), compare=False)
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)
    attention: NDArray[np.float32] | None = field(default=None, compare=False)
    alignment: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    finish_reason: FinishReason = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Translation:
    """One source text with its hypotheses, best first; there is always at least one.

    source_pieces: what the source was to the model, language tag and end of each sentence included: the columns of the
                   hypotheses' attention. Empty where it is not known.
    detected_language: the text's, where it was detected. is_unchanged: whether that is the target language, so that the
                   text stands for its own translation.
    """

    source: str
    hypotheses: tuple[Hypothesis, ...]
    source_pieces: tuple[str, ...] = field(default=(), compare=False)
    detected_language: str = field(default="", compare=False)
    is_unchanged: bool = field(default=False, compare=False)

    @property
    def text(self) -> str:
        """The best hypothesis' text."""
        return self.hypotheses[0].text

    @property
    def score(self) -> float:
        """The best hypothesis' score."""
        return self.hypotheses[0].score
