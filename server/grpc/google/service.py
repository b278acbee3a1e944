"""google.cloud.translation.v3.TranslationService: converts Google's messages to the server's orders and back."""

from dataclasses import replace

from google.cloud.translate_v3 import types
from google.longrunning import operations_pb2  # type: ignore[import-untyped]

from dragoman.model.errors import InvalidInputError
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.google.api import (
    UnsupportedError,
    check_detection_model,
    check_parent,
    format_of,
    read_mime_type,
    read_model,
)
from dragoman.server.grpc.google.batch import BatchTranslator
from dragoman.server.grpc.google.glossaries import read_name
from dragoman.server.grpc.google.operations import Operations
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.orders import AUTO, TranslationOrder
from dragoman.server.translating.translating import Translating

UNDETERMINED = "und"
"""The code of an undetermined language (ISO 639-2)."""


class GoogleService:
    """The methods, from request to response; `handlers` converts errors to statuses.

    Any project and location is accepted; labels are ignored.
    """

    def __init__(self, translating: Translating, batches: BatchTranslator | None, operations: Operations) -> None:
        """batches: None without a folder for batch translation."""
        self._translating = translating
        self._batches = batches
        self._operations = operations

    async def translate_text(self, request: types.TranslateTextRequest) -> types.TranslateTextResponse:
        """Translate contents; without a source language, detect each content's."""
        check_parent(request.parent)
        mime_type = read_mime_type(request.mime_type)
        if request.transliteration_config:
            raise UnsupportedError("transliteration_config: transliteration is not offered here")
        if not request.contents:
            raise InvalidInputError("contents: is empty")
        order = TranslationOrder(
            request.target_language_code,
            request.source_language_code or AUTO,
            read_model(request.model),
            text_format=format_of(mime_type),
        )
        response = types.TranslateTextResponse(translations=await self._translate(request, order))
        if config := request.glossary_config:
            _, name = read_name(config.glossary, "glossary_config.glossary")
            order = replace(order, glossary=name, ignores_case=config.ignore_case)
            response.glossary_translations = await self._translate(request, order)
        return response

    async def _translate(self, request: types.TranslateTextRequest, order: TranslationOrder) -> list[types.Translation]:
        with self._translating.open(order, field="contents") as session:
            translated = await session.translate_all(request.contents, current_call.get())
        return [
            types.Translation(
                translated_text=outcome.translation.text,
                model=request.model,
                detected_language_code=outcome.source_language if outcome.is_detected else "",
                glossary_config=request.glossary_config if order.glossary else None,
            )
            for outcome in translated
        ]

    async def detect_language(self, request: types.DetectLanguageRequest) -> types.DetectLanguageResponse:
        """Detect the language of a content."""
        check_parent(request.parent)
        check_detection_model(request.model)
        mime_type = read_mime_type(request.mime_type)
        if "content" not in request:
            raise InvalidInputError("content: is missing")
        (candidates,) = await self._translating.detect([request.content], 1, format_of(mime_type))
        if isinstance(candidates, TextFailure):
            raise InvalidInputError(f"content: {candidates.reason}")
        languages = [
            types.DetectedLanguage(language_code=candidate.language, confidence=candidate.confidence)
            for candidate in candidates
        ]
        return types.DetectLanguageResponse(languages=languages or [types.DetectedLanguage(language_code=UNDETERMINED)])

    async def get_supported_languages(self, request: types.GetSupportedLanguagesRequest) -> types.SupportedLanguages:
        """The languages of all models, or of one. A language's display name is its code in every language."""
        check_parent(request.parent)
        directions = self._translating.directions(read_model(request.model))
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
        """Start to translate files."""

        if self._batches is None:
            raise UnsupportedError("batch translation: the server has no folder for it, see server.google_files")
        check_parent(request.parent, with_location=True)
        call = current_call.get()
        self._operations.check_room(call.identity)
        job = await self._batches.plan(request, call)
        return self._operations.start(request.parent, call.identity, job)
