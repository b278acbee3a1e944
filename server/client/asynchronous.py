"""The client for asyncio."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Self, Unpack

import grpc

from dragoman.server.client.asynchronous_stream import AsyncStream, Texts
from dragoman.server.client.connection import DEFAULT_TIMEOUT, Connection, Tls, new_request_id
from dragoman.server.client.errors import Weights, explain
from dragoman.server.client.requests import (
    Scoring,
    Search,
    detect_request,
    live_request,
    model_request,
    score_request,
    stream_config,
    text_list,
    translate_request,
)
from dragoman.server.client.results import (
    LanguageCandidate,
    LiveTranslation,
    ModelDetails,
    ScoreResult,
    TranslationResult,
    read_detections,
    read_live,
    read_results,
    read_scores,
    require,
    require_all,
)
from dragoman.server.client.stream_state import STREAM_WINDOW, StreamState
from dragoman.server.grpc.v1.model_messages import ModelDescription, read_limits, read_model, read_models
from dragoman.translation.results import Translation
from dragoman.translation.scored import ScoredTranslation
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc


class AsyncClient:
    """`Client` for asyncio; use it with `async with`, on one event loop. Cancelling a task cancels its call."""

    def __init__(
        self, address: str, *, timeout: float = DEFAULT_TIMEOUT, token: str | None = None, tls: Tls | None = None
    ) -> None:
        """See `Client`."""
        self._connection = Connection(address, timeout, token, tls)
        self._channel = self._connection.open_async_channel()
        self._stub: Any = translation_pb2_grpc.TranslationServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and the calls that run on it."""
        await self._channel.close()

    async def translate(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[Translation]:
        """See `Client.translate`."""
        return require_all(await self.translate_each(texts, to, **search))

    async def translate_each(
        self, texts: str | Iterable[str], to: str, **search: Unpack[Search]
    ) -> list[TranslationResult]:
        """See `Client.translate_each`."""
        sources = text_list(texts)
        return read_results(sources, await self._call(self._stub.Translate, translate_request(sources, to, search)))

    async def translate_stream(
        self,
        texts: Texts,
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> AsyncGenerator[Translation]:
        """See `Client.translate_stream`. The texts, which an asynchronous iterator may give too, are read in a task of
        their own; close the generator (`contextlib.aclosing`) to stop early."""
        index = 0
        async with aclosing(self._stream(to, window, revisions, search).ordered(texts)) as results:
            async for result in results:
                yield require(index, result)
                index += 1

    def translate_unordered(
        self,
        texts: Texts,
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> AsyncGenerator[tuple[int, TranslationResult]]:
        """See `Client.translate_unordered`."""
        return self._stream(to, window, revisions, search).unordered(texts)

    async def translate_live(self, text: str, to: str, **search: Unpack[Search]) -> AsyncGenerator[LiveTranslation]:
        """See `Client.translate_live`."""
        request_id = new_request_id()
        request = live_request(text, to, search)
        call = self._stub.TranslateLive(
            request, timeout=self._connection.timeout, metadata=self._connection.metadata(request_id)
        )
        try:
            async for response in call:
                yield read_live(text, response)
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None
        finally:
            call.cancel()

    async def score(
        self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]
    ) -> list[ScoredTranslation]:
        """See `Client.score`."""
        return require_all(await self.score_each(pairs, to, **scoring))

    async def score_each(
        self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]
    ) -> list[ScoreResult]:
        """See `Client.score_each`."""
        given = list(pairs)
        return read_scores(given, await self._call(self._stub.Score, score_request(given, to, scoring)))

    async def detect_language(
        self, texts: str | Iterable[str], *, max_candidates: int = 1
    ) -> list[list[LanguageCandidate]]:
        """See `Client.detect_language`."""
        given = text_list(texts)
        request = detect_request(given, max_candidates)
        return read_detections(given, await self._call(self._stub.DetectLanguage, request))

    async def list_models(self) -> list[ModelDescription]:
        """The models that the server has loaded."""
        return read_models(await self._call(self._stub.ListModels, pb.ListModelsRequest()))

    async def get_model(self, name: str) -> ModelDetails:
        """All about one model, and what the server allows."""
        response = await self._call(self._stub.GetModel, model_request(name))
        return ModelDetails(read_model(response.model), read_limits(response.limits))

    async def _call(self, method: Callable[..., Any], request: Any) -> Any:
        request_id = new_request_id()
        try:
            return await method(
                request, timeout=self._connection.timeout, metadata=self._connection.metadata(request_id)
            )
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None

    def _stream(
        self, to: str, window: int, revisions: Mapping[str, str] | None, search: Mapping[str, Any]
    ) -> AsyncStream:
        state = StreamState(window, Weights(revisions))
        return AsyncStream(self._stub, self._connection, stream_config(to, search), state)
