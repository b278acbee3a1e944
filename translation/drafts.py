"""A sentence as the model reads it, and the way back; and further rounds for sentences whose translation failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dragoman.model.decoding.request import TokenHypothesis

if TYPE_CHECKING:
    from dragoman.translation.preparing import PreparedText


class Change(Protocol):
    """A change of a sentence before it is translated, such as a stand-in for an address."""

    def undo(self, target: str) -> str | None:
        """The translation without the change; None if that is impossible, because a stand-in was lost."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence, or a part of one, as the model reads it.

    source:  the user's words.
    text:    the words that the model reads.
    changes: those that made `text` of `source`, in their order.
    attempt: the number of ways in which the sentence was translated before.
    """

    source: str
    text: str
    changes: tuple[Change, ...] = ()
    attempt: int = 0

    def restore(self, target: str) -> str | None:
        """The user's translation from the model's; None if it cannot be had from this one."""
        restored: str | None = target
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
