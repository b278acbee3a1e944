"""From the hypotheses of a text's sentences to the translation of the text.

The k-th hypothesis of a text consists of the k-th hypotheses of its sentences; a sentence with fewer gives its last.
The score is the mean of their scores, weighted by the sentences' source pieces: a sum would fall with the number of
sentences, and weights that are the same for all ranks keep the best hypothesis first. Pieces, log probabilities,
attention and alignment are concatenated. Only the last end of sentence keeps its log probability and its attention.
Attention between different sentences is zero.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from dragoman.model.codec import Codec, Side
from dragoman.model.decoding.request import Partial, TokenHypothesis
from dragoman.translation.checks.assessing import assess, best_of_searches, untranslated
from dragoman.translation.drafts import Draft, PreparedText, restore
from dragoman.translation.markup.alignment import (
    Span,
    first_words,
    sentence_alignment,
    word_spans,
)
from dragoman.translation.normalizing.wrapping import Wrapping, word_places
from dragoman.translation.results import FinishReason, Hypothesis, Translation, TranslationWarning
from dragoman.translation.sentences import join_sentences, translated_gaps
from dragoman.translation.terms.outcomes import TermOutcome, find_outcomes

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A piece that is one byte of a character without a piece of its own."""

_FINISH_REASONS: tuple[FinishReason, ...] = ("", "end_of_sentence", "length")
"""In ascending order: a text has the greatest of its sentences' reasons."""

_MAX_INCOMPLETE_BYTES = 3
"""Most bytes of an incomplete UTF-8 character."""


def partial_text(
    prepared: PreparedText,
    finished: Sequence[Sequence[TokenHypothesis] | None],
    partials: Mapping[int, Partial],
    vocabulary: Codec,
) -> tuple[str, str]:
    """The final part of a translation that is being decoded, and the provisional text that follows it.

    The final part never shrinks from one step to the next, and the translation begins with it. Sentences after the
    first unfinished one are not shown, and of a sentence that was changed before it was translated nothing is final
    until the translation is: it may have to be translated in another way.

    finished: the hypotheses of each segment; None for an unfinished one. partials: the newest `Partial` of each
    unfinished segment, by its index; none before its first step.
    """
    stable, unstable = _partial_text(prepared, finished, partials, vocabulary)
    if prepared.wrapping is None:
        return stable, unstable
    # The last word may become longer, and then stand in the next line.
    last = max(map(stable.rfind, " \n")) if unstable or None in finished else len(stable)
    begin = prepared.wrapping.wrap(stable[: max(0, last)])
    return begin, prepared.wrapping.wrap(stable + unstable)[len(begin) :]


def _partial_text(
    prepared: PreparedText,
    finished: Sequence[Sequence[TokenHypothesis] | None],
    partials: Mapping[int, Partial],
    vocabulary: Codec,
) -> tuple[str, str]:
    done: list[Sequence[TokenHypothesis]] = []
    for found in finished:
        if found is None or prepared.drafts[len(done)].is_provisional:
            break
        done.append(found)
    if len(done) == len(prepared.segments):
        return _combine(prepared, done, vocabulary).text, ""
    texts = [best_sentence_text(draft, found, vocabulary) for draft, found in zip(prepared.drafts, done, strict=False)]
    stable = unstable = ""
    partial = partials.get(len(done))
    if finished[len(done)] is not None:
        unstable = best_sentence_text(prepared.drafts[len(done)], finished[len(done)] or (), vocabulary)
    elif partial is not None and prepared.drafts[len(done)].is_provisional:
        text = _visible_text(partial.token_ids, vocabulary.target)
        unstable = prepared.drafts[len(done)].restore(text) or text
    elif partial is not None:
        stable = _visible_text(partial.token_ids[: partial.num_stable], vocabulary.target)
        unstable = _visible_text(partial.token_ids, vocabulary.target)[len(stable) :]
    sources = [draft.source for draft in prepared.drafts[: len(done) + 1]]
    gaps = (*prepared.target_gaps[: len(sources)], "")  # the gap after the unfinished sentence is not shown yet
    return join_sentences([*texts, stable], sources, gaps, prepared.direction.target), unstable


def _visible_text(token_ids: Sequence[int], target: Side) -> str:
    """The text of a hypothesis's first pieces, without an incomplete last character. Empty while it is blank, since no
    sentence is answered with a blank hypothesis."""
    num_kept = len(token_ids)
    text = target.decode(token_ids)
    pieces = target.pieces(token_ids)
    while text.endswith("\ufffd") and num_kept > len(token_ids) - _MAX_INCOMPLETE_BYTES and num_kept:
        if not _BYTE.fullmatch(pieces[num_kept - 1]):
            break
        num_kept -= 1
        text = target.decode(token_ids[:num_kept])
    return text if text.strip() else ""


def combine(prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]], vocabulary: Codec) -> Translation:
    """The translation of a text; `found` has the hypotheses of each of its segments. If its lines were joined, the
    translation is wrapped as they were, and the alignment counts the words of the wrapped texts.

    No text gets an empty answer: hypotheses of a sentence that are blank or cannot be restored are dropped, and a
    sentence without any others, like a blank text, is returned untranslated with a score of 0. Of a sentence that was
    searched again, the best hypotheses come first by their warnings and then by their scores.
    """
    translation = _combine(prepared, found, vocabulary)
    wrapping = prepared.wrapping
    if wrapping is None or not prepared.segments:
        return translation
    return replace(
        translation,
        hypotheses=tuple(_wrap(hypothesis, prepared.text, wrapping) for hypothesis in translation.hypotheses),
    )


def _wrap(hypothesis: Hypothesis, source: str, wrapping: Wrapping) -> Hypothesis:
    text = wrapping.wrap(hypothesis.text)
    alignment = hypothesis.alignment
    if alignment:
        of_source, of_target = word_places(wrapping.text, source), word_places(hypothesis.text, text)
        alignment = tuple(sorted({(of_source[word], of_target[other]) for word, other in alignment}))
    to_text, to_source = _mover(hypothesis.text, text), _mover(wrapping.text, source)
    terms = tuple(
        outcome if outcome.span is None else replace(outcome, span=to_text(outcome.span))
        for outcome in hypothesis.terms
    )
    warnings = tuple(
        replace(warning, source=to_source(warning.source), target=to_text(warning.target))
        for warning in hypothesis.warnings
    )
    sentences = tuple((to_source(one), to_text(other)) for one, other in hypothesis.sentences)
    return replace(hypothesis, text=text, alignment=alignment, terms=terms, warnings=warnings, sentences=sentences)


def _mover(joined: str, wrapped: str) -> Callable[[Span], Span]:
    """From a span of a text to that in the same text wrapped; both begin and end in words."""
    places, words, wrapped_words = word_places(joined, wrapped), word_spans(joined), word_spans(wrapped)
    begins = [begin for begin, _ in words]

    def move(place: int) -> int:
        word = bisect_right(begins, place) - 1
        return wrapped_words[places[word]][0] + place - begins[word]

    return lambda span: (move(span[0]), move(span[1] - 1) + 1)


def _combine(prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]], vocabulary: Codec) -> Translation:
    if not prepared.segments:
        figures = prepared.figures
        text = prepared.text if figures is None else figures.convert_gap(prepared.text)
        return Translation(prepared.text, (Hypothesis(text, 0.0),))
    source_pieces = [vocabulary.source.pieces(segment.source_ids) for segment in prepared.segments]
    sentences = [
        _sentence_hypotheses(prepared, draft, pieces, hypotheses, vocabulary)
        for draft, pieces, hypotheses in zip(prepared.drafts, source_pieces, found, strict=True)
    ]
    if len(sentences) == 1 and prepared.gaps == ("", ""):
        whole = len(prepared.drafts[0].source)
        alone = [replace(one, sentences=(((0, whole), (0, len(one.text))),)) for one in sentences[0]]
        return Translation(prepared.text, tuple(alone), tuple(source_pieces[0]))
    ranks = range(max(map(len, sentences)))
    hypotheses = tuple(
        _join(prepared, [sentence[min(rank, len(sentence) - 1)] for sentence in sentences]) for rank in ranks
    )
    return Translation(prepared.text, hypotheses, tuple(piece for pieces in source_pieces for piece in pieces))


def best_sentence_text(draft: Draft, found: Sequence[TokenHypothesis], vocabulary: Codec) -> str:
    """A sentence's part of the translation of its text."""
    texts = (draft.restore(vocabulary.target.decode(hypothesis.token_ids)) for hypothesis in found)
    return next((text for text in texts if text and not text.isspace()), draft.source)


def _sentence_hypotheses(
    prepared: PreparedText,
    draft: Draft,
    source_pieces: Sequence[str],
    found: Sequence[TokenHypothesis],
    vocabulary: Codec,
) -> list[Hypothesis]:
    """At least one."""
    hypotheses = []
    for hypothesis in map(prepared.without_frame, (*found, *draft.earlier)):
        text = restore(draft, source_pieces, hypothesis, vocabulary, prepared.frame)
        if not text or text.isspace():
            continue
        pieces = vocabulary.target.pieces(hypothesis.token_ids)
        attention = hypothesis.attention if prepared.options.return_attention else None
        alignment = (
            ()
            if attention is None
            else sentence_alignment(draft.source, text, source_pieces, pieces, attention, prepared.frame)
        )
        reason: FinishReason = "length" if hypothesis.is_cut_off else "end_of_sentence"
        warnings, quality = assess(prepared, draft, text, hypothesis, len(source_pieces))
        hypotheses.append(
            Hypothesis(
                text,
                hypothesis.score,
                pieces,
                hypothesis.token_log_probs,
                attention,
                alignment,
                reason,
                warnings,
                quality,
                find_outcomes(draft.terms, text),
            )
        )
    if draft.search:
        hypotheses = best_of_searches(hypotheses)[: prepared.options.n_best]
    if hypotheses:
        return hypotheses
    no_attention = np.zeros((0, len(source_pieces)), np.float32) if prepared.options.return_attention else None
    left = untranslated(draft, no_attention)
    return [replace(left, terms=find_outcomes(draft.terms, left.text))]


def _join(prepared: PreparedText, parts: Sequence[Hypothesis]) -> Hypothesis:
    """One hypothesis of the text from one of each sentence."""
    sources = [draft.source for draft in prepared.drafts]
    text = join_sentences([part.text for part in parts], sources, prepared.target_gaps, prepared.direction.target)
    warnings = _join_warnings(prepared, sources, parts) if any(part.warnings for part in parts) else ()
    outcomes = _join_outcomes(prepared, sources, parts) if any(part.terms for part in parts) else ()
    spans = _join_sentences(prepared, sources, parts)
    if len(parts) == 1:
        alignment = _join_alignments(prepared, sources, parts, text)
        return replace(parts[0], text=text, alignment=alignment, warnings=warnings, terms=outcomes, sentences=spans)
    lengths = [len(segment.source_ids) for segment in prepared.segments]
    score = sum(part.score * length for part, length in zip(parts, lengths, strict=True)) / sum(lengths)
    return Hypothesis(
        text,
        score,
        tuple(piece for part in parts for piece in part.pieces),
        tuple(value for part in parts[:-1] for value in part.token_log_probs[: len(part.pieces)])
        + parts[-1].token_log_probs,
        _join_attention(parts),
        _join_alignments(prepared, sources, parts, text),
        max((part.finish_reason for part in parts), key=_FINISH_REASONS.index),
        warnings,
        _join_qualities(parts, lengths),
        outcomes,
        spans,
    )


def _join_sentences(
    prepared: PreparedText, sources: Sequence[str], parts: Sequence[Hypothesis]
) -> tuple[tuple[Span, Span], ...]:
    """The span of each part in the text and in its translation."""
    begins = zip(_begins(sources, prepared.gaps), _target_begins(prepared, sources, parts), strict=True)
    return tuple(
        ((begin, begin + len(source)), (target_begin, target_begin + len(part.text)))
        for source, part, (begin, target_begin) in zip(sources, parts, begins, strict=True)
    )


def _join_warnings(
    prepared: PreparedText, sources: Sequence[str], parts: Sequence[Hypothesis]
) -> tuple[TranslationWarning, ...]:
    """The warnings of all parts, with spans that count from the beginning of the text and of its translation."""
    of_source, of_target = _begins(sources, prepared.gaps), _target_begins(prepared, sources, parts)
    return tuple(
        warning.moved(source, target)
        for part, source, target in zip(parts, of_source, of_target, strict=True)
        for warning in part.warnings
    )


def _join_outcomes(
    prepared: PreparedText, sources: Sequence[str], parts: Sequence[Hypothesis]
) -> tuple[TermOutcome, ...]:
    """The outcomes of all parts' terms, with spans that count from the beginning of the translation."""
    begins = _target_begins(prepared, sources, parts)
    return tuple(outcome.moved(begin) for part, begin in zip(parts, begins, strict=True) for outcome in part.terms)


def _target_begins(prepared: PreparedText, sources: Sequence[str], parts: Sequence[Hypothesis]) -> list[int]:
    """The place of each part in the translation."""
    return _begins(
        [part.text for part in parts], translated_gaps(sources, prepared.target_gaps, prepared.direction.target)
    )


def _begins(sentences: Sequence[str], gaps: Sequence[str]) -> list[int]:
    """The place of each sentence in its text."""
    begins, end = [], 0
    for gap, sentence in zip(gaps, sentences, strict=False):
        begins.append(end + len(gap))
        end = begins[-1] + len(sentence)
    return begins


def _join_qualities(parts: Sequence[Hypothesis], lengths: Sequence[int]) -> float | None:
    """The mean by the sentences' lengths, like that of the scores."""
    known = [(part.quality, length) for part, length in zip(parts, lengths, strict=True) if part.quality is not None]
    return sum(quality * length for quality, length in known) / sum(length for _, length in known) if known else None


def _join_attention(parts: Sequence[Hypothesis]) -> NDArray[np.float32] | None:
    blocks = [part.attention for part in parts if part.attention is not None]
    if len(blocks) < len(parts):
        return None
    blocks = [block[: len(part.pieces)] for block, part in zip(blocks[:-1], parts, strict=False)] + blocks[-1:]
    joined = np.zeros((sum(len(block) for block in blocks), sum(block.shape[1] for block in blocks)), np.float32)
    row = column = 0
    for block in blocks:
        num_rows, num_columns = block.shape
        joined[row : row + num_rows, column : column + num_columns] = block
        row, column = row + num_rows, column + num_columns
    return joined


def _join_alignments(
    prepared: PreparedText, sources: Sequence[str], parts: Sequence[Hypothesis], text: str
) -> tuple[tuple[int, int], ...]:
    """The alignment of the text, words counted from its beginning, those of the gaps included. Two parts may share a
    word, where no white space is between them."""
    if not any(part.alignment for part in parts):
        return ()
    whole = "".join(chain.from_iterable(zip_longest(prepared.gaps, sources, fillvalue="")))
    source_starts = first_words(whole, _begins(sources, prepared.gaps))
    target_starts = first_words(text, _target_begins(prepared, sources, parts))
    pairs = {
        (source_start + source, target_start + target)
        for part, source_start, target_start in zip(parts, source_starts, target_starts, strict=True)
        for source, target in part.alignment
    }
    return tuple(sorted(pairs))
