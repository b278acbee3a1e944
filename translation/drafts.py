"""A text ready for the engine: its sentences as the model reads them, the way back, and further rounds for sentences
whose translation failed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from dragoman.model.codec import NO_FRAME, Codec, Frame
from dragoman.model.config import Direction
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.translation.markup.word_weights import Weights, sentence_weights
from dragoman.translation.normalizing.notation import Localization
from dragoman.translation.normalizing.wrapping import Wrapping
from dragoman.translation.terms.matching import TermFinder, WantedTerm

if TYPE_CHECKING:
    from dragoman.translation.terms.placing import Placing


class Change(Protocol):
    """A change of a sentence before it is translated, such as a stand-in for an address."""

    def undo(self, target: str) -> str | None:
        """The translation without the change; None if that is impossible, because a stand-in was lost."""


class WeighedChange(Protocol):
    """A change of which undoing needs to know what the words of the translation come from."""

    @property
    def needs_weights(self) -> bool:
        """Whether that is so this time."""

    @property
    def kept_words(self) -> tuple[str, ...]:
        """The words that the translation must have as the model reads them."""

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
    placing: how far they are placed; None before the first search.
    """

    source: str
    text: str
    changes: tuple[Change, ...] = ()
    attempt: int = 0
    last: WeighedChange | None = None
    search: int = 0
    earlier: tuple[TokenHypothesis, ...] = ()
    terms: tuple[WantedTerm, ...] = ()
    placing: "Placing | None" = None

    @property
    def is_provisional(self) -> bool:
        """Whether it may have to be translated in another way, though its translation is sound."""
        return bool(self.changes or self.terms or self.last)

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


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text ready for the engine, as n segments and the n + 1 gaps around them: gaps[0] + drafts[0].source + gaps[1]
    and so on is the text, or that with its lines joined. A blank text, which translates to itself, has no segments.

    segments:  requests whose ids are UNNUMBERED.
    drafts:    the sentences that the segments encode.
    options:   of every segment's search.
    direction: of the translation.
    frame:     the pieces that the codec added to every segment.
    wrapping:  how the text was wrapped, if its lines were joined.
    terms:     finds the terms of a sentence that its translation should have.
    figures:   those to be written in the target's notation.
    """

    text: str
    segments: tuple[Request, ...]
    drafts: tuple[Draft, ...]
    gaps: tuple[str, ...]
    options: SearchOptions
    direction: Direction
    frame: Frame = NO_FRAME
    wrapping: Wrapping | None = None
    terms: TermFinder | None = None
    figures: Localization | None = None

    @property
    def target_gaps(self) -> tuple[str, ...]:
        """The gaps as they stand in the translation."""
        figures = self.figures
        return self.gaps if figures is None else tuple(map(figures.convert_gap, self.gaps))

    @property
    def num_bytes(self) -> int:
        """About how many bytes of memory it takes until it is translated."""
        of_sentences = sum(one.num_bytes for sentences in (self.segments, self.drafts) for one in sentences)
        return 4 * len(self.text) + of_sentences

    def without_frame(self, hypothesis: TokenHypothesis) -> TokenHypothesis:
        """The hypothesis without the frame's target pieces."""
        num_forced = len(self.frame.target)
        if not num_forced:
            return hypothesis
        return replace(
            hypothesis,
            token_ids=hypothesis.token_ids[num_forced:],
            token_log_probs=hypothesis.token_log_probs[num_forced:],
            attention=None if hypothesis.attention is None else hypothesis.attention[num_forced:],
        )

    def only(self, indices: Sequence[int]) -> "PreparedText":
        """The text with the segments of these indices alone, to be decoded."""
        segments = tuple(self.segments[index] for index in indices)
        drafts = tuple(self.drafts[index] for index in indices)
        return replace(self, segments=segments, drafts=drafts, gaps=("",) * (len(indices) + 1))

    def requests(self, ids: Iterator[int], *, is_followed: bool = False) -> list[Request]:
        """The segments, numbered with the next ids."""
        return [replace(segment, id=next(ids), is_followed=is_followed) for segment in self.segments]


Found = Sequence[Sequence[TokenHypothesis]]
"""The hypotheses of each of a text's segments."""


@dataclass(frozen=True, slots=True)
class Round:
    """A further round of a text: some of its sentences are to be translated in another way.

    prepared: the text, with new segments for these sentences.
    known:    the hypotheses of each segment from the rounds before; None for those to be decoded.
    """

    prepared: PreparedText
    known: tuple[Sequence[TokenHypothesis] | None, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The indices of the segments to be decoded; none if the new sentences need no decoding."""
        return tuple(index for index, hypotheses in enumerate(self.known) if hypotheses is None)

    def complete(self, found: Found) -> list[Sequence[TokenHypothesis]]:
        """The hypotheses of all segments; found: those of the missing ones."""
        remaining = iter(found)
        return [next(remaining) if hypotheses is None else hypotheses for hypotheses in self.known]


def replace_sentences(prepared: PreparedText, found: Found, replacements: Mapping[int, PreparedText]) -> Round:
    """A further round in which the sentences of these indices are prepared in another way."""
    segments: list[Request] = []
    drafts: list[Draft] = []
    gaps = [prepared.gaps[0]]
    known: list[Sequence[TokenHypothesis] | None] = []
    for index, hypotheses in enumerate(found):
        replacement = replacements.get(index)
        if replacement is None:
            segments.append(prepared.segments[index])
            drafts.append(prepared.drafts[index])
            gaps.append("")
            known.append(hypotheses)
        else:
            segments += replacement.segments
            drafts += replacement.drafts
            gaps[-1] += replacement.gaps[0]
            gaps += replacement.gaps[1:]
            known += [None] * len(replacement.segments)
        gaps[-1] += prepared.gaps[index + 1]
    again = replace(prepared, segments=tuple(segments), drafts=tuple(drafts), gaps=tuple(gaps))
    return Round(again, tuple(known))


class Assembly:
    """A `PreparedText` in the making: gaps and segments in the text's order."""

    def __init__(
        self,
        options: SearchOptions,
        direction: Direction,
        frame: Frame,
        prefix_ids: tuple[int, ...],
        suppressed_ids: tuple[int, ...],
        terms: TermFinder | None = None,
        figures: Localization | None = None,
        *,
        normalize: bool,
    ) -> None:
        """prefix_ids: of the first segment. normalize: whether to write sentences as the corpus had them."""
        self.normalize = normalize
        self.options = options
        self.direction = direction
        self.frame = frame
        self.prefix_ids = prefix_ids
        self.suppressed_ids = suppressed_ids
        self.terms = terms
        self.figures = figures
        self._segments: list[Request] = []
        self._drafts: list[Draft] = []
        self._gaps: list[str] = []
        self._gap: list[str] = []  # parts of the gap before the next segment

    def add_gap(self, text: str) -> None:
        self._gap.append(text)

    def add_segment(self, segment: Request, draft: Draft) -> None:
        if self.figures is not None and self.figures.concerns(draft.source):
            draft = replace(draft, changes=(self.figures, *draft.changes))
        self._segments.append(segment)
        self._drafts.append(draft)
        self._gaps.append("".join(self._gap))
        self._gap = []
        self.prefix_ids = self.frame.target

    def finish(self, text: str) -> PreparedText:
        gaps = (*self._gaps, "".join(self._gap))
        segments, drafts = tuple(self._segments), tuple(self._drafts)
        return PreparedText(
            text,
            segments,
            drafts,
            gaps,
            self.options,
            self.direction,
            self.frame,
            terms=self.terms,
            figures=self.figures,
        )


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
