"""Translating what Google calls contents: texts, plain or HTML, all in one direction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.grpc.v1.preparation import MAX_PREPARED_INLINE, prepare_all, prepare_item
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import TextFailure
from dragoman.translation.markup.document import Document, MarkupText, TranslatedText
from dragoman.translation.markup.word_weights import word_weights
from dragoman.translation.preparing import PreparedText
from dragoman.translation.results import Translation

PLAIN, HTML = "text/plain", "text/html"

Translate: TypeAlias = Callable[[Sequence[PreparedText]], Awaitable[Sequence[Translation | TextFailure]]]
"""What a worker does with prepared texts."""

MAX_ATTENTION_BYTES = 64 * 1024 * 1024
"""Of the texts that are translated at once, about; attention becomes weights between words then, which take less."""

MAX_WEIGHTS_BYTES = 256 * 1024 * 1024
"""Of those weights, which are kept until all is translated."""

_OPTIONS = SearchOptions()
_ALIGNED_OPTIONS = SearchOptions(return_attention=True)


def read_mime_type(mime_type: str, field: str = "mime_type") -> str:
    """HTML where it is left empty, as Google has it. Raises InvalidInputError that names the field."""
    if mime_type not in ("", PLAIN, HTML):
        raise InvalidInputError(f'{field}: is "{mime_type}", but must be {PLAIN} or {HTML}')
    return mime_type or HTML


class PlainText:
    """A plain text with the methods of `Document`."""

    def __init__(self, text: str) -> None:
        self.texts = (MarkupText(text, False),)

    def render(self, translations: Sequence[TranslatedText]) -> str:
        """Its translation."""
        (translation,) = translations
        return translation.text


def read_content(content: str, mime_type: str, language: str) -> Document | PlainText:
    """What is to be translated of it. language: its own, such as "en"."""
    return Document(content, language) if mime_type == HTML else PlainText(content)


@dataclass(frozen=True, slots=True)
class ContentTranslator:
    """Translates contents in one direction. mime_type: of all of them. max_length: characters of a content."""

    translator: ServedTranslator
    direction: Direction
    mime_type: str
    translate: Translate
    max_length: int
    max_sentences: int

    async def run(self, contents: Sequence[str]) -> list[str | TextFailure]:
        """A translation for each content, or what is wrong with it. Raises InvalidInputError for too many sentences."""
        is_short = sum(map(len, contents)) <= MAX_PREPARED_INLINE
        documents = self._read(contents) if is_short else await asyncio.to_thread(self._read, contents)
        texts = [text for document in documents if not isinstance(document, TextFailure) for text in document.texts]
        num_bytes = sum(4 * len(text.text.split()) ** 2 for text in texts if text.needs_alignment)
        if num_bytes > MAX_WEIGHTS_BYTES:
            raise InvalidInputError("contents: too much text with tags among its words in one call: send less")
        outcomes = await prepare_all(texts, self._prepare, lambda text: len(text.text), self.max_sentences)
        found = iter(await self._translate([outcome for outcome in outcomes if isinstance(outcome, PreparedText)]))
        results = iter([next(found) if isinstance(outcome, PreparedText) else outcome for outcome in outcomes])
        if is_short:
            return _render(documents, results)
        return await asyncio.to_thread(_render, documents, results)

    async def _translate(self, prepared: Sequence[PreparedText]) -> list[TranslatedText | TextFailure]:
        found: list[TranslatedText | TextFailure] = []
        for part in _split_by_attention(prepared):
            results = await self.translate(part)
            found += (
                await asyncio.to_thread(_keep_weights, results)
                if _num_attention_bytes(part)
                else _keep_weights(results)
            )
        return found

    def _read(self, contents: Sequence[str]) -> list[Document | PlainText | TextFailure]:
        return [
            read_content(content, self.mime_type, self.direction.source)
            if len(content) <= self.max_length
            else TextFailure(f"has {len(content)} characters, but at most {self.max_length} are allowed")
            for content in contents
        ]

    def _prepare(self, text: MarkupText) -> PreparedText | TextFailure:
        return prepare_item(text, (), self._prepare_text, self.max_length)

    def _prepare_text(self, text: MarkupText) -> PreparedText:
        if text.needs_alignment:
            try:
                return self.translator.prepare(text.text, self.direction, _ALIGNED_OPTIONS)
            except InvalidInputError:  # a sentence too long for its alignment: tags in it go at the text's pace
                pass
        return self.translator.prepare(text.text, self.direction, _OPTIONS)


def _split_by_attention(prepared: Sequence[PreparedText]) -> Iterator[Sequence[PreparedText]]:
    begin = num_bytes = 0
    for place, text in enumerate(prepared):
        num_bytes += _num_attention_bytes((text,))
        if num_bytes > MAX_ATTENTION_BYTES and place > begin:
            yield prepared[begin:place]
            begin, num_bytes = place, _num_attention_bytes((text,))
    yield prepared[begin:]


def _num_attention_bytes(prepared: Sequence[PreparedText]) -> int:
    """About, for translations as long as their sources."""
    return sum(
        4 * sum(len(segment.source_ids) for segment in text.segments) ** 2
        for text in prepared
        if text.options.return_attention
    )


def _keep_weights(results: Sequence[Translation | TextFailure]) -> list[TranslatedText | TextFailure]:
    return [
        TranslatedText(result.text, word_weights(result)) if isinstance(result, Translation) else result
        for result in results
    ]


def _render(
    documents: Sequence[Document | PlainText | TextFailure], results: Iterator[TranslatedText | TextFailure]
) -> list[str | TextFailure]:
    rendered: list[str | TextFailure] = []
    for document in documents:
        if isinstance(document, TextFailure):
            rendered.append(document)
            continue
        found = list(islice(results, len(document.texts)))
        failures = [result for result in found if isinstance(result, TextFailure)]
        translated = [result for result in found if isinstance(result, TranslatedText)]
        rendered.append(failures[0] if failures else document.render(translated))
    return rendered
