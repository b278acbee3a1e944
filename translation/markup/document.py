"""An HTML document to translate."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dragoman.translation.markup.alignment import Span
from dragoman.translation.markup.content import Content, Tag
from dragoman.translation.markup.placement import Placement, TextPair, find_words, is_certain
from dragoman.translation.markup.segments import Inline, read_segments
from dragoman.translation.markup.word_weights import Weights
from dragoman.translation.sentences import split_sentences, split_to_fit

MAX_ALIGNED_BYTES = 900
"""UTF-8 bytes of a text whose alignment is asked for: the decoder gives it for a limited number of pieces, see
`translation.preparing.MAX_ATTENTION_PIECES`, and a byte is a piece at most. Longer sentences are cut."""

_FRAME = 3
"""Pieces that a sentence has beside its own, and its final space."""


@dataclass(frozen=True, slots=True)
class MarkupText:
    """A plain text to translate.

    needs_alignment: whether the translation needs a word alignment, because tags stand among the words.
    """

    text: str
    needs_alignment: bool


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A translation. weights: its word weights, see `word_weights`; None if unknown."""

    text: str
    weights: Weights | None = None


class Document:
    """HTML taken apart: `texts` are to be translated, and `render` replaces them by their translations.

    Any text is a document; malformed parts are neither repaired nor lost.
    """

    def __init__(self, html: str, language: str) -> None:
        """language: of the text, such as "en", for finding its sentences."""
        self._segments = list(read_segments(html))
        self._texts = [
            [] if isinstance(segment, str) else split_marked(segment.text, segment.elements, language)
            for segment in self._segments
        ]
        self.texts: tuple[MarkupText, ...] = tuple(itertools.chain.from_iterable(self._texts))

    def render(self, translations: Sequence[TranslatedText]) -> str:
        """The document with a translation for each of its texts."""
        return "".join(self.render_segments(translations))

    def render_segments(self, translations: Sequence[TranslatedText]) -> list[str]:
        """The parts of the document with a translation for each of its texts."""
        remaining = iter(translations)
        parts: list[str] = []
        for segment, texts in zip(self._segments, self._texts, strict=True):
            if isinstance(segment, str):
                parts.append(segment)
            else:
                content = place_elements(segment.elements, texts, list(itertools.islice(remaining, len(texts))))
                parts.append(f"{segment.lead}{encode_html(content)}{segment.trail}")
        return parts

    def places(self, rendered: Sequence[str]) -> list[tuple[Span, Span]]:
        """For each text the part of the document, and of the rendered one, that it belongs to, without the white space
        around. rendered: what `render_segments` gave."""
        found: list[tuple[Span, Span]] = []
        begin = target_begin = 0
        for segment, texts, part in zip(self._segments, self._texts, rendered, strict=True):
            raw = segment if isinstance(segment, str) else segment.raw
            end, target_end = begin + len(raw), target_begin + len(part)
            if not isinstance(segment, str):
                lead, trail = len(segment.lead), len(segment.trail)
                spans = (begin + lead, end - trail), (target_begin + lead, target_end - trail)
                found += [spans] * len(texts)
            begin, target_begin = end, target_end
        return found


def encode_html(content: Content) -> str:
    """Text and tags as HTML; a space that does not break stays visible as such in an editor."""
    return "".join(
        piece.raw if isinstance(piece, Tag) else escape(piece, quote=False).replace("\u00a0", "&nbsp;")
        for piece in content
    )


def split_marked(text: str, elements: Sequence[Inline], language: str) -> list[MarkupText]:
    """A text with inline elements as texts to translate: one, unless it is too long for its alignment."""
    words = find_words(text)
    if all(is_certain(element, words) for element in elements):
        return [MarkupText(text, False)]
    texts: list[str] = []
    room = 0
    sentences = split_sentences(text, language)
    for part in (part for sentence in sentences for part in split_to_fit(sentence, MAX_ALIGNED_BYTES, _num_bytes)):
        size = _num_bytes(part) + _FRAME
        if texts and size <= room:
            texts[-1] += part
        else:
            texts.append(part)
            room = MAX_ALIGNED_BYTES
        room -= size
    return [MarkupText(text, True) for text in texts]


def _num_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def place_elements(
    elements: Sequence[Inline], texts: Sequence[MarkupText], translations: Sequence[TranslatedText]
) -> Content:
    """The elements in the translations of the texts that `split_marked` gave."""
    if not elements:
        (translation,) = translations
        return (translation.text,)
    pairs = zip(texts, translations, strict=True)
    parts = [TextPair(text.text, translation.text, translation.weights) for text, translation in pairs]
    return Placement(parts).place(elements)
