"""A translator's results, as text."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dragoman.translation.terms.outcomes import TermOutcome

FinishReason: TypeAlias = Literal["", "end_of_sentence", "length"]

WarningKind: TypeAlias = Literal[
    "figure_differs",
    "span_lost",
    "repeats",
    "untranslated",
    "wrong_language",
    "much_shorter",
    "much_longer",
    "cut_off",
    "unknown_characters",
]
"""What may be wrong with a translation.

figure_differs:     a figure of the source is not in the translation, or one of the translation not in the source.
span_lost:          an address, a placeholder, an emoji or the like is not in the translation.
repeats:            a word or a phrase stands there again and again, unlike in the source.
untranslated:       it mostly repeats the source.
wrong_language:     it is in the source's or a third language.
much_shorter:       something was probably left out.
much_longer:        something was probably made up.
cut_off:            it ended at its greatest length.
unknown_characters: it has a sign that stands for what the model cannot spell, or an emoji that the source has not.
"""


@dataclass(frozen=True, slots=True)
class TranslationWarning:
    """A doubt about a translation. source, target: the parts of either text that it concerns, by first character and
    the one after the last; a whole sentence if the doubt is about that."""

    kind: WarningKind
    source: tuple[int, int]
    target: tuple[int, int]

    def moved(self, source: int, target: int) -> "TranslationWarning":
        """The warning in texts that have so many characters more before."""
        (begin, end), (target_begin, target_end) = self.source, self.target
        return TranslationWarning(
            self.kind, (begin + source, end + source), (target_begin + target, target_end + target)
        )


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation as text. Equality compares text and score.

    score:           the length-normalized log probability; higher is better.
    pieces:          the vocabulary's pieces of the text, without the end of sentence.
    token_log_probs: the log probability of each piece and, last, of the end of sentence, unless it was cut off.
    attention:       [len(token_log_probs), source pieces] the attention of each of these; None unless requested.
    alignment:       pairs (source word, target word), see `translation.markup.alignment`; empty without attention.
    finish_reason:   "end_of_sentence" if the model ended the translation, "length" if it, or one of its sentences, was
                     cut off; empty if nothing was translated.
    warnings:        what may be wrong with it, see `WarningKind`.
    quality:         an estimate between 0 and 1 of how good it is, see `translation.checks.quality`; None if unknown.

    terms:           the outcome of each term of the text; empty without a glossary.
    sentences:       the parts of source and text that were translated by themselves; empty if they are not known.

    `translation.combining` describes the hypotheses of a text of several sentences.
    """

    text: str
    score: float
    pieces: tuple[str, ...] = field(default=(), compare=False)
    token_log_probs: tuple[float, ...] = field(default=(), compare=False)
    attention: NDArray[np.float32] | None = field(default=None, compare=False)
    alignment: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    finish_reason: FinishReason = field(default="", compare=False)
    warnings: tuple[TranslationWarning, ...] = field(default=(), compare=False)
    quality: float | None = field(default=None, compare=False)
    terms: tuple[TermOutcome, ...] = field(default=(), compare=False)
    sentences: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Translation:
    """One source text with its hypotheses, best first; there is always at least one.

    source_pieces:     the source as the model reads it, language tags and ends of sentences included: the columns of
                       the hypotheses' attention. Empty if unknown.
    detected_language: the language of the text, if it was detected.
    is_unchanged:      whether the text was returned untranslated, because it is in the target language already.
    is_approved:       whether a server had it among its approved translations.
    """

    source: str
    hypotheses: tuple[Hypothesis, ...]
    source_pieces: tuple[str, ...] = field(default=(), compare=False)
    detected_language: str = field(default="", compare=False)
    is_unchanged: bool = field(default=False, compare=False)
    is_approved: bool = field(default=False, compare=False)

    @property
    def text(self) -> str:
        """The best hypothesis' text."""
        return self.hypotheses[0].text

    @property
    def score(self) -> float:
        """The best hypothesis' score."""
        return self.hypotheses[0].score

    @property
    def warnings(self) -> tuple[TranslationWarning, ...]:
        """What may be wrong with the best hypothesis."""
        return self.hypotheses[0].warnings

    @property
    def quality(self) -> float | None:
        """The estimated quality of the best hypothesis, between 0 and 1; None if unknown."""
        return self.hypotheses[0].quality
