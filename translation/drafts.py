"""A sentence as the model reads it, and the way back; and further rounds for sentences whose translation failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dragoman.model.codec import Codec, Frame
from dragoman.model.decoding.request import TokenHypothesis
from dragoman.translation.markup.word_weights import Weights, sentence_weights
from dragoman.translation.terms.matching import WantedTerm

if TYPE_CHECKING:
    from dragoman.translation.preparing import PreparedText


class Change(Protocol):
    """A change of a sentence before it is translated, such as a stand-in for an address."""

    def undo(self, target: str) -> str | None:
        """The translation without the change; None if that is impossible, because a stand-in was lost."""


class WeighedChange(Protocol):
    """A change of which undoing needs to know what the words of the translation come from."""

    @property
    def needs_weights(self) -> bool:
        """Whether that is so this time."""

    def undo(self, target: str, weights: Weights | None = None) -> str | None:
        """See `Change`. weights: of the words of `target`, see `markup.word_weights`; None if unknown."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence, or a part of one, as the model reads it.

    source:  the user's words.
    text:    the words that the model reads.
    changes: those that made `text` of `source`, in their order.
    attempt: the number of ways in which the sentence was translated before.
    last:    the change that came after the others.
    search:  the number of searches that found no sound translation: of these words, or of the sentence that they are
             a part of.
    earlier: the hypotheses of these searches; the best of all is the translation.
    terms:   those that the translation should have.
    """

    source: str
    text: str
    changes: tuple[Change, ...] = ()
    attempt: int = 0
    last: WeighedChange | None = None
    search: int = 0
    earlier: tuple[TokenHypothesis, ...] = ()
    terms: tuple[WantedTerm, ...] = ()

    @property
    def needs_weights(self) -> bool:
        """Whether restoring its translation wants word weights."""
        return self.last is not None and self.last.needs_weights

    def restore(self, target: str, weights: Weights | None = None) -> str | None:
        """The user's translation from the model's; None if it cannot be had from this one. weights: of its words."""
        restored = target if self.last is None else self.last.undo(target, weights)
        for change in reversed(self.changes):
            if restored is None:
                break
            restored = change.undo(restored)
        return restored

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes."""
        return 4 * (len(self.source) + (0 if self.text is self.source else len(self.text)))


Found = Sequence[Sequence[TokenHypothesis]]
"""The hypotheses of each of a text's segments."""


@dataclass(frozen=True, slots=True)
class Round:
    """A further round of a text: some of its sentences are to be translated in another way.

    prepared: the text, with new segments for these sentences.
    known:    the hypotheses of each segment from the rounds before; None for those to be decoded.
    """

    prepared: "PreparedText"
    known: tuple[Sequence[TokenHypothesis] | None, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The indices of the segments to be decoded; none if the new sentences need no decoding."""
        return tuple(index for index, hypotheses in enumerate(self.known) if hypotheses is None)

    def complete(self, found: Found) -> list[Sequence[TokenHypothesis]]:
        """The hypotheses of all segments; found: those of the missing ones."""
        remaining = iter(found)
        return [next(remaining) if hypotheses is None else hypotheses for hypotheses in self.known]


def restore(
    draft: Draft, source_pieces: Sequence[str], hypothesis: TokenHypothesis, vocabulary: Codec, frame: Frame
) -> str | None:
    """The text of a hypothesis, without the frame's target pieces, in the user's words; None if it cannot be had."""
    text = vocabulary.target.decode(hypothesis.token_ids)
    if not draft.needs_weights or hypothesis.attention is None:
        return draft.restore(text)
    pieces = vocabulary.target.pieces(hypothesis.token_ids)
    weights = sentence_weights(draft.text, source_pieces, text, pieces, hypothesis.attention, frame)
    return draft.restore(text, weights)
