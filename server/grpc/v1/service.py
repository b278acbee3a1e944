"""TranslationService: the methods of the wire contract, on the catalogue of models and their workers."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

import grpc

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.config import LimitsConfig
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.v1.answers import check_size, write_found, write_scores, write_translations
from dragoman.server.grpc.v1.messages import read_score_options, write_failure
from dragoman.server.grpc.v1.model_messages import write_limits, write_model
from dragoman.server.grpc.v1.preparation import Outcome, check_answer_size, prepare_all, prepare_item
from dragoman.server.grpc.v1.requests import TranslationOrder, check_number_of_texts, find_model, read_priority
from dragoman.server.grpc.v1.statuses import Context, abort
from dragoman.server.grpc.v1.streaming import TextStream
from dragoman.server.scheduling.worker import TextFailure, WorkerClosedError
from dragoman.server.translating.detection import LanguageDetector
from dragoman.translation.preparing import PreparedText
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc

Response = TypeVar("Response")


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """Serves the models of a catalogue. What its methods do is told in translation.proto."""

    def __init__(self, catalogue: Catalogue, limits: LimitsConfig, detector: LanguageDetector) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._detector = detector
        self._streams: set[TextStream] = set()
        self._is_draining = False
        self._num_running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_until_idle(self) -> None:
        """Returns when no call is running."""
        await self._idle.wait()

    def drain(self) -> None:
        """Has streams, which could go on for hours, end with UNAVAILABLE as soon as what they have read is answered;
        their clients go on elsewhere."""
        self._is_draining = True
        for stream in self._streams:
            stream.stop_reading()

    async def Translate(self, request: pb.TranslateRequest, context: Context) -> pb.TranslateResponse:
        """A cancelled call, or one past its deadline, gives its slots back."""
        return await self._answer(context, "Translate", self._translate(request, _caller_of(context)))

    async def TranslateStream(self, requests: AsyncIterator[pb.TranslateStreamRequest], context: Context) -> None:
        """Reads only as far ahead as it needs to be busy."""
        await self._answer(context, "TranslateStream", self._translate_stream(requests, context))

    async def TranslateLive(self, request: pb.TranslateLiveRequest, context: Context) -> None:
        """A reader that is slow is told the newest alone."""
        await self._answer(context, "TranslateLive", self._translate_live(request, context))

    async def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        """In the same queue as translations."""
        return await self._answer(context, "Score", self._score(request, _caller_of(context)))

    async def DetectLanguage(self, request: pb.DetectLanguageRequest, context: Context) -> pb.DetectLanguageResponse:
        """Off the event loop."""
        return await self._answer(context, "DetectLanguage", self._detect_languages(request))

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Those that are loaded now."""
        return pb.ListModelsResponse(models=[write_model(worker.translator) for worker in self._catalogue.workers()])

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Of the revision that is loaded now."""
        return await self._answer(context, "GetModel", self._get_model(request))

    async def _answer(self, context: Context, method: str, answer: Coroutine[Any, Any, Response]) -> Response:
        self._num_running += 1
        self._idle.clear()
        try:
            return await answer
        except grpc.aio.AbortError:
            raise
        except grpc.aio.BaseError as error:  # writing failed: the client is gone, and the call about to be cancelled
            raise asyncio.CancelledError("the client is gone") from error
        except Exception as error:
            await abort(context, error, method)
        finally:
            self._num_running -= 1
            if not self._num_running:
                self._idle.set()

    async def _translate(self, request: pb.TranslateRequest, caller: CallContext) -> pb.TranslateResponse:
        check_number_of_texts("texts", len(request.texts), self._limits)
        with find_model(self._catalogue, request) as lease:
            order = TranslationOrder.read(request, lease, self._limits, default_priority=Priority.INTERACTIVE)
            num_texts = sum(bool(text) and not text.isspace() for text in request.texts)
            lease.worker.check_room(num_texts, caller=caller, priority=order.priority)
            outcomes = await prepare_all(request.texts, order.prepare, order.work, self._limits.max_sentences)
            check_answer_size(outcomes, order.wanted, self._limits)
            translations = await lease.worker.translate(_prepared(outcomes), caller=caller, priority=order.priority)
            response = pb.TranslateResponse(
                translations=await write_translations(outcomes, translations, order.wanted),
                model=lease.translator.name,
                source_language=lease.direction.source,
                revision=lease.translator.revision,
            )
        return check_size(response, self._limits)

    async def _translate_stream(self, requests: AsyncIterator[pb.TranslateStreamRequest], context: Context) -> None:
        first = await anext(aiter(requests), pb.TranslateStreamRequest())
        if not first.HasField("config"):
            raise InvalidInputError("config: is missing in the first message, or there is no message")
        if self._is_draining:
            raise WorkerClosedError("the server is shutting down")
        with find_model(self._catalogue, first.config) as lease:
            order = TranslationOrder.read(first.config, lease, self._limits, default_priority=Priority.BATCH)
            stream = TextStream(first.items, requests, context.write, order, _caller_of(context))
            self._streams.add(stream)
            try:
                await stream.run()
            finally:
                self._streams.discard(stream)

    async def _translate_live(self, request: pb.TranslateLiveRequest, context: Context) -> None:
        with find_model(self._catalogue, request) as lease:
            order = TranslationOrder.read(request, lease, self._limits, default_priority=Priority.INTERACTIVE)
            caller = _caller_of(context)
            if request.text.strip():
                lease.worker.check_room(1, caller=caller, priority=order.priority)
            (outcome,) = await prepare_all([request.text], order.prepare_one, order.work, self._limits.max_sentences)
            if isinstance(outcome, TextFailure):
                raise InvalidInputError(f"text: {outcome.reason}")
            started: pb.TranslateStreamStarted | None = order.started
            following = lease.worker.follow(outcome, caller=caller, priority=order.priority)
            async with aclosing(following) as partial_texts:
                async for live in partial_texts:
                    translation = live.translation
                    response = pb.TranslateLiveResponse(
                        stable_text=live.stable_text,
                        unstable_text=live.unstable_text,
                        translation=None if translation is None else await write_found(translation, order.wanted),
                        started=started,
                    )
                    started = None
                    await context.write(check_size(response, self._limits))

    async def _score(self, request: pb.ScoreRequest, caller: CallContext) -> pb.ScoreResponse:
        check_number_of_texts("pairs", len(request.pairs), self._limits)
        priority = read_priority(request.priority, Priority.BATCH)
        options = read_score_options(request.search_options, request.return_options)
        with find_model(self._catalogue, request) as lease:
            lease.worker.check_room(len(request.pairs), caller=caller, priority=priority)

            def prepare_pair(pair: pb.TextPair) -> PreparedText:
                return lease.translator.prepare_score(pair.source, pair.target, lease.direction, options)

            outcomes = await prepare_all(
                request.pairs,
                partial(_prepare_pair, prepare=prepare_pair, max_length=self._limits.max_text_length),
                lambda pair: len(pair.source) + len(pair.target),
                self._limits.max_sentences,
            )
            check_answer_size(outcomes, request.return_options, self._limits)
            scores = await lease.worker.score(_prepared(outcomes), caller=caller, priority=priority)
            response = pb.ScoreResponse(
                scores=await write_scores(outcomes, scores, request.return_options),
                model=lease.translator.name,
                source_language=lease.direction.source,
                revision=lease.translator.revision,
            )
        return check_size(response, self._limits)

    async def _detect_languages(self, request: pb.DetectLanguageRequest) -> pb.DetectLanguageResponse:
        check_number_of_texts("texts", len(request.texts), self._limits)
        if request.max_candidates < 0:
            raise InvalidInputError(f"max_candidates: is {request.max_candidates}, but must not be negative")
        max_length = self._limits.max_text_length
        found = iter(
            await self._detector.detect(
                [text for text in request.texts if len(text) <= max_length], request.max_candidates or 1
            )
        )
        response = pb.DetectLanguageResponse()
        for text in request.texts:
            if len(text) > max_length:
                reason = f"has {len(text)} characters, but at most {max_length} are allowed"
                response.detections.add(error=write_failure(reason))
                continue
            candidates = [pb.LanguageCandidate(language=c.language, confidence=c.confidence) for c in next(found)]
            response.detections.add(candidates=candidates)
        return check_size(response, self._limits)

    async def _get_model(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        if not request.name:
            raise InvalidInputError("name: is empty; name one of the models that ListModels lists")
        with self._catalogue.get(request.name) as lease:
            response = pb.GetModelResponse(
                model=write_model(lease.translator, lease.card), limits=write_limits(self._limits)
            )
        return check_size(response, self._limits)


def _caller_of(context: Context) -> CallContext:
    """The caller as the guard knows it, or without one as far as gRPC does."""
    call = current_call.get()
    if call is not None:
        return call
    remaining: float | None = context.time_remaining()
    return CallContext(context.peer(), "", None if remaining is None else time.monotonic() + remaining)


def _prepare_pair(pair: pb.TextPair, *, prepare: Any, max_length: int) -> Outcome:
    return prepare_item(pair, (pair.source, pair.target), prepare, max_length)


def _prepared(outcomes: Sequence[Outcome]) -> list[PreparedText]:
    return [outcome for outcome in outcomes if isinstance(outcome, PreparedText)]
