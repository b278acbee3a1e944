"""HTML in a worker. The places of tags come from attention, which is kept for a part of the texts at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dragoman.server.scheduling.worker import TextFailure
from dragoman.translation.drafts import PreparedText
from dragoman.translation.markup.document import Document, TranslatedText
from dragoman.translation.markup.word_weights import word_weights
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.terms.outcomes import TermOutcome

MAX_ATTENTION_BYTES = 64 * 1024 * 1024
"""Approximate size of the attention of texts that are translated at once. Then it is reduced to weights between
words."""

MAX_WEIGHTS_BYTES = 256 * 1024 * 1024
"""Size of the weights, which are kept until all texts are translated."""


@dataclass(frozen=True, slots=True)
class MarkedPart:
    """A translated part of a document. weight: number of its source pieces. terms: without their places."""

    translated: TranslatedText
    score: float
    weight: int
    quality: float | None = None
    warnings: tuple[TranslationWarning, ...] = ()
    terms: tuple[TermOutcome, ...] = ()


def plain_text(html: str) -> str:
    """A document without its tags."""
    return " ".join(text.text for text in Document(html, "").texts)


def num_weights_bytes(parts: Sequence[PreparedText]) -> int:
    """Approximate size of these parts' weights between words."""
    return sum(4 * len(part.text.split()) ** 2 for part in parts if part.options.return_attention)


def split_by_attention(parts: Sequence[PreparedText]) -> Iterator[Sequence[PreparedText]]:
    """Split texts into groups that may be translated at once."""
    begin = num_bytes = 0
    for place, part in enumerate(parts):
        num_bytes += num_attention_bytes((part,))
        if num_bytes > MAX_ATTENTION_BYTES and place > begin:
            yield parts[begin:place]
            begin, num_bytes = place, num_attention_bytes((part,))
    yield parts[begin:]


def num_attention_bytes(parts: Sequence[PreparedText]) -> int:
    """Approximate size of the attention, for translations as long as their sources."""
    return sum(4 * _num_pieces(part) ** 2 for part in parts if part.options.return_attention)


def _num_pieces(part: PreparedText) -> int:
    return sum(len(segment.source_ids) for segment in part.segments)


def keep_weights(
    parts: Sequence[PreparedText], results: Sequence[Translation | TextFailure]
) -> list[MarkedPart | TextFailure]:
    """Reduce a worker's results to texts and weights between words."""
    return [
        MarkedPart(
            TranslatedText(result.text, word_weights(result)),
            result.score,
            _num_pieces(part),
            result.quality,
            result.warnings,
            _placeless(result),
        )
        if isinstance(result, Translation)
        else result
        for part, result in zip(parts, results, strict=True)
    ]


def render(html: str, document: Document, parts: Sequence[MarkedPart | TextFailure]) -> Translation | TextFailure:
    """The document's translation, with the mean score and quality of its parts and their warnings, which concern the
    part of the document that each one belongs to; or the first part's failure."""
    marked: list[MarkedPart] = []
    for part in parts:
        if isinstance(part, TextFailure):
            return part
        marked.append(part)
    rendered = document.render_segments([part.translated for part in marked])
    score = _mean([(part.score, part.weight) for part in marked]) or 0.0
    quality = _mean([(part.quality, part.weight) for part in marked if part.quality is not None])
    warnings: tuple[TranslationWarning, ...] = ()
    if any(part.warnings for part in marked):
        places = document.places(rendered)
        of_parts = [
            TranslationWarning(warning.kind, source, target)
            for part, (source, target) in zip(marked, places, strict=True)
            for warning in part.warnings
        ]
        warnings = tuple(dict.fromkeys(of_parts))
    terms = tuple(outcome for part in marked for outcome in part.terms)
    hypothesis = Hypothesis("".join(rendered), score, warnings=warnings, quality=quality, terms=terms)
    return Translation(html, (hypothesis,))


def _placeless(translation: Translation) -> tuple[TermOutcome, ...]:
    return tuple(replace(outcome, span=None) for outcome in translation.hypotheses[0].terms)


def _mean(weighted: Sequence[tuple[float, int]]) -> float | None:
    """The weighted mean; None without weights."""
    total = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / total if total else None
