"""TranslationService: the contract's methods over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.contract.calls import CallStream
from dragoman.server.contract.methods import Methods
from dragoman.server.contract.requests import read_order
from dragoman.server.contract.streaming import TextStream
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.statuses import Context, abort
from dragoman.server.scheduling.worker import WorkerClosedError
from dragoman.server.telemetry import Monitor
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc

Request = TypeVar("Request")
Response = TypeVar("Response")
First = TypeVar("First", pb.TranslateStreamRequest, pb.TranslateCallsRequest)


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """Serves the contract's methods. translation.proto describes them."""

    def __init__(self, methods: Methods, monitor: Monitor) -> None:
        """monitor: gets the calls that share a stream."""
        self._methods = methods
        self._monitor = monitor
        self._streams: set[TextStream] = set()
        self._call_streams: set[CallStream] = set()
        self._openings: set[asyncio.Future[Any]] = set()  # first messages that are yet to come
        self._is_shut_down = False
        self._is_draining = False

    def shut_down(self) -> None:
        """End the streams of single calls when the calls that they have read are answered: a new call goes to another
        server."""
        self._is_shut_down = True
        for stream in self._call_streams:
            stream.stop_reading()

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
        return await self._answer(context, "Translate", self._methods.translate, request)

    async def TranslateStream(self, requests: AsyncIterator[pb.TranslateStreamRequest], context: Context) -> None:
        """Translate a stream; read no further ahead than the engine needs."""
        await _report(context, "TranslateStream", self._translate_stream(requests, context))

    async def TranslateCalls(self, requests: AsyncIterator[pb.TranslateCallsRequest], context: Context) -> None:
        """Translate calls that share a stream."""
        await _report(context, "TranslateCalls", self._translate_calls(requests, context))

    async def TranslateLive(self, request: pb.TranslateLiveRequest, context: Context) -> None:
        """Translate one text live."""
        await _report(context, "TranslateLive", self._translate_live(request, context))

    async def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        """Score pairs."""
        return await self._answer(context, "Score", self._methods.score, request)

    async def DetectLanguage(self, request: pb.DetectLanguageRequest, context: Context) -> pb.DetectLanguageResponse:
        """Detect languages."""
        return await self._answer(context, "DetectLanguage", self._methods.detect_language, request)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """List the loaded models."""
        return await self._answer(context, "ListModels", self._methods.list_models, request)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Describe the loaded revision of a model."""
        return await self._answer(context, "GetModel", self._methods.get_model, request)

    async def CreateGlossary(self, request: pb.CreateGlossaryRequest, context: Context) -> pb.CreateGlossaryResponse:
        """Store a glossary."""
        return await self._answer(context, "CreateGlossary", self._methods.create_glossary, request)

    async def GetGlossary(self, request: pb.GetGlossaryRequest, context: Context) -> pb.GetGlossaryResponse:
        """Return a glossary with its terms."""
        return await self._answer(context, "GetGlossary", self._methods.get_glossary, request)

    async def ListGlossaries(self, request: pb.ListGlossariesRequest, context: Context) -> pb.ListGlossariesResponse:
        """List the glossaries."""
        return await self._answer(context, "ListGlossaries", self._methods.list_glossaries, request)

    async def DeleteGlossary(self, request: pb.DeleteGlossaryRequest, context: Context) -> pb.DeleteGlossaryResponse:
        """Delete a glossary."""
        return await self._answer(context, "DeleteGlossary", self._methods.delete_glossary, request)

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        """What the caller has used."""
        return await self._answer(context, "GetUsage", self._methods.get_usage, request)

    async def GetServer(self, request: pb.GetServerRequest, context: Context) -> pb.GetServerResponse:
        """Describe the server."""
        return await self._answer(context, "GetServer", self._methods.get_server, request)

    async def _answer(
        self,
        context: Context,
        name: str,
        method: Callable[[Request, CallContext], Coroutine[Any, Any, Response]],
        request: Request,
    ) -> Response:
        return await _report(context, name, method(request, current_call.get()))

    async def _translate_stream(self, requests: AsyncIterator[pb.TranslateStreamRequest], context: Context) -> None:
        first = await self._read_first(requests, pb.TranslateStreamRequest())
        if not first.HasField("config"):
            raise InvalidInputError("config: is missing in the first message, or there is no message")
        order = read_order(first.config, default_priority=Priority.BATCH)
        with self._methods.translating.open(order) as session:
            await session.borrow()  # its model is named before any text comes
            stream = TextStream(requests, context.write, session, current_call.get())
            self._streams.add(stream)
            try:
                await stream.run()
            finally:
                self._streams.discard(stream)

    async def _translate_calls(self, requests: AsyncIterator[pb.TranslateCallsRequest], context: Context) -> None:
        first = await self._read_first(requests, pb.TranslateCallsRequest())
        if self._is_shut_down:
            raise WorkerClosedError("the server is shutting down")
        if not first.HasField("config"):
            raise InvalidInputError("config: is missing in the first message, or there is no message")
        order = read_order(first.config)
        stream = CallStream(requests, context.write, order, self._methods, self._monitor, current_call.get())
        self._call_streams.add(stream)
        try:
            await stream.run(first)
        finally:
            self._call_streams.discard(stream)

    async def _read_first(self, requests: AsyncIterator[First], nothing: First) -> First:
        """The first message; nothing: if there is none."""
        opening = asyncio.ensure_future(anext(aiter(requests), nothing))
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
        async with aclosing(self._methods.translate_live(request, current_call.get())) as responses:
            async for response in responses:
                await context.write(response)


async def _report(context: Context, method: str, answer: Awaitable[Response]) -> Response:
    """The answer, or the status of its error."""
    try:
        return await answer
    except grpc.aio.AbortError:
        raise
    except grpc.aio.BaseError as error:  # writing failed: the client is gone, and the call about to be cancelled
        raise asyncio.CancelledError("the client is gone") from error
    except Exception as error:
        await abort(context, error, method)
