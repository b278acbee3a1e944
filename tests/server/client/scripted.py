"""A server that answers as a test tells it, over real connections, without any model."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc

Script = Callable[["ScriptedService", Iterator[pb.TranslateStreamItem], Any], Iterator[pb.TranslateStreamResponse]]


class ScriptedService(translation_pb2_grpc.TranslationServiceServicer):
    """Translates into capital letters. Each call of TranslateStream goes by the next script; the last one stays.

    received: the texts of each stream, by id. metadata: of every call. failures: the next calls fail with these, before
    they answer anything.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.revision = "0" * 16
        self.received: list[dict[int, str]] = []
        self.metadata: list[dict[str, str]] = []
        self.failures: list[tuple[grpc.StatusCode, tuple[tuple[str, str], ...]]] = []

    def TranslateStream(
        self, requests: Iterator[pb.TranslateStreamRequest], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        script = self._scripts[min(len(self.received), len(self._scripts) - 1)]
        self.received.append({})
        self.metadata.append(dict(context.invocation_metadata()))
        assert next(requests).HasField("config")
        self._fail_if_told_to(context)
        started = pb.TranslateStreamStarted(model="en-de", source_language_code="en", revision=self.revision)
        yield pb.TranslateStreamResponse(started=started)
        yield from script(self, self._noted(requests), context)

    def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        self.metadata.append(dict(context.invocation_metadata()))
        self._fail_if_told_to(context)
        return pb.TranslateResponse(translations=[upper(text) for text in request.texts], model="en-de")

    def _fail_if_told_to(self, context: Any) -> None:
        if self.failures:
            code, trailing = self.failures.pop(0)
            context.set_trailing_metadata(trailing)
            context.abort(code, "not now")

    def _noted(self, requests: Iterator[pb.TranslateStreamRequest]) -> Iterator[pb.TranslateStreamItem]:
        received = self.received[-1]
        for request in requests:
            for item in request.items.items:
                received[item.id] = item.text
                yield item


def upper(text: str) -> pb.Translation:
    return pb.Translation(hypotheses=[pb.Hypothesis(text=text.upper())])


def result(item: pb.TranslateStreamItem) -> pb.TranslateStreamResponse:
    """A text in capital letters."""
    return pb.TranslateStreamResponse(results=[pb.TranslateStreamResult(id=item.id, translation=upper(item.text))])


def answer_all(
    service: ScriptedService, items: Iterator[pb.TranslateStreamItem], context: Any
) -> Iterator[pb.TranslateStreamResponse]:
    """Every text, as it comes."""
    return map(result, items)


def answer_some(num_answers: int, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> Script:
    """The second of the first texts, then the first, and so on; after so many the call breaks."""

    def answer(
        service: ScriptedService, items: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        for number, (first, second) in enumerate(zip(items, items, strict=False)):
            if 2 * number >= num_answers:
                break
            yield result(second)
            yield result(first)
        context.abort(code, "the connection broke")

    return answer


@contextmanager
def scripted_server(service: ScriptedService, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Gives the address; with credentials its host is localhost."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    translation_pb2_grpc.add_TranslationServiceServicer_to_server(service, server)
    if credentials is None:
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        address = f"localhost:{server.add_secure_port('localhost:0', credentials)}"
    server.start()
    try:
        yield address
    finally:
        server.stop(0).wait()
