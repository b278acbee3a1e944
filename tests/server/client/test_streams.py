"""Streams of both clients whose calls break: nothing is lost, nothing doubled."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
import pytest

from dragoman.model.errors import InvalidRequestError, InvalidTextError, NotFoundError
from dragoman.server.client import AsyncClient, Client, ModelChangedError, ServerError, blocking, stream_state
from dragoman.server.client.asynchronous import AsyncStream
from dragoman.server.client.connection import Connection, Weights
from dragoman.v1 import translation_pb2 as pb
from tests.server.client.scripted import (
    Script,
    ScriptedService,
    answer_all,
    answer_some,
    result,
    scripted_server,
    upper,
)
from tests.server.running import PATIENCE

Translate: TypeAlias = Callable[..., list[str]]
Code = grpc.StatusCode


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_state, "FIRST_PAUSE", 0.0)


def translate_blocking(address: str, texts: Iterable[str], timeout: float = PATIENCE, **options: Any) -> list[str]:
    with Client(address, timeout=timeout) as client:
        return [translation.text for translation in client.translate_stream(texts, to="de", **options)]


def translate_asynchronous(address: str, texts: Iterable[str], timeout: float = PATIENCE, **options: Any) -> list[str]:
    async def main() -> list[str]:
        async with AsyncClient(address, timeout=timeout) as client:
            return [translation.text async for translation in client.translate_stream(texts, to="de", **options)]

    return asyncio.run(main())


@pytest.fixture(params=[translate_blocking, translate_asynchronous], ids=["blocking", "asynchronous"])
def translate(request: pytest.FixtureRequest) -> Translate:
    chosen: Translate = request.param
    return chosen


TEXTS = [f"text {number}" for number in range(100)]
EXPECTED = [text.upper() for text in TEXTS]


def test_a_broken_call_is_followed_by_another_with_what_is_not_answered(translate: Translate) -> None:
    service = ScriptedService(answer_some(10), answer_some(0), answer_some(20), answer_all)
    with scripted_server(service) as address:
        assert translate(address, iter(TEXTS)) == EXPECTED
    first, nothing_answered, second, third = service.received
    assert set(first) >= set(range(10))
    # An asynchronous call that breaks while it sends forgets answers that were not read yet: they come again.
    assert min(nothing_answered) <= 10
    assert min(nothing_answered) == min(second)
    assert min(third) <= 30
    assert max(third) == 99
    assert all(received[number] == TEXTS[number] for received in service.received for number in received)


def test_a_server_that_does_not_come_back_is_given_up(translate: Translate) -> None:
    service = ScriptedService(answer_some(10), answer_some(0))
    with (
        scripted_server(service) as address,
        pytest.raises(ServerError, match=r"is unavailable: the \w+ broke"),
    ):
        translate(address, iter(TEXTS))
    assert len(service.received) == stream_state.MAX_ATTEMPTS_WITHOUT_RESULT


def test_every_result_is_a_reason_for_new_hope(translate: Translate) -> None:
    service = ScriptedService(answer_some(2))
    with scripted_server(service) as address:
        assert translate(address, TEXTS[:30], window=2) == EXPECTED[:30]
    assert len(service.received) > stream_state.MAX_ATTEMPTS_WITHOUT_RESULT


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (Code.INTERNAL, ServerError, "answered INTERNAL: not now"),
        (Code.UNAUTHENTICATED, ServerError, "does not know the caller: not now"),
        (Code.INVALID_ARGUMENT, InvalidRequestError, "^not now$"),
        (Code.NOT_FOUND, NotFoundError, "^not now$"),
    ],
)
def test_what_is_refused_is_not_tried_again(
    translate: Translate, code: grpc.StatusCode, error: type[Exception], message: str
) -> None:
    service = ScriptedService(answer_all)
    service.failures = [(code, ())] * 3
    with scripted_server(service) as address, pytest.raises(error, match=message) as caught:
        translate(address, TEXTS)
    assert len(service.metadata) == 1
    if isinstance(caught.value, ServerError):
        assert caught.value.code == code.name
        assert caught.value.request_id == service.metadata[0]["x-request-id"]


def test_what_fails_in_the_middle_is_told() -> None:
    service = ScriptedService(answer_some(10, Code.INTERNAL))
    with scripted_server(service) as address, pytest.raises(ServerError, match="answered INTERNAL: the connection bro"):
        translate_blocking(address, TEXTS)
    assert len(service.metadata) == 1


def test_another_model_does_not_go_on_with_the_stream(translate: Translate) -> None:
    def replace(
        service: ScriptedService, requests: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        yield result(next(requests))
        service.revision = "1" * 16
        context.abort(Code.UNAVAILABLE, "the server is shutting down")

    service = ScriptedService(replace, answer_all)
    with scripted_server(service) as address, pytest.raises(ModelChangedError, match=r"of revision 1{16} instead of "):
        translate(address, TEXTS)


def nonsense(*ids: int) -> Script:
    def answer(
        service: ScriptedService, requests: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        next(requests)
        for number in ids:
            yield pb.TranslateStreamResponse(results=[pb.TranslateStreamResult(id=number, translation=upper("x"))])

    return answer


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((7,), "answered text 7, which was not sent, or answered it twice"),
        ((0, 0), "answered text 0, which was not sent, or answered it twice"),
        ((0,), "left texts unanswered"),
    ],
)
def test_a_server_that_is_not_to_be_trusted(translate: Translate, ids: Sequence[int], message: str) -> None:
    with scripted_server(ScriptedService(nonsense(*ids))) as address, pytest.raises(ServerError, match=message):
        translate(address, TEXTS[:2])


def test_a_silent_server_is_given_up(translate: Translate) -> None:
    def say_little(
        service: ScriptedService, requests: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        yield result(next(requests))
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(PATIENCE)

    with (
        scripted_server(ScriptedService(say_little)) as address,
        pytest.raises(ServerError, match=r"gave no answer within 0.1 seconds") as caught,
    ):
        translate(address, TEXTS, timeout=0.1)
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_an_error_in_reading_the_texts_ends_the_stream(translate: Translate) -> None:
    def texts() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError("the file ends here")

    with scripted_server(ScriptedService(answer_all)) as address:
        with pytest.raises(ZeroDivisionError, match="the file ends here"):
            translate(address, texts())
        with pytest.raises(InvalidTextError, match="text 1: cannot be encoded"):
            translate(address, ["a", "\ud800"])
        assert translate(address, []) == []


def test_no_more_is_under_way_than_the_window_allows(translate: Translate) -> None:
    num_read = 0
    most_waiting = 0

    def texts() -> Iterator[str]:
        nonlocal num_read
        for text in TEXTS:
            num_read += 1
            yield text

    def in_fours(
        service: ScriptedService, requests: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        nonlocal most_waiting
        for first, second in zip(requests, requests, strict=True):
            most_waiting = max(most_waiting, num_read - first.id)
            yield result(second)
            yield result(first)

    with scripted_server(ScriptedService(in_fours)) as address:
        assert translate(address, texts(), window=4) == EXPECTED
    assert most_waiting <= 5  # and one that waits for room


def test_long_texts_fill_the_window_sooner(translate: Translate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_state, "MAX_WINDOW_LENGTH", 10)
    with scripted_server(ScriptedService(answer_all)) as address:
        assert translate(address, TEXTS) == EXPECTED
        assert translate(address, ["x" * 100] * 3) == ["X" * 100] * 3


def test_results_as_they_come() -> None:
    service = ScriptedService(answer_some(10), answer_all)
    with scripted_server(service) as address, Client(address) as client:
        found = list(client.translate_unordered(TEXTS, to="de"))
    assert [index for index, _ in found[:4]] == [1, 0, 3, 2]
    assert sorted(index for index, _ in found) == list(range(100))
    assert all(result.source == TEXTS[index] for index, result in found)


def test_texts_may_come_from_an_asynchronous_iterator() -> None:
    async def texts() -> AsyncIterator[str]:
        for text in TEXTS:
            await asyncio.sleep(0)
            yield text

    async def main(address: str) -> list[int]:
        async with AsyncClient(address) as client:
            return [index async for index, _ in client.translate_unordered(texts(), to="de")]

    with scripted_server(ScriptedService(answer_some(10), answer_all)) as address:
        assert sorted(asyncio.run(main(address))) == list(range(100))


def test_results_do_not_wait_for_texts_that_have_not_come() -> None:
    """A live source gives its next text when it has seen the last one's translation."""

    async def main(address: str) -> list[str]:
        seen: asyncio.Queue[str] = asyncio.Queue()

        async def texts() -> AsyncIterator[str]:
            text = "a"
            while len(text) < 5:
                yield text
                text = await seen.get() + "b"

        found = []
        async with AsyncClient(address) as client:
            async for translation in client.translate_stream(texts(), to="de"):
                found.append(translation.text)
                seen.put_nowait(translation.text)
        return found

    with scripted_server(ScriptedService(answer_all)) as address:
        assert asyncio.run(main(address)) == ["A", "AB", "ABB", "ABBB"]


def test_a_stream_that_nobody_reads_on_is_cancelled() -> None:
    ended = []

    def answer(
        service: ScriptedService, requests: Iterator[pb.TranslateStreamItem], context: Any
    ) -> Iterator[pb.TranslateStreamResponse]:
        context.add_callback(lambda: ended.append(True))
        return answer_all(service, requests, context)

    async def main(address: str) -> None:
        async with AsyncClient(address) as client:
            async with aclosing(client.translate_stream(TEXTS, to="de", window=3)) as found:
                assert (await anext(found)).text == EXPECTED[0]
            assert (await client.translate("a", to="de"))[0].text == "A"

    with scripted_server(ScriptedService(answer)) as address:
        with Client(address) as client:
            stream = client.translate_stream(TEXTS, to="de", window=3)
            assert next(stream).text == EXPECTED[0]
            stream.close()
            assert client.translate("a", to="de")[0].text == "A"
        asyncio.run(main(address))
    assert len(ended) == 2


def test_texts_that_wait_share_messages() -> None:
    """As those of a call that follows a broken one do."""
    state = stream_state.StreamState(1024, Weights(None))
    items = [state.add(text) for text in (*TEXTS, "x" * 70_000, "y")]
    config = pb.TranslateStreamRequest(config=pb.TranslateStreamConfig(target_language_code="de"))
    call = blocking._Call("id", config)
    for item in (*items, None):
        call.outbox.put(item)
    first, *messages = call.requests()
    assert first == config
    assert [len(message.items.items) for message in messages] == [64, 37, 1]  # characters are bounded, too
    assert [item for message in messages for item in message.items.items] == items

    async def group() -> list[pb.TranslateStreamRequest]:
        stream = AsyncStream(None, Connection("localhost:1", 1.0, None, None), config, state)
        stream._outbox.extend(items)
        return [stream._take_group() for _ in range(3)]

    assert asyncio.run(group()) == messages
