"""From a text to the engine's segments, with all options resolved into pieces."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

from dragoman.model.bundle import MeasuredCopying
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.decoding.request import UNNUMBERED, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions, refuse_attention
from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.model.known_words import NO_KNOWN_WORDS, KnownWords
from dragoman.model.shortlist import Shortlist
from dragoman.translation.drafts import (
    Assembly,
    Change,
    Draft,
    Found,
    PreparedText,
    Round,
    replace_sentences,
    restore,
)
from dragoman.translation.normalizing.characters import as_seen
from dragoman.translation.normalizing.clauses import Clause, cut
from dragoman.translation.normalizing.notation import find_localization
from dragoman.translation.normalizing.quotations import find_marked, find_quotations, written_marks
from dragoman.translation.normalizing.wording import Normalizer, heading_end
from dragoman.translation.protecting.dividing import Fragment, Part, divide
from dragoman.translation.protecting.hiding import Hidden, Hiding, hide, is_hidden
from dragoman.translation.protecting.names import NameFinder
from dragoman.translation.protecting.spans import Span, find_latin, merge_spans, remembered_spans, with_latin
from dragoman.translation.protecting.stand_ins import Replacement, measured_stand_ins, replace_hidden
from dragoman.translation.sentences import split_sentences, split_to_fit
from dragoman.translation.terms.matching import TermFinder
from dragoman.translation.terms.pieces import GivenText, encode_terms

DEFAULT_FLUENT_LENGTH = 24
"""Pieces of a source sentence up to which a bundle that says nothing of it loses no clause: of a model trained on
Tatoeba, whose sentences have 10 words, one of 100 sentences has more. Of three clauses joined to 25 pieces, three
quarters survive as a whole, of eight joined to 65 a third; cut into parts, more than nine of ten."""

NUM_WAYS = 3
"""Sets of stand-ins that are tried before a sentence is cut at its spans."""

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
        has_attention: bool = True,
        has_language_model: bool = False,
        shortlist: Shortlist | None = None,
        copying: Sequence[MeasuredCopying] = (),
        fluent_length: int = DEFAULT_FLUENT_LENGTH,
        known_words: KnownWords = NO_KNOWN_WORDS,
    ) -> None:
        """max_source_length, max_target_length: the model's, tag and ends of sentence included. has_attention: whether
        its decoder looks at the source. shortlist: limits the target pieces of each sentence. copying, known_words: for
        protecting what must survive. fluent_length: pieces of a sentence up to which it is not cut."""
        self._name_finder = cache(partial(NameFinder, vocabulary, known_words))
        self._known_words = known_words
        self._stand_ins = cache(lambda direction: measured_stand_ins(copying, direction).of(vocabulary.source))
        self._fluent_length = fluent_length
        self._normalizer = Normalizer(vocabulary, known_words.has)
        self._vocabulary = vocabulary
        self._frame = cache(vocabulary.frame)
        self._max_source_length = max_source_length
        self._max_target_length = max_target_length
        self._has_attention = has_attention
        self._has_language_model = has_language_model
        self._shortlist = shortlist
        self.forbidden_ids = frozenset(vocabulary.forbidden_ids())

    def prepare(
        self,
        text: str,
        direction: Direction,
        options: SearchOptions,
        *,
        split: bool,
        protect: bool = False,
        localize_figures: bool = False,
        terms: TermFinder | None = None,
    ) -> PreparedText:
        """See `Translator.prepare`."""
        if not self._has_attention:
            refuse_attention(options)
        if options.fusion_weight and not self._has_language_model:
            raise InvalidInputError("fusion_weight needs a language model, which is not loaded")
        frame = self._frame(direction)
        hidden = hide(text, self._find_spans(text, direction.source) if protect else ())
        target_prefix = (*frame.target, *self._prefix_ids(options.target_prefix))
        suppressed_ids = tuple(map(self._suppressed_id, options.suppressed_pieces))
        if terms is not None and options.sampling_temperature is not None:
            raise InvalidInputError("terms need beam search: they do not go together with sampling_temperature")
        figures = find_localization(text, direction.source, direction.target) if localize_figures else None
        assembly = Assembly(options, direction, frame, target_prefix, suppressed_ids, terms, figures, normalize=protect)
        if split:
            self._add_sentences(assembly, hidden)
        else:
            self._add(assembly, hidden.text, hidden, 0, split=False)
        prepared = assembly.finish(text)
        num_pieces = sum(len(segment.source_ids) for segment in prepared.segments)
        if options.return_attention and num_pieces > MAX_ATTENTION_PIECES:
            raise InvalidInputError(
                f"the text has {num_pieces} pieces, but attention and alignment are possible for "
                f"{MAX_ATTENTION_PIECES} at most"
            )
        return prepared

    def _find_spans(self, text: str, language: str) -> Sequence[Span]:
        """What must survive, names included."""
        spans: Sequence[Span] = remembered_spans(text)
        if latin := find_latin(text, language):
            spans = with_latin(spans, latin)
        names = self._find_names(text, language)
        return merge_spans(spans, names) if names else spans

    def _find_names(self, text: str, language: str) -> list[Span]:
        """Names are words that the model does not know, so they are sought in the text as a reader sees it: a soft
        hyphen or an accent apart makes no unknown word."""
        find = self._name_finder(language).find
        seen = as_seen(text)
        if seen is None:
            return list(find(text))
        places = ((span, seen.original(span.begin, span.end)) for span in find(seen.text))
        return [replace(span, begin=begin, end=end) for span, (begin, end) in places]

    def _add_sentences(self, assembly: Assembly, hidden: Hidden) -> None:
        place = 0
        for neutral in split_sentences(hidden.neutral, assembly.direction.source):
            sentence = hidden.text[place : place + len(neutral)]
            place += len(neutral)
            if assembly.normalize and self._normalizer.is_kept(sentence, assembly.direction):
                assembly.add_gap(hidden.reveal(sentence))
                continue
            heading = heading_end(sentence) if assembly.normalize else 0
            if heading:
                self._add(assembly, sentence[:heading], hidden, 0, split=True)
                assembly.add_gap(":")
                sentence = sentence[heading + 1 :]
            self._add(assembly, sentence, hidden, 0, split=True)

    def _add(self, assembly: Assembly, sentence: str, hidden: Hidden, attempt: int, *, split: bool) -> None:
        """Add a sentence with private characters. attempt: the number of ways in which it was translated before."""
        if not any(map(is_hidden, sentence)) if hidden.spans else True:
            parts = iter((Part(sentence, is_gap=False),))
        else:
            parts = divide(sentence, hidden, at_every_span=attempt >= NUM_WAYS)
        for part in parts:
            if part.is_gap:
                assembly.add_gap(hidden.reveal(part.text))
            else:
                self._add_part(assembly, part.text, hidden, attempt, split=split)

    def _add_part(
        self,
        assembly: Assembly,
        text: str,
        hidden: Hidden,
        attempt: int,
        *,
        split: bool,
        clause: Clause | None = None,
    ) -> None:
        """clause: of which the text is all."""
        core = text.strip() if split else text
        wording = core
        changes: tuple[Change, ...] = ()
        if assembly.normalize:
            wording, changes = self._normalizer.normalize(core, assembly.direction, clause)
        replacement = self._replace(wording, hidden, attempt, assembly.direction, normalize=assembly.normalize)
        if replacement is None:
            self._add(assembly, text, hidden, NUM_WAYS, split=split)
            return
        most = self._max_source_length - assembly.frame.num_source
        pieces = self._encode(replacement.text)
        if len(pieces) > most and not split:
            raise InvalidInputError(
                f"the text has {len(pieces)} pieces, but the model takes {most} at most: split it into sentences"
            )
        if len(pieces) > most:
            for part in split_to_fit(
                text, most, lambda part: self._count_pieces(part, hidden, attempt, assembly.direction)
            ):
                self._add_part(assembly, part, hidden, attempt, split=split)
            return
        if not pieces:
            assembly.add_gap(hidden.reveal(text))
            return
        is_long = len(pieces) > self._fluent_length or ";" in text
        if is_long and assembly.normalize and split and clause is None:
            lower = partial(self._normalizer.lower_word, language=assembly.direction.target)
            parts, end = cut(text, assembly.direction, len(pieces), self._fluent_length * 2 // 3, lower)
            if len(parts) > 1:
                for one in parts:
                    assembly.add_gap(one.gap)
                    self._add_part(assembly, one.text, hidden, attempt, split=True, clause=one.clause)
                assembly.add_gap(end)
                return
        lead, trail = text.split(core, maxsplit=1)
        is_changed = any(map(is_hidden, core)) if hidden.spans else False
        source = hidden.reveal(core) if is_changed else core
        changes = (Hiding(hidden, core), *changes) if is_changed else changes
        if attempt >= NUM_WAYS:
            changes = (*changes, Fragment(core))
        if assembly.normalize and (marked := find_marked(replacement.text, assembly.direction.target)) is not None:
            changes = (*changes, marked)
        draft = Draft(
            source, replacement.text, changes, attempt, replacement if is_changed or replacement.elements else None
        )
        assembly.add_gap(lead)
        self._add_segment(assembly, draft, pieces)
        assembly.add_gap(trail)

    def _replace(
        self, text: str, hidden: Hidden, attempt: int, direction: Direction, *, normalize: bool
    ) -> Replacement | None:
        marks = written_marks(direction.target) if normalize else None
        if not hidden.spans and (marks is None or not find_quotations(text)):
            return Replacement((), text)
        is_foreign, is_strange = (
            self._name_finder(language).is_strange if self._known_words.has(language) else None
            for language in (direction.source, direction.target)
        )
        return replace_hidden(text, hidden, self._stand_ins(direction), attempt, is_strange, marks, is_foreign)

    def _count_pieces(self, text: str, hidden: Hidden, attempt: int, direction: Direction) -> int:
        replacement = self._replace(text, hidden, attempt, direction, normalize=False)
        return len(self._encode(text if replacement is None else replacement.text))

    def _add_segment(self, assembly: Assembly, draft: Draft, pieces: Sequence[int]) -> None:
        source_ids = assembly.frame.enclose(pieces)
        options, prefix_ids = assembly.options, assembly.prefix_ids
        max_target_length = self._resolve_max_target_length(len(source_ids), options, prefix_ids)
        read = draft.text if draft.last is None else draft.source
        wanted = () if assembly.terms is None else assembly.terms.find(read)
        is_term = len(wanted) == 1 and wanted[0].alone and wanted[0].source == draft.source
        if is_term and prefix_ids == assembly.frame.target:  # the search, which must not choose, would add words
            draft = replace(draft, terms=wanted, changes=(GivenText(wanted[0].alone), *draft.changes))
        elif wanted:
            room = max_target_length - len(prefix_ids) - 1
            # What a stand-in hides comes back by itself.
            shown = [term for term in wanted if term.source.lower() in draft.text.lower()]
            hidden = tuple(term for term in wanted if term not in shown)
            judged, forms = encode_terms(shown, self._vocabulary.target, self.forbidden_ids, room)
            draft = replace(draft, terms=(*judged, *hidden))
            if forms and self._has_attention:  # says where a term belongs that the translation lacks
                options = replace(options, return_attention=True)
        allowed_ids = None if self._shortlist is None else self._shortlist.allowed_ids(source_ids, assembly.direction)
        if draft.needs_weights and self._has_attention:
            options = replace(options, return_attention=True)
        request = Request(
            UNNUMBERED,
            source_ids,
            options,
            max_target_length,
            prefix_ids,
            assembly.suppressed_ids,
            allowed_ids,
        )
        assembly.add_segment(request, draft)

    def review(self, prepared: PreparedText, found: Found, *, keeps_unchanged: bool) -> Round | None:
        """See `Translator.review`."""
        replacements = {
            index: replacement
            for index, (draft, hypotheses) in enumerate(zip(prepared.drafts, found, strict=True))
            if (draft.is_provisional or not keeps_unchanged)
            and (replacement := self._retry(prepared, index, draft, hypotheses)) is not None
        }
        return replace_sentences(prepared, found, replacements) if replacements else None

    def _retry(
        self, prepared: PreparedText, index: int, draft: Draft, hypotheses: Sequence[TokenHypothesis]
    ) -> PreparedText | None:
        """A sentence prepared in another way, if its translation failed and there is another way."""
        hiding = next((change for change in draft.changes if isinstance(change, Hiding)), None)
        if hiding is None or draft.search or not hypotheses or self._survives(prepared, index, hypotheses):
            return None
        segment = prepared.segments[index]
        assembly = Assembly(
            prepared.options,
            prepared.direction,
            prepared.frame,
            segment.prefix_ids if draft.placing is None else draft.placing.first.prefix_ids,
            segment.suppressed_ids,
            prepared.terms,
            prepared.figures,
            normalize=True,
        )
        clause = next((change for change in draft.changes if isinstance(change, Clause)), None)
        if clause is not None and draft.attempt + 1 < NUM_WAYS:
            self._add_part(assembly, hiding.text, hiding.hidden, draft.attempt + 1, split=True, clause=clause)
        else:
            self._add(assembly, hiding.text, hiding.hidden, draft.attempt + 1, split=True)
        return assembly.finish(draft.source)

    def _survives(self, prepared: PreparedText, index: int, hypotheses: Sequence[TokenHypothesis]) -> bool:
        """Whether a translation with all spans is among the hypotheses of a segment."""
        pieces = self._vocabulary.source.pieces(prepared.segments[index].source_ids)
        draft = prepared.drafts[index]
        return any(
            restore(draft, pieces, hypothesis, self._vocabulary, prepared.frame)
            for hypothesis in map(prepared.without_frame, hypotheses)
        )

    def prepare_score(self, source: str, target: str, direction: Direction, options: SearchOptions) -> PreparedText:
        """See `Translator.prepare_score`."""
        from dragoman.translation.scoring.scored import encode_pair  # for scores alone

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
        if not self.forbidden_ids.isdisjoint(prefix_ids):
            raise InvalidRequestError(f'target_prefix "{prefix}" has a character that no translation can hold')
        return prefix_ids

    def _suppressed_id(self, piece: str) -> int:
        piece_id = self._vocabulary.target.piece_id(piece)
        if piece_id is None:
            raise InvalidRequestError(f'suppressed_pieces: the target vocabulary has no piece "{piece}"')
        if piece_id == self._vocabulary.shape.eos_id:
            raise InvalidRequestError("suppressed_pieces: the end of sentence cannot be suppressed")
        return piece_id
