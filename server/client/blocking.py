"""The blocking client."""

import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar, Unpack

import grpc

from dragoman.server.client import queries
from dragoman.server.client.connection import (
    DEFAULT_TIMEOUT,
    Connection,
    StubsInTurn,
    Tls,
    Weights,
    explain,
    explain_end,
    explain_silence,
    new_request_id,
)
from dragoman.server.client.descriptions import DescriptionCalls
from dragoman.server.client.glossaries import GlossaryCalls
from dragoman.server.client.queries import Query, Scoring, Search
from dragoman.server.client.results import (
    LanguageCandidate,
    LiveTranslation,
    ScoreResult,
    TranslationResult,
    require,
    require_all,
)
from dragoman.server.client.single_calls.blocking import SingleCalls
from dragoman.server.client.stream_state import MAX_GROUP_LENGTH, MAX_GROUP_SIZE, STREAM_WINDOW, StreamState, pack
from dragoman.translation.results import Translation
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc

Answer = TypeVar("Answer")


class Client(DescriptionCalls, GlossaryCalls):
    """A connection to a server; a context manager. Threads may share it.

    Every method raises InvalidInputError for a wrong request, NotFoundError for an unknown model or language, and
    ServerError if there is no answer.

    Temporary faults are retried up to five times: UNAVAILABLE or CANCELLED (the server cannot be reached or shuts
    down), and RESOURCE_EXHAUSTED (it is overloaded) after the pause that the server asks for. If the name in an address
    such as "dns:///translation.example:50051" resolves to several servers, calls go to them in turn; when a connection
    breaks, the name is resolved again, at most every ten seconds.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        token: str | None = None,
        tls: Tls | None = None,
        connections: int = 1,
    ) -> None:
        """Connects with the first call.

        address: HOST:PORT, or another address that gRPC resolves. timeout: seconds for a call, or for each wait of a
        stream. token: bearer token of every call; without tls it is not encrypted. tls: None for no encryption.
        connections: which calls use in turn; a server of several processes is reached as a whole by twice as many.

        Raises InvalidInputError for a file of `tls` that cannot be read.
        """
        self._connection = Connection(address, timeout, token, tls)
        self._channels = [self._connection.open_channel() for _ in range(connections)]
        self._stub: Any = StubsInTurn([translation_pb2_grpc.TranslationServiceStub(one) for one in self._channels])
        self._single_calls = SingleCalls(self._stub, self._connection, self._ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end its calls."""
        for channel in self._channels:
            channel.close()

    def translate(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[Translation]:
        """Translate one or more texts in a single call. Returns one translation per text, in order.

        Raises InvalidTextError for the first text that cannot be translated.
        """
        return require_all(self.translate_each(texts, to, **search))

    def translate_each(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[TranslationResult]:
        """`translate`, with a TextError for each text that cannot be translated. Calls of one text that run at the same
        time on several threads, with equal options, share a stream, which makes them cheaper; each remains a call of
        its own."""
        given = queries.text_list(texts)
        if len(given) == 1:
            return [self._single_calls.translate(given[0], to, search)]
        return self._ask(queries.translate(given, to, search))

    def translate_stream(
        self,
        texts: Iterable[str],
        to: str,
        *,
        window: int = STREAM_WINDOW,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> Generator[Translation]:
        """Translate any number of texts, in order, in constant memory, with batch priority.

        Reads ahead by at most `window` texts, on the thread that iterates. Closing the generator cancels the call. If
        the connection breaks or the server shuts down, a new call continues with the unanswered texts; after about 20 s
        without success, ServerError is raised.

        All translations come from the same weights; if the server's model changes, ModelChangedError is raised before
        the first translation by other weights. revisions: required revision by name of model, from `list_models`, so
        that several streams use the same weights, even days apart.

        Raises InvalidTextError, with the text's number, at a text that cannot be translated, and InvalidRequestError
        for a fault that concerns all texts.
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
        """`translate_stream` with each result as soon as it is ready: the text's number, from 0, and its translation or
        TextError."""
        return self._stream(to, window, revisions, search).unordered(texts)

    def translate_live(self, text: str, to: str, **search: Unpack[Search]) -> Generator[LiveTranslation]:
        """Yield a text's translation so far while the search goes on; the last item has the complete translation."""
        query = queries.translate_live(text, to, search)
        request_id = new_request_id()
        call = self._connection.call(self._stub, query, request_id)
        try:
            for response in call:
                yield query.read(response)
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None
        finally:
            call.cancel()

    def score(self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]) -> list[ScoredTranslation]:
        """Score given translations by their probability under the model. pairs: texts with their translations.

        Raises InvalidTextError for the first pair that cannot be scored.
        """
        return require_all(self.score_each(pairs, to, **scoring))

    def score_each(self, pairs: Iterable[tuple[str, str]], to: str, **scoring: Unpack[Scoring]) -> list[ScoreResult]:
        """`score`, with a TextError for each pair that cannot be scored."""
        return self._ask(queries.score(pairs, to, scoring))

    def detect_language(self, texts: str | Iterable[str], *, max_candidates: int = 1) -> list[list[LanguageCandidate]]:
        """The most likely languages of each text, at most `max_candidates`; none for a text without letters."""
        return self._ask(queries.detect_language(texts, max_candidates))

    def _ask(self, query: Query[Answer], *, timeout: float | None = None, request_id: str = "") -> Answer:
        request_id = request_id or new_request_id()
        try:
            return query.read(self._connection.call(self._stub, query, request_id, timeout))
        except grpc.RpcError as error:
            raise explain(error, self._connection, request_id) from None

    def _stream(
        self, to: str, window: int, revisions: Mapping[str, str] | None, search: Mapping[str, Any]
    ) -> "BlockingStream":
        state = StreamState(window, Weights(revisions))
        return BlockingStream(
            self._stub, self._connection, pb.TranslateStreamRequest(config=queries.stream_config(to, search)), state
        )


_ENDED = None

_Event: TypeAlias = pb.TranslateStreamResponse | grpc.RpcError | None


@dataclass(slots=True)
class _Call:
    """One call of TranslateStream. A thread of gRPC takes requests from `outbox`; the thread that runs `receive` fills
    `inbox`."""

    request_id: str
    config: pb.TranslateStreamRequest
    outbox: "queue.SimpleQueue[pb.TranslateStreamItem | None]" = field(default_factory=queue.SimpleQueue)
    inbox: "queue.SimpleQueue[_Event]" = field(default_factory=queue.SimpleQueue)
    responses: Any = None

    def requests(self) -> Iterator[pb.TranslateStreamRequest]:
        """The requests to send. Texts that wait while a message is being sent share the next message."""
        yield self.config
        while (item := self.outbox.get()) is not None:
            items = [item]
            length = len(item.text)
            while len(items) < MAX_GROUP_SIZE and length < MAX_GROUP_LENGTH:
                try:
                    item = self.outbox.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    yield pack(items)
                    return
                items.append(item)
                length += len(item.text)
            yield pack(items)

    def receive(self) -> None:
        """Receive responses on a thread until the call ends. The window bounds the inbox."""
        try:
            for response in self.responses:
                self.inbox.put(response)
        except grpc.RpcError as error:
            self.inbox.put(error)
        else:
            self.inbox.put(_ENDED)

    def close(self) -> None:
        """End the call, if it is running, and the threads."""
        self.outbox.put(None)
        self.responses.cancel()


class BlockingStream:
    """One stream of texts over one or more calls. Texts are read on the thread that iterates `results`."""

    def __init__(
        self, stub: Any, connection: Connection, config: pb.TranslateStreamRequest, state: StreamState
    ) -> None:
        self._stub = stub
        self._connection = connection
        self._config = config
        self._state = state

    def results(self, texts: Iterable[str]) -> Generator[tuple[int, TranslationResult]]:
        """Yield the number and result of each text, as they come; closing the generator cancels the call.

        Raises the errors of `StreamState` and of reading the texts, and ServerError or InvalidInputError if the server
        refuses to continue.
        """
        state = self._state
        source = iter(texts)
        call = self._begin()
        try:
            while not state.is_complete:
                try:
                    event = self._next_event(call, source)
                except queue.Empty:
                    continue  # a text was sent instead
                if isinstance(event, pb.TranslateStreamResponse):
                    yield from state.take(event)
                    continue
                pause = state.pause_after(explain_end(event, self._connection, call.request_id))
                call.close()
                time.sleep(pause)
                call = self._begin()
            self._await_end(call)
        finally:
            call.close()

    def ordered(self, texts: Iterable[str]) -> Generator[TranslationResult]:
        """Yield the results in the order of the texts."""
        waiting: dict[int, TranslationResult] = {}
        next_index = 0
        results = self.results(texts)
        try:
            for index, result in results:
                waiting[index] = result
                while next_index in waiting:
                    self._state.release(next_index)
                    yield waiting.pop(next_index)
                    next_index += 1
        finally:
            results.close()

    def unordered(self, texts: Iterable[str]) -> Generator[tuple[int, TranslationResult]]:
        """Yield the results as they come, with the texts' numbers."""
        results = self.results(texts)
        try:
            for index, result in results:
                self._state.release(index)
                yield index, result
        finally:
            results.close()

    def _begin(self) -> _Call:
        call = _Call(new_request_id(), self._config)
        for item in self._state.unanswered():
            call.outbox.put(item)
        if self._state.is_exhausted:
            call.outbox.put(None)
        call.responses = self._stub.TranslateStream(
            call.requests(), metadata=self._connection.metadata(call.request_id)
        )
        threading.Thread(target=call.receive, name="dragoman-stream", daemon=True).start()
        return call

    def _next_event(self, call: _Call, source: Iterator[str]) -> _Event:
        """The next event of the call. Raises queue.Empty if a text was sent instead."""
        state = self._state
        if state.is_exhausted or not state.has_room:
            return self._await_event(call)
        try:
            return call.inbox.get_nowait()
        except queue.Empty:
            for text in source:
                call.outbox.put(state.add(text))
                raise
            state.is_exhausted = True
            call.outbox.put(None)
            raise

    def _await_event(self, call: _Call) -> _Event:
        try:
            return call.inbox.get(timeout=self._connection.timeout)
        except queue.Empty:
            raise explain_silence(self._connection, call.request_id) from None

    def _await_end(self, call: _Call) -> None:
        """Wait for the call to end after its last result, so that it is not cancelled; its status does not matter."""
        while isinstance(self._await_event(call), pb.TranslateStreamResponse):
            pass
