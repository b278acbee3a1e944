"""A stream of texts through TranslateStream, for threads."""

import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc

from dragoman.server.client.connection import Connection, new_request_id
from dragoman.server.client.errors import explain_end, explain_silence
from dragoman.server.client.results import TranslationResult
from dragoman.server.client.stream_state import MAX_GROUP_LENGTH, MAX_GROUP_SIZE, StreamState
from dragoman.v1 import translation_pb2 as pb

_ENDED = None

_Event: TypeAlias = pb.TranslateStreamResponse | grpc.RpcError | None


@dataclass(slots=True)
class _Call:
    """One call of TranslateStream; a thread of gRPC's takes requests out of `outbox`, one of ours fills `inbox`."""

    request_id: str
    config: pb.TranslateStreamRequest
    outbox: "queue.SimpleQueue[pb.TranslateStreamItem | None]" = field(default_factory=queue.SimpleQueue)
    inbox: "queue.SimpleQueue[_Event]" = field(default_factory=queue.SimpleQueue)
    responses: Any = None

    def requests(self) -> Iterator[pb.TranslateStreamRequest]:
        """What is to be sent. Texts that wait while an earlier message is on its way share the next one."""
        yield self.config
        while (item := self.outbox.get()) is not None:
            request = pb.TranslateStreamRequest(items=[item])
            length = len(item.text)
            while len(request.items) < MAX_GROUP_SIZE and length < MAX_GROUP_LENGTH:
                try:
                    item = self.outbox.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    yield request
                    return
                request.items.append(item)
                length += len(item.text)
            yield request

    def receive(self) -> None:
        """Runs on a thread until the call has ended. The inbox holds no more than what was asked for."""
        try:
            for response in self.responses:
                self.inbox.put(response)
        except grpc.RpcError as error:
            self.inbox.put(error)
        else:
            self.inbox.put(_ENDED)

    def close(self) -> None:
        """Ends the call, if it has not ended, and the threads."""
        self.outbox.put(None)
        self.responses.cancel()


class BlockingStream:
    """Reads texts, and hands results on, on the thread that iterates `results`."""

    def __init__(
        self, stub: Any, connection: Connection, config: pb.TranslateStreamRequest, state: StreamState
    ) -> None:
        self._stub = stub
        self._connection = connection
        self._config = config
        self._state = state

    def results(self, texts: Iterable[str]) -> Generator[tuple[int, TranslationResult]]:
        """The number and result of each text, as they come; closing the generator cancels the call.

        Raises what `StreamState` raises, what reading the texts raises, and ServerError or InvalidInputError where the
        server does not go on.
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
        """The results in the order of the texts."""
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
        """As they come."""
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
        """What the server has to say; raises queue.Empty if it was sent a text meanwhile."""
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
        """Everything is there: how the call ends does not matter, but it should not be cancelled without need."""
        while isinstance(self._await_event(call), pb.TranslateStreamResponse):
            pass
