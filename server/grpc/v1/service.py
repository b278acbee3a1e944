"""TranslationService: the contract's methods, which pass orders to `server.translating`."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.statuses import Context, abort
from dragoman.server.grpc.v1.answers import (
    check_size,
    write_direction,
    write_failure,
    write_glossary,
    write_model,
    write_outcomes,
    write_scores,
    write_server,
)
from dragoman.server.grpc.v1.requests import read_order, read_score_order
from dragoman.server.grpc.v1.streaming import TextStream, write_started
from dragoman.server.scheduling.worker import TextFailure, WorkerClosedError
from dragoman.server.translating.translating import Translating
from dragoman.translation.terms.reading import write_table
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc

Response = TypeVar("Response")

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
"""Default and maximal number of models of a page."""

GLOSSARY_KINDS: dict[int, str] = {
    pb.GLOSSARY_FORMAT_TSV: "tsv",
    pb.GLOSSARY_FORMAT_CSV: "csv",
    pb.GLOSSARY_FORMAT_TBX: "tbx",
}

FEATURES = ("html", "language-detection", "terms")
"""Features beside the translation of plain text."""


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """Serves the models of a catalogue. translation.proto describes the methods."""

    def __init__(self, translating: Translating, catalogue: Catalogue, features: Sequence[str] = ()) -> None:
        """features: of the server, in addition to this service's."""
        self.features = (*FEATURES, *features)
        self._translating = translating
        self._catalogue = catalogue
        self._limits = translating.limits
        self._streams: set[TextStream] = set()
        self._openings: set[asyncio.Future[pb.TranslateStreamRequest]] = set()  # first messages that are yet to come
        self._is_draining = False

    def drain(self) -> None:
        """End the streams, which could go on for hours, with UNAVAILABLE when the texts that they have read are
        answered; their clients continue on another server."""
        self._is_draining = True
        for opening in self._openings:
            opening.cancel()
        for stream in self._streams:
            stream.stop_reading()

    async def Translate(self, request: pb.TranslateRequest, context: Context) -> pb.TranslateResponse:
        """Translate a batch. A call that is cancelled or past its deadline frees its slots."""
        return await self._answer(context, "Translate", self._translate(request, current_call.get()))

    async def TranslateStream(self, requests: AsyncIterator[pb.TranslateStreamRequest], context: Context) -> None:
        """Translate a stream; read no further ahead than the engine needs."""
        await self._answer(context, "TranslateStream", self._translate_stream(requests, context))

    async def TranslateLive(self, request: pb.TranslateLiveRequest, context: Context) -> None:
        """Translate one text live; a slow reader gets only the newest state."""
        await self._answer(context, "TranslateLive", self._translate_live(request, context))

    async def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        """Score pairs, in the same queue as translations."""
        return await self._answer(context, "Score", self._score(request, current_call.get()))

    async def DetectLanguage(self, request: pb.DetectLanguageRequest, context: Context) -> pb.DetectLanguageResponse:
        """Detect languages off the event loop."""
        return await self._answer(context, "DetectLanguage", self._detect_languages(request))

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """List the loaded models."""
        return await self._answer(context, "ListModels", self._list_models(request))

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Describe the loaded revision of a model."""
        return await self._answer(context, "GetModel", self._get_model(request))

    async def CreateGlossary(self, request: pb.CreateGlossaryRequest, context: Context) -> pb.CreateGlossaryResponse:
        """Store a glossary, off the event loop."""
        return await self._answer(context, "CreateGlossary", self._create_glossary(request))

    async def GetGlossary(self, request: pb.GetGlossaryRequest, context: Context) -> pb.GetGlossaryResponse:
        """Return a glossary with its terms."""
        return await self._answer(context, "GetGlossary", self._get_glossary(request))

    async def ListGlossaries(self, request: pb.ListGlossariesRequest, context: Context) -> pb.ListGlossariesResponse:
        """List the glossaries."""
        glossaries = [write_glossary(stored) for stored in self._translating.glossaries.list()]
        return pb.ListGlossariesResponse(glossaries=glossaries)

    async def DeleteGlossary(self, request: pb.DeleteGlossaryRequest, context: Context) -> pb.DeleteGlossaryResponse:
        """Delete a glossary, off the event loop."""
        return await self._answer(context, "DeleteGlossary", self._delete_glossary(request))

    async def GetServer(self, request: pb.GetServerRequest, context: Context) -> pb.GetServerResponse:
        """Describe the server; constant while it runs."""
        return write_server(self._limits, self.features)

    async def _answer(self, context: Context, method: str, answer: Coroutine[Any, Any, Response]) -> Response:
        try:
            return await answer
        except grpc.aio.AbortError:
            raise
        except grpc.aio.BaseError as error:  # writing failed: the client is gone, and the call about to be cancelled
            raise asyncio.CancelledError("the client is gone") from error
        except InvalidRequestError as error:  # the model or the operator does not allow what the options ask for
            await abort(context, InvalidInputError(f"search_options: {error}"), method)
        except Exception as error:
            await abort(context, error, method)

    async def _translate(self, request: pb.TranslateRequest, call: CallContext) -> pb.TranslateResponse:
        with self._translating.open(read_order(request)) as session:
            outcomes = await session.translate(request.texts, call)
            model, revision = session.model
            response = pb.TranslateResponse(
                translations=await write_outcomes(outcomes, session.order.wanted, names_models=not model),
                model=model,
                source_language_code=session.source_language,
                revision=revision,
            )
        return check_size(response, self._limits)

    async def _translate_stream(self, requests: AsyncIterator[pb.TranslateStreamRequest], context: Context) -> None:
        first = await self._read_first(requests)
        if not first.HasField("config"):
            raise InvalidInputError("config: is missing in the first message, or there is no message")
        with self._translating.open(read_order(first.config, default_priority=Priority.BATCH)) as session:
            stream = TextStream(requests, context.write, session, current_call.get())
            self._streams.add(stream)
            try:
                await stream.run()
            finally:
                self._streams.discard(stream)

    async def _read_first(self, requests: AsyncIterator[pb.TranslateStreamRequest]) -> pb.TranslateStreamRequest:
        opening = asyncio.ensure_future(anext(aiter(requests), pb.TranslateStreamRequest()))
        self._openings.add(opening)
        try:
            await asyncio.wait((opening,))
        finally:
            self._openings.discard(opening)
            opening.cancel()
        if self._is_draining:
            raise WorkerClosedError("the server is shutting down")
        return opening.result()

    async def _translate_live(self, request: pb.TranslateLiveRequest, context: Context) -> None:
        with self._translating.open(read_order(request)) as session:
            response = pb.TranslateLiveResponse(started=write_started(session))
            async with aclosing(session.follow(request.text, current_call.get())) as progress:
                async for live in progress:
                    response.stable_text, response.unstable_text = live.stable_text, live.unstable_text
                    if live.outcome is not None:
                        wanted, names_models = session.order.wanted, not session.model[0]
                        (translation,) = await write_outcomes([live.outcome], wanted, names_models=names_models)
                        response.translation.CopyFrom(translation)
                    await context.write(check_size(response, self._limits))
                    response = pb.TranslateLiveResponse()

    async def _score(self, request: pb.ScoreRequest, call: CallContext) -> pb.ScoreResponse:
        order = read_score_order(request)
        pairs = [(pair.source, pair.target) for pair in request.pairs]
        found = await self._translating.score(order, pairs, call)
        response = pb.ScoreResponse(
            scores=await write_scores(found.scores, order.wanted),
            model=found.model,
            source_language_code=found.source_language,
            revision=found.revision,
        )
        return check_size(response, self._limits)

    async def _detect_languages(self, request: pb.DetectLanguageRequest) -> pb.DetectLanguageResponse:
        response = pb.DetectLanguageResponse()
        for found in await self._translating.detect(request.texts, request.max_candidates):
            if isinstance(found, TextFailure):
                response.detections.add(error=write_failure(found))
            else:
                response.detections.add(
                    candidates=[pb.LanguageCandidate(language_code=c.language, confidence=c.confidence) for c in found]
                )
        return check_size(response, self._limits)

    async def _create_glossary(self, request: pb.CreateGlossaryRequest) -> pb.CreateGlossaryResponse:
        if request.format not in GLOSSARY_KINDS:
            raise InvalidInputError(f"format: is {request.format}, which has no meaning")
        create, kind = self._translating.glossaries.create, GLOSSARY_KINDS[request.format]
        stored = await asyncio.to_thread(create, request.name, request.content, kind)
        return pb.CreateGlossaryResponse(glossary=write_glossary(stored))

    async def _get_glossary(self, request: pb.GetGlossaryRequest) -> pb.GetGlossaryResponse:
        stored = self._translating.glossaries.get(request.name)
        content = await asyncio.to_thread(write_table, stored.glossary)
        response = pb.GetGlossaryResponse(glossary=write_glossary(stored), content=content.encode())
        return check_size(response, self._limits)

    async def _delete_glossary(self, request: pb.DeleteGlossaryRequest) -> pb.DeleteGlossaryResponse:
        await asyncio.to_thread(self._translating.glossaries.delete, request.name)
        return pb.DeleteGlossaryResponse()

    async def _list_models(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        if not 0 <= request.page_size <= MAX_PAGE_SIZE:
            raise InvalidInputError(f"page_size: is {request.page_size}, but must lie between 0 and {MAX_PAGE_SIZE}")
        translators = [worker.translator for worker in self._catalogue.workers()]
        names = [translator.name for translator in translators]
        if request.page_token and request.page_token not in names:
            raise InvalidInputError("page_token: is unknown, or its models are no longer served: start again")
        begin = names.index(request.page_token) + 1 if request.page_token else 0
        end = begin + (request.page_size or PAGE_SIZE)
        pivoted = () if begin else sorted(self._translating.pivoted_directions())
        response = pb.ListModelsResponse(
            models=[write_model(translator) for translator in translators[begin:end]],
            next_page_token=names[end - 1] if end < len(names) else "",
            pivoted_language_pairs=map(write_direction, pivoted),
        )
        return check_size(response, self._limits)

    async def _get_model(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        if not request.name:
            raise InvalidInputError("name: is empty; name one of the models that ListModels lists")
        with self._catalogue.get(request.name) as lease:
            response = pb.GetModelResponse(model=write_model(lease.translator, lease.card))
        return check_size(response, self._limits)
