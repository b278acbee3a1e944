"""From a document to its translation, with whatever translates texts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Unpack

from dragoman.model.decoding.search_options import SearchArguments, SearchOptions
from dragoman.model.files import read_bytes
from dragoman.translation.documents.document import MAX_DOCUMENT_BYTES, Document, DocumentOptions, Segment
from dragoman.translation.documents.opening import open_document
from dragoman.translation.languages import as_tag
from dragoman.translation.markup.content import Content
from dragoman.translation.markup.document import MarkupText, TranslatedText, place_elements, split_marked
from dragoman.translation.markup.word_weights import word_weights
from dragoman.translation.results import Translation
from dragoman.translation.terms.glossary import Glossary

if TYPE_CHECKING:
    from dragoman.translation.translator import Translator

BLOCK = 256
"""Segments translated at once: enough to fill an engine, and little to lose."""

TranslateTexts: TypeAlias = Callable[[Sequence[MarkupText]], Sequence[TranslatedText]]
TranslateStrings: TypeAlias = Callable[[Sequence[str]], Iterator[Translation]]


def translate_document(
    translator: "Translator",
    document: bytes | Path,
    to: str,
    *,
    source_language: str | None = None,
    document_format: str | None = None,
    columns: Sequence[str] = (),
    mark_fuzzy: bool = False,
    retranslate: bool = False,
    protect: bool = True,
    localize_figures: bool = False,
    terms: Glossary | None = None,
    **search: Unpack[SearchArguments],
) -> bytes:
    """The translated document, given as a path or as its bytes.

    document_format: see `opening.FORMATS`; None finds it by a path's name.
    columns, mark_fuzzy: see `DocumentOptions`. retranslate: whether to replace translations that the document has.
    protect, localize_figures, terms: see `Translator.translate`.

    Raises InvalidInputError with place and reason for a broken document, and what `Translator.translate` raises.
    """
    options = SearchOptions(**search)
    direction = translator.find_direction(source_language, to)
    if isinstance(document, Path):
        name, content = str(document), read_bytes(document, MAX_DOCUMENT_BYTES)
    else:
        name, content = "", document
    described = DocumentOptions(direction.source, as_tag(to), mark_fuzzy, tuple(columns))
    opened = open_document(content, document_format, name, described)

    stream = partial(
        translator.stream, direction=direction, protect=protect, localize_figures=localize_figures, terms=terms
    )
    texts = join_streams(
        partial(stream, options=options), partial(stream, options=replace(options, return_attention=True))
    )
    return opened.render(list(translate_segments(opened.segments, texts, direction.source, retranslate=retranslate)))


def join_streams(plain: TranslateStrings, aligned: TranslateStrings) -> TranslateTexts:
    """Translates texts that need word weights with `aligned`, whose translations have attention, the others with
    `plain`; equal ones once."""

    def translate(texts: Sequence[MarkupText]) -> Sequence[TranslatedText]:
        found: dict[MarkupText, TranslatedText] = {}
        for stream, needs_alignment in ((plain, False), (aligned, True)):
            wanted = list(dict.fromkeys(text for text in texts if text.needs_alignment is needs_alignment))
            if wanted:
                translations = stream([text.text for text in wanted])
                for text, translation in zip(wanted, translations, strict=True):
                    weights = word_weights(translation) if needs_alignment else None
                    found[text] = TranslatedText(translation.text, weights)
        return [found[text] for text in texts]

    return translate


def translate_segments(
    segments: Sequence[Segment],
    translate: TranslateTexts,
    language: str,
    *,
    retranslate: bool = False,
    num_done: int = 0,
) -> Iterator[Content | None]:
    """What `Document.render` takes, segment by segment, without the first num_done. language: of the source."""
    for begin in range(num_done, len(segments), BLOCK):
        yield from _translate_block(segments[begin : begin + BLOCK], translate, language, retranslate)


def is_wanted(segment: Segment, *, retranslate: bool) -> bool:
    """Whether a segment is to be translated."""
    return not segment.is_kept and (retranslate or not segment.is_translated)


def _translate_block(
    block: Sequence[Segment], translate: TranslateTexts, language: str, retranslate: bool
) -> Iterator[Content | None]:
    texts = [
        split_marked(segment.text, segment.elements, language) if is_wanted(segment, retranslate=retranslate) else []
        for segment in block
    ]
    translated = iter(translate([text for parts in texts for text in parts]))
    for segment, parts in zip(block, texts, strict=True):
        if parts:
            placed = place_elements(segment.elements, parts, [next(translated) for _ in parts])
            yield segment.around(placed)
        else:
            yield None


def render_identity(document: Document) -> bytes:
    """The document with each segment translated by itself, for checking a format."""
    return document.render([segment.content for segment in document.segments])
