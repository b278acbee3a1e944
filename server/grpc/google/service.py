"""google.cloud.translation.v3.TranslationService: Google's messages to the server's own calls and back."""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from google.cloud.translate_v3 import types
from google.longrunning import operations_pb2  # type: ignore[import-untyped]

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.config import LimitsConfig
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.google.batch import BatchTranslator
from dragoman.server.grpc.google.contents import ContentTranslator, read_content, read_mime_type
from dragoman.server.grpc.google.errors import UnsupportedError
from dragoman.server.grpc.google.languages import directions_of, find_sources
from dragoman.server.grpc.google.names import check_detection_model, check_parent, read_model
from dragoman.server.grpc.google.operations import Operations
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.detection import LanguageDetector

UNDETERMINED = "und"
"""The code of a language that cannot be told (ISO 639-2)."""

Found = TypeVar("Found")


class GoogleService:
    """The methods that are offered, each from request to response; errors become statuses elsewhere.

    Regions ("de-DE") fall back to the language; any project and location is accepted, labels are not
    looked at.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        limits: LimitsConfig,
        detector: LanguageDetector,
        batches: BatchTranslator | None,
        operations: Operations,
    ) -> None:
        """batches: none if no folder is allowed to batch translation."""
        self._catalogue = catalogue
        self._limits = limits
        self._detector = detector
        self._batches = batches
        self._operations = operations

    async def translate_text(self, request: types.TranslateTextRequest) -> types.TranslateTextResponse:
        """Translates contents, of each its own language where none is given."""
        check_parent(request.parent)
        mime_type = read_mime_type(request.mime_type)
        if request.glossary_config:
            raise UnsupportedError("glossary_config: there are no glossaries here")
        if request.transliteration_config:
            raise UnsupportedError("transliteration_config: transliteration is not offered here")
        self._check_contents(request.contents)  # first: of millions, a list takes its time
        contents = list(request.contents)
        model = read_model(request.model)
        sources, target = find_sources(
            directions_of(self._catalogue, model), request.source_language_code, request.target_language_code
        )
        languages = await self._detect(contents, mime_type, sources)
        by_language = {
            source: [place for place, language in enumerate(languages) if language == source]
            for source in dict.fromkeys(languages)
        }
        translated = [""] * len(contents)
        calls = [
            self._translate(model, source, target, mime_type, [contents[place] for place in places])
            for source, places in by_language.items()
        ]
        for places, found in zip(by_language.values(), await _gather(calls), strict=True):
            for place, result in zip(places, found, strict=True):
                if isinstance(result, TextFailure):
                    raise InvalidInputError(f"contents[{place}]: {result.reason}")
                translated[place] = result
        is_detected = not request.source_language_code
        return types.TranslateTextResponse(
            translations=[
                types.Translation(
                    translated_text=text, model=request.model, detected_language_code=language if is_detected else ""
                )
                for text, language in zip(translated, languages, strict=True)
            ]
        )

    async def detect_language(self, request: types.DetectLanguageRequest) -> types.DetectLanguageResponse:
        """Guesses the language of a content."""
        check_parent(request.parent)
        check_detection_model(request.model)
        mime_type = read_mime_type(request.mime_type)
        if "content" not in request:
            raise InvalidInputError("content: is missing")
        self._check_contents([request.content])
        text = await asyncio.to_thread(_plain_text, request.content, mime_type)
        (candidates,) = await self._detector.detect([text], 1)
        languages = [
            types.DetectedLanguage(language_code=candidate.language, confidence=candidate.confidence)
            for candidate in candidates
        ]
        return types.DetectLanguageResponse(languages=languages or [types.DetectedLanguage(language_code=UNDETERMINED)])

    async def get_supported_languages(self, request: types.GetSupportedLanguagesRequest) -> types.SupportedLanguages:
        """The languages of all models, or of one. A language's display name is its code in every language."""
        check_parent(request.parent)
        directions = directions_of(self._catalogue, read_model(request.model))
        sources = {direction.source for direction in directions}
        targets = {direction.target for direction in directions}
        return types.SupportedLanguages(
            languages=[
                types.SupportedLanguage(
                    language_code=language,
                    display_name=language if request.display_language_code else "",
                    support_source=language in sources,
                    support_target=language in targets,
                )
                for language in sorted(sources | targets)
            ]
        )

    async def batch_translate_text(self, request: types.BatchTranslateTextRequest) -> operations_pb2.Operation:
        """Begins to translate files."""
        if self._batches is None:
            raise UnsupportedError("batch translation: the server has no folder for it, see server.google_files")
        check_parent(request.parent, with_location=True)
        self._operations.check_room()
        call = _current_call()
        job = await self._batches.plan(request, call)
        return self._operations.start(request.parent, call.identity, job)

    def _check_contents(self, contents: Sequence[str]) -> None:
        if not contents:
            raise InvalidInputError("contents: is empty")
        if len(contents) > self._limits.max_texts:
            raise InvalidInputError(
                f"contents: {len(contents)} texts in one call, but at most {self._limits.max_texts} are allowed"
            )
        for place, content in enumerate(contents):
            if len(content) > self._limits.max_text_length:
                raise InvalidInputError(
                    f"contents[{place}]: has {len(content)} characters, but at most {self._limits.max_text_length} are "
                    "allowed"
                )

    async def _detect(self, contents: Sequence[str], mime_type: str, sources: Sequence[str]) -> list[str]:
        """The language of each content, of those that are possible; the first of them where nothing can be told."""
        if len(sources) == 1:
            return [sources[0]] * len(contents)
        among = frozenset(sources)
        languages = []
        for content in contents:
            text = await asyncio.to_thread(_plain_text, content, mime_type)
            languages.append(await self._detector.detect_among(text, among) or sources[0])
        return languages

    async def _translate(
        self, model: str | None, source: str, target: str, mime_type: str, contents: Sequence[str]
    ) -> list[str | TextFailure]:
        with self._catalogue.find(model, source, target) as lease:
            translate = partial(lease.worker.translate, caller=_current_call(), priority=Priority.INTERACTIVE)
            translator = ContentTranslator(
                lease.translator,
                lease.direction,
                mime_type,
                translate,
                self._limits.max_text_length,
                self._limits.max_sentences,
            )
            return await translator.run(contents)


def _current_call() -> CallContext:
    return current_call.get() or CallContext("", "")


def _plain_text(content: str, mime_type: str) -> str:
    """A content without its tags."""
    return " ".join(text.text for text in read_content(content, mime_type, "").texts)


async def _gather(calls: Sequence[Coroutine[Any, Any, Found]]) -> list[Found]:
    """Awaits all at once; where one fails, the others are given up."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
