"""The client for threads."""

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Self, Unpack

import grpc

from dragoman.server.client.blocking_stream import BlockingStream
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


class Client:
    """A connection to a server, for use with `with`; threads may share it.

    Every method raises InvalidInputError if the request is at fault, NotFoundError for an unknown model or language,
    and ServerError if no answer comes.

    What may pass is tried again, up to five times: a server that cannot be reached or shuts down (UNAVAILABLE), and one
    that has too much to do (RESOURCE_EXHAUSTED), after as long as it asks for. The address of several servers, such as
    "dns:///translation.example:50051", whose name has an entry for each, shares the calls among them in turn; when a
    connection breaks, the name is looked up again, but at most every ten seconds.
    """

    def __init__(
        self, address: str, *, timeout: float = DEFAULT_TIMEOUT, token: str | None = None, tls: Tls | None = None
    ) -> None:
        """Connects with the first call.

        address: HOST:PORT, or any other name that gRPC resolves. timeout: seconds, for every call; of a stream, for
        every wait. token: sent as a bearer token with every call; anybody on the way can read it unless there is tls.
        tls: how to encrypt; None for a server that does not.

        Raises InvalidInputError for a file of `tls` that cannot be read.
        """
        self._connection = Connection(address, timeout, token, tls)
        self._channel = self._connection.open_channel()
        self._stub = translation_pb2_grpc.TranslationServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and the calls that run on it."""
        self._channel.close()

    def translate(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[Translation]:
        """Translates one text or several in a single call; one translation each, in order.

        Raises InvalidTextError for the first text that cannot be translated.
        """
        return require_all(self.translate_each(texts, to, **search))

    def translate_each(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[TranslationResult]:
        """`translate`, with a TextError in the place of each text that cannot be translated."""
        sources = text_list(texts)
        return read_results(sources, self._call(self._stub.Translate, translate_request(sources, to, search)))

    def translate_stream(
        self,
        texts: Iterable[str],
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> Generator[Translation]:
        """Translates any number of texts, in order and with constant memory, at a batch's priority.

        Reads ahead by at most `window` texts, on the thread that iterates. Closing the generator cancels the call. If
        the connection breaks, or the server shuts down, another call goes on with what has no answer yet; after some
        20 s without success, ServerError.

        All answers come from the same weights, or ModelChangedError is raised before the first of others. revisions:
        of each model that may answer, as `list_models` told them, if it must have these; so that several streams, or
        those of several days, belong together.

        Raises InvalidTextError, which counts over all texts, in the place of a text that cannot be translated, and
        InvalidRequestError for what holds for all of them.
        """
        stream = self._stream(to, window, revisions, search)
        for index, result in enumerate(stream.ordered(texts)):
            yield require(index, result)

    def translate_unordered(
        self,
        texts: Iterable[str],
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> Generator[tuple[int, TranslationResult]]:
        """`translate_stream`, with each result as soon as it is there: a text's number, counted from 0, and its
        translation or TextError."""
        return self._stream(to, window, revisions, search).unordered(texts)

    def translate_live(self, text: str, to: str, **search: Unpack[Search]) -> Generator[LiveTranslation]:
        """What there is of a translation while the search goes on; the last one has all of it."""
        request_id = new_request_id()
        request = live_request(text, to, search)
        call = self._stub.TranslateLive(
            request, timeout=self._connection.timeout, metadata=self._connection.metadata(request_id)
        )
        try:
            for response in call:
                yield read_live(text, response)
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None
        finally:
            call.cancel()

    def score(self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]) -> list[ScoredTranslation]:
        """How likely the model finds given translations: of pairs of a text and its translation, in order.

        Raises InvalidTextError for the first pair that cannot be scored.
        """
        return require_all(self.score_each(pairs, to, **scoring))

    def score_each(self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]) -> list[ScoreResult]:
        """`score`, with a TextError in the place of each pair that cannot be scored."""
        given = list(pairs)
        return read_scores(given, self._call(self._stub.Score, score_request(given, to, scoring)))

    def detect_language(self, texts: str | Iterable[str], *, max_candidates: int = 1) -> list[list[LanguageCandidate]]:
        """The likeliest languages of one text or several, at most so many of each; none of a text without letters."""
        given = text_list(texts)
        return read_detections(given, self._call(self._stub.DetectLanguage, detect_request(given, max_candidates)))

    def list_models(self) -> list[ModelDescription]:
        """The models that the server has loaded."""
        return read_models(self._call(self._stub.ListModels, pb.ListModelsRequest()))

    def get_model(self, name: str) -> ModelDetails:
        """All about one model, and what the server allows."""
        response = self._call(self._stub.GetModel, model_request(name))
        return ModelDetails(read_model(response.model), read_limits(response.limits))

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        request_id = new_request_id()
        try:
            return method(request, timeout=self._connection.timeout, metadata=self._connection.metadata(request_id))
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None

    def _stream(
        self, to: str, window: int, revisions: Mapping[str, str] | None, search: Mapping[str, Any]
    ) -> BlockingStream:
        state = StreamState(window, Weights(revisions))
        return BlockingStream(self._stub, self._connection, stream_config(to, search), state)
