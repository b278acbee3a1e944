"""From a text to the engine's segments, with all options resolved into pieces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dragoman.model.codec import NO_FRAME, Codec, Frame
from dragoman.model.config import Direction
from dragoman.model.decoding.request import UNNUMBERED, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.model.shortlist import Shortlist
from dragoman.translation.drafts import Draft, Found, Round
from dragoman.translation.scored import encode_pair
from dragoman.translation.sentences import split_sentences, split_to_fit


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text ready for the engine, as n segments and the n + 1 gaps around them: gaps[0] + drafts[0].source + gaps[1]
    and so on is the text. A blank text, which translates to itself, has no segments.

    segments:  requests whose ids are UNNUMBERED.
    drafts:    the sentences that the segments encode.
    options:   of every segment's search.
    direction: of the translation.
    frame:     the pieces that the codec added to every segment.
    """

    text: str
    segments: tuple[Request, ...]
    drafts: tuple[Draft, ...]
    gaps: tuple[str, ...]
    options: SearchOptions
    direction: Direction
    frame: Frame = NO_FRAME

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


MAX_ATTENTION_PIECES = 1024
"""Most source pieces of a text with attention or alignment: the matrix grows with their square."""


class Preparer:
    """Prepares texts for one model. Safe to use from several threads."""

    def __init__(
        self,
        vocabulary: Codec,
        *,
        max_source_length: int,
        max_target_length: int,
        shortlist: Shortlist | None = None,
    ) -> None:
        """max_source_length, max_target_length: the model's, tag and ends of sentence included. shortlist: limits
        the target pieces of each sentence."""
        self._vocabulary = vocabulary
        self._max_source_length = max_source_length
        self._max_target_length = max_target_length
        self._shortlist = shortlist
        self._forbidden_ids = frozenset(vocabulary.forbidden_ids())

    def prepare(self, text: str, direction: Direction, options: SearchOptions, *, split: bool) -> PreparedText:
        """See `Translator.prepare`."""
        frame = self._vocabulary.frame(direction)
        gaps: list[str] = []
        gap: list[str] = []  # parts of the gap before the next segment
        segments: list[Request] = []
        drafts: list[Draft] = []
        num_pieces = 0
        prefix_ids = (*frame.target, *self._prefix_ids(options.target_prefix))
        suppressed_ids = tuple(map(self._suppressed_id, options.suppressed_pieces))
        for part, pieces in self._parts(text, direction.source, frame) if split else self._whole(text, frame):
            core = part.strip() if split else part
            if not pieces:
                gap.append(part)
                continue
            source_ids = frame.enclose(pieces)
            max_target_length = self._resolve_max_target_length(len(source_ids), options, prefix_ids)
            allowed_ids = None if self._shortlist is None else self._shortlist.allowed_ids(source_ids, direction)
            segments.append(
                Request(
                    UNNUMBERED,
                    source_ids,
                    options,
                    max_target_length,
                    prefix_ids,
                    suppressed_ids,
                    allowed_ids,
                )
            )
            drafts.append(Draft(core, core))
            lead, trail = part.split(core, maxsplit=1)
            gaps.append("".join((*gap, lead)))
            gap = [trail]
            prefix_ids = frame.target
            num_pieces += len(source_ids)
        gaps.append("".join(gap))
        if options.return_attention and num_pieces > MAX_ATTENTION_PIECES:
            raise InvalidInputError(
                f"the text has {num_pieces} pieces, but attention and alignment are possible for "
                f"{MAX_ATTENTION_PIECES} at most"
            )
        return PreparedText(text, tuple(segments), tuple(drafts), tuple(gaps), options, direction, frame)

    def review(self, prepared: PreparedText, found: Found, *, keeps_unchanged: bool) -> Round | None:
        """See `Translator.review`."""
        replacements = {
            index: replacement
            for index, (draft, hypotheses) in enumerate(zip(prepared.drafts, found, strict=True))
            if (draft.changes or not keeps_unchanged)
            and (replacement := self._retry(prepared, draft, hypotheses)) is not None
        }
        return replace_sentences(prepared, found, replacements) if replacements else None

    def _retry(
        self, prepared: PreparedText, draft: Draft, hypotheses: Sequence[TokenHypothesis]
    ) -> PreparedText | None:
        """A sentence prepared in another way, if its translation failed and there is another way."""
        return None

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """See `Translator.prepare_score`."""
        pair = encode_pair(
            self._vocabulary,
            source,
            target,
            direction,
            max_source_length=self._max_source_length,
            max_target_length=self._max_target_length,
        )
        forced_ids = (*pair.frame.target, *pair.target_ids, self._vocabulary.shape.eos_id)
        scoring = SearchOptions(
            beam_size=1,
            length_penalty=options.length_penalty,
            length_normalization=options.length_normalization,
            coverage_penalty=options.coverage_penalty,
            target_prefix=target,
            return_attention=options.return_attention,
        )
        segment = Request(UNNUMBERED, tuple(pair.source_ids), scoring, len(forced_ids), forced_ids)
        return PreparedText(source, (segment,), (Draft(source, source),), ("", ""), scoring, direction, pair.frame)

    def _whole(self, text: str, frame: Frame) -> Iterator[tuple[str, Sequence[int]]]:
        """An unsplit text, with its pieces."""
        pieces, most = self._encode(text), self._max_source_length - frame.num_source
        if len(pieces) > most:
            raise InvalidInputError(
                f"the text has {len(pieces)} pieces, but the model takes {most} at most: split it into sentences"
            )
        yield text, pieces

    def _parts(self, text: str, language: str, frame: Frame) -> Iterator[tuple[str, Sequence[int]]]:
        """The parts of a text that fit the model, with their pieces."""
        max_pieces = self._max_source_length - frame.num_source
        for sentence in split_sentences(text, language):
            pieces = self._encode(sentence)
            if len(pieces) <= max_pieces:
                yield sentence, pieces
            else:
                for part in split_to_fit(sentence, max_pieces, lambda part: len(self._encode(part))):
                    yield part, self._encode(part)

    def _encode(self, text: str) -> Sequence[int]:
        """The pieces of a text; empty for white space, even if the vocabulary has pieces for it."""
        stripped = text.strip()
        return self._vocabulary.source.encode(stripped) if stripped else ()

    def _resolve_max_target_length(
        self, source_length: int, options: SearchOptions, prefix_ids: tuple[int, ...]
    ) -> int:
        wanted = options.max_target_length
        if wanted is None:
            wanted = max(2 * source_length, options.min_target_length, len(prefix_ids)) + 10
        resolved = min(wanted, self._max_target_length)
        if len(prefix_ids) >= resolved:
            raise InvalidRequestError(
                f"target_prefix has {len(prefix_ids)} pieces, but the target may have {resolved} with the end of "
                "sentence"
            )
        return resolved

    def _prefix_ids(self, prefix: str) -> tuple[int, ...]:
        if not prefix:
            return ()
        prefix_ids = tuple(self._vocabulary.target.encode(prefix))
        if not self._forbidden_ids.isdisjoint(prefix_ids):
            raise InvalidRequestError(f'target_prefix "{prefix}" has a character that no translation can hold')
        return prefix_ids

    def _suppressed_id(self, piece: str) -> int:
        piece_id = self._vocabulary.target.piece_id(piece)
        if piece_id is None:
            raise InvalidRequestError(f'suppressed_pieces: the target vocabulary has no piece "{piece}"')
        if piece_id == self._vocabulary.shape.eos_id:
            raise InvalidRequestError("suppressed_pieces: the end of sentence cannot be suppressed")
        return piece_id
