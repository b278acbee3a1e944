"""TranslateStream and TranslateLive over a real connection: order, flow control, protocol, and an end in the middle."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import grpc
import pytest

from dragoman.model.decoding.request import TokenHypothesis
from dragoman.server.app import TranslationServer
from dragoman.server.contract import streaming
from dragoman.server.contract.streaming import Window
from dragoman.server.grpc.v1.service import TranslationService
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Hypothesis, Translation
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.fakes import FakeTranslator, wait_for
from tests.server.grpc.messages import bring
from tests.server.running import PATIENCE, make_server

Stub = Any
Code = grpc.StatusCode
CONFIG = pb.TranslateStreamConfig(target_language_code="de")
INTO_GERMAN = pb.TranslateStreamRequest(config=CONFIG)


def item(number: int, text: str) -> pb.TranslateStreamRequest:
    return bring([pb.TranslateStreamItem(id=number, text=text)])


def serve(
    test: Callable[[Stub, TranslationServer], Awaitable[None]], translator: FakeTranslator, **tables: dict[str, Any]
) -> None:
    async def main() -> None:
        async with make_server(translator, **tables) as server, grpc.aio.insecure_channel(server.address) as channel:
            await asyncio.wait_for(test(translation_pb2_grpc.TranslationServiceStub(channel), server), PATIENCE)

    asyncio.run(main())


async def read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def fail(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a call that fails; what comes before is read."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read_all(call)
    return caught.value.code(), caught.value.details() or ""


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits for what another task or thread brings about."""
    while not condition():
        await asyncio.to_thread(lambda: None)  # lets all others run


def test_every_text_has_its_result() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        texts = ["a b", "c " * 51, "", "refused", "d | e f"]
        requests = [INTO_GERMAN, *(item(10 * number, text) for number, text in enumerate(texts))]
        started, *responses = [response async for response in stub.TranslateStream(iter(requests))]
        assert started == pb.TranslateStreamResponse(
            started=pb.TranslateStreamStarted(model="en-de", source_language_code="en", revision="0123456789abcdef")
        )
        found = [result for response in responses for result in response.results]
        results = {result.id: result.translation for result in found}
        assert len(found) == len(texts)
        assert {number: [h.text for h in result.hypotheses] for number, result in results.items()} == {
            0: ["b a"],
            10: [],
            20: [""],
            30: [],
            40: ["d | f e"],
        }
        assert results[10].error == pb.TextError(code=3, message="the text has 51 pieces, but at most 50 fit")
        assert results[30].error == pb.TextError(code=3, message="the engine refuses this text")

    serve(test, FakeTranslator())


def test_results_come_as_they_are_found_while_the_client_goes_on_sending() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        call = stub.TranslateStream()
        await call.write(INTO_GERMAN)
        assert (await call.read()).HasField("started")
        await call.write(item(1, "forever"))
        for number, text in ((2, "a b c"), (3, "d e")):
            await call.write(item(number, text))
            response = await call.read()
            (result,) = response.results
            assert (result.id, result.translation.hypotheses[0].text) == (number, text[::-1])
        call.cancel()

    serve(test, FakeTranslator())


def test_texts_and_results_share_messages() -> None:
    translator = FakeTranslator()
    translator.engine.gate.clear()

    async def test(stub: Stub, _: TranslationServer) -> None:
        texts = [f"a b {number}" for number in range(translator.engine.num_slots)]
        items = [pb.TranslateStreamItem(id=number, text=text) for number, text in enumerate(texts)]
        call = stub.TranslateStream()
        await call.write(INTO_GERMAN)
        await call.write(bring(items[:2]))
        await call.write(bring(items[2:]))
        await call.done_writing()
        translator.engine.min_together = len(items)
        translator.engine.gate.set()
        started, *responses = [response async for response in call]
        assert started.HasField("started")
        found = {
            result.id: result.translation.hypotheses[0].text for response in responses for result in response.results
        }
        assert [found[number] for number in range(len(items))] == [f"{number} b a" for number in range(len(items))]
        assert len(responses) == 1  # all were found in one step

    serve(test, translator)


def test_what_is_too_large_for_a_message_goes_into_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MAX_GROUP_BYTES", 200)
    translator = FakeTranslator()
    translator.engine.gate.clear()

    async def test(stub: Stub, _: TranslationServer) -> None:
        texts = ["x" * 70 for _ in range(translator.engine.num_slots)]
        items = [pb.TranslateStreamItem(id=number, text=text) for number, text in enumerate(texts)]
        translator.engine.min_together = len(items)
        translator.engine.gate.set()
        requests = [INTO_GERMAN, bring(items)]
        _, *responses = [response async for response in stub.TranslateStream(iter(requests))]
        assert sorted(result.id for response in responses for result in response.results) == list(range(len(items)))
        assert {len(response.results) for response in responses} <= {1, 2}

    serve(test, translator)


def test_all_options_of_the_configuration_count() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        config = pb.TranslateStreamConfig(
            target_language_code="en",
            source_language_code="de",
            model="en-de",
            search_options=pb.SearchOptions(n_best=2),
            split_sentences=False,
            priority=pb.PRIORITY_INTERACTIVE,
        )
        requests = [pb.TranslateStreamRequest(config=config), item(1, "a | b")]
        _, response = [response async for response in stub.TranslateStream(iter(requests))]
        assert [hypothesis.text for hypothesis in response.results[0].translation.hypotheses] == ["b | a", "b | a !"]

    serve(test, FakeTranslator())


@pytest.mark.parametrize(
    ("requests", "code", "message"),
    [
        ([], Code.INVALID_ARGUMENT, "config: is missing in the first message"),
        ([pb.TranslateStreamRequest()], Code.INVALID_ARGUMENT, "config: is missing in the first message"),
        ([item(1, "a")], Code.INVALID_ARGUMENT, "config: is missing in the first message"),
        ([INTO_GERMAN, INTO_GERMAN], Code.INVALID_ARGUMENT, "config: is for the first message alone"),
        (
            [INTO_GERMAN, pb.TranslateStreamRequest()],
            Code.INVALID_ARGUMENT,
            "items: every message but the first must bring some",
        ),
        (
            [
                INTO_GERMAN,
                bring([pb.TranslateStreamItem()] * 1025),
            ],
            Code.INVALID_ARGUMENT,
            "items: 1025 texts in one call, but at most 1024 are allowed",
        ),
        (
            [pb.TranslateStreamRequest(config=pb.TranslateStreamConfig())],
            Code.INVALID_ARGUMENT,
            "target_language_code: is empty",
        ),
        (
            [pb.TranslateStreamRequest(config=pb.TranslateStreamConfig(target_language_code="xx"))],
            Code.NOT_FOUND,
            'target_language_code: nothing translates into "xx"; there is de, en',
        ),
        (
            [
                pb.TranslateStreamRequest(
                    config=pb.TranslateStreamConfig(
                        target_language_code="de", search_options=pb.SearchOptions(length_penalty=float("inf"))
                    )
                )
            ],
            Code.INVALID_ARGUMENT,
            "search_options: length_penalty is inf",
        ),
    ],
)
def test_refuses(requests: list[pb.TranslateStreamRequest], code: grpc.StatusCode, message: str) -> None:
    translator = FakeTranslator()

    async def test(stub: Stub, _: TranslationServer) -> None:
        # A text that is never finished does not hold the refusal up.
        requests_ = requests if len(requests) < 2 else [requests[0], item(0, "forever"), *requests[1:]]
        found, details = await fail(stub.TranslateStream(iter(requests_)))
        assert found is code
        assert details.startswith(message)
        await eventually(lambda: translator.engine.num_active == 0)

    serve(test, translator)


class VerboseTranslator(FakeTranslator):
    """Its translations have 64 KiB."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        return Translation(prepared.text, (Hypothesis(prepared.text.ljust(65_536, "x"), 0.0),))


class Source:
    """Gives a stream's requests for ever and counts them."""

    def __init__(self) -> None:
        self.num_read = 0

    def __aiter__(self) -> AsyncIterator[pb.TranslateStreamRequest]:
        return self._read()

    async def _read(self) -> AsyncIterator[pb.TranslateStreamRequest]:
        yield INTO_GERMAN
        while True:
            self.num_read += 1
            yield item(self.num_read, "a " * 40)


def test_a_client_that_reads_nothing_stops_the_server_s_reading() -> None:
    translator = VerboseTranslator(num_slots=64)

    async def test(stub: Stub, _: TranslationServer) -> None:
        requests = Source()
        call = stub.TranslateStream(requests)
        assert (await call.read()).HasField("started")
        before = -1
        while before != (before := translator.engine.statistics().num_finished) or not before:
            for _turn in range(200):  # all that can move does
                await asyncio.to_thread(lambda: None)
        stopped_at = translator.engine.statistics().num_finished
        assert stopped_at < 2_000
        while translator.engine.statistics().num_finished == stopped_at:  # and goes on when the client reads
            assert (await call.read()).results[0].translation.hypotheses
        call.cancel()
        await eventually(lambda: translator.engine.num_active == 0)

    serve(test, translator)


def test_no_more_is_in_flight_than_the_window_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MIN_WINDOW", 3)
    monkeypatch.setattr(streaming, "MAX_WINDOW", 3)
    prepared = []

    class Watched(FakeTranslator):
        def prepare(self, text: str, *arguments: Any, **options: Any) -> PreparedText:
            prepared.append(text)
            return super().prepare(text, *arguments, **options)

    translator = Watched(num_slots=2)
    translator.engine.gate.clear()

    async def test(stub: Stub, _: TranslationServer) -> None:
        call = stub.TranslateStream()
        await call.write(INTO_GERMAN)
        for number in range(10):
            await call.write(item(number, f"a {number}"))
        await wait_for(translator.engine.held)
        await eventually(lambda: len(prepared) == 3)
        translator.engine.gate.set()
        await call.done_writing()
        assert sum([len(response.results) async for response in call]) == 10
        assert len(prepared) == 10

    serve(test, translator)


def test_the_tags_of_a_text_count_for_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand characters of them take megabytes."""
    monkeypatch.setattr(streaming, "MAX_WINDOW_BYTES", 200_000)
    translator = FakeTranslator()

    async def test(stub: Stub, server: TranslationServer) -> None:
        call = stub.TranslateStream()
        config = pb.TranslateStreamConfig(target_language_code="de", text_format=pb.TEXT_FORMAT_HTML)
        await call.write(pb.TranslateStreamRequest(config=config))
        translator.engine.gate.clear()
        await call.write(bring([pb.TranslateStreamItem(id=number, text="a" + 333 * "<i>") for number in range(9)]))
        await wait_for(translator.engine.held)
        (stream,) = service_of(server)._streams
        assert stream._window._num_bytes >= 64 * 1000
        assert stream._window._num_texts < 9
        translator.engine.gate.set()
        await call.done_writing()
        assert sum([len(response.results) async for response in call]) == 9

    serve(test, translator)


def test_a_window_is_bounded_by_texts_and_by_bytes() -> None:
    async def main() -> None:
        window = Window(2, max_bytes=10)
        await window.enter(25)  # a single text may exceed it
        waiting = asyncio.ensure_future(window.enter(1))
        reading = asyncio.ensure_future(window.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert not reading.done()
        window.leave(25)
        await waiting
        await reading
        await window.enter(2)
        full = asyncio.ensure_future(window.wait_for_room())
        await asyncio.sleep(0)
        assert not full.done()
        window.leave(1)
        await full

    asyncio.run(main())


def test_a_full_queue_only_slows_a_stream_down() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        requests = [INTO_GERMAN, *(item(number, f"a {number}") for number in range(50))]
        responses = [response async for response in stub.TranslateStream(iter(requests))]
        assert sorted(result.id for response in responses[1:] for result in response.results) == list(range(50))

    serve(test, FakeTranslator(num_slots=1), limits={"max_waiting": 1})


def test_a_stream_that_is_cancelled_frees_all_its_slots() -> None:
    translator = FakeTranslator(num_slots=2)

    async def test(stub: Stub, _: TranslationServer) -> None:
        call = stub.TranslateStream()
        await call.write(INTO_GERMAN)
        for number in range(5):
            await call.write(item(number, "forever"))
        await wait_for(translator.engine.occupied)
        await eventually(lambda: translator.engine.num_active == 2)
        call.cancel()
        requests = [INTO_GERMAN, item(1, "a b")]
        _, response = [response async for response in stub.TranslateStream(iter(requests))]
        assert response.results[0].translation.hypotheses[0].text == "b a"

    serve(test, translator)
    assert len(translator.engine.cancelled) >= 2
    assert translator.engine.num_active == 0


def test_a_stream_past_its_deadline_frees_all_its_slots() -> None:
    translator = FakeTranslator(num_slots=2)

    async def test(stub: Stub, _: TranslationServer) -> None:
        call = stub.TranslateStream(timeout=0.2)
        await call.write(INTO_GERMAN)
        await call.write(item(1, "forever"))
        assert (await fail(call))[0] is Code.DEADLINE_EXCEEDED
        await eventually(lambda: translator.engine.num_active == 0)

    serve(test, translator)


def test_a_lost_replica_ends_the_stream_after_what_came_before() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        call = stub.TranslateStream()
        await call.write(INTO_GERMAN)
        await call.write(item(1, "a b"))
        assert (await call.read()).HasField("started")
        assert (await call.read()).results[0].id == 1
        await call.write(item(2, "lost"))
        assert (await fail(call))[0] is Code.UNAVAILABLE

    serve(test, FakeTranslator())


def test_a_server_that_shuts_down_answers_what_it_has_read_and_says_so() -> None:
    translator = FakeTranslator()

    async def test(stub: Stub, server: TranslationServer) -> None:
        call = stub.TranslateStream()
        await call.write(INTO_GERMAN)
        translator.engine.gate.clear()
        await call.write(item(1, "a b"))
        assert (await call.read()).HasField("started")
        await wait_for(translator.engine.held)
        service_of(server).drain()
        translator.engine.gate.set()
        assert (await call.read()).results[0].translation.hypotheses[0].text == "b a"
        code, details = await fail(call)
        assert code is Code.UNAVAILABLE
        assert details.startswith("the server is shutting down")
        assert (await fail(stub.TranslateStream(iter([INTO_GERMAN]))))[0] is Code.UNAVAILABLE
        assert (await stub.Translate(pb.TranslateRequest(texts=["c"], target_language_code="de"))).translations

    serve(test, translator)


def test_a_stream_that_has_not_begun_does_not_hold_up_a_server_that_shuts_down() -> None:
    async def test(stub: Stub, server: TranslationServer) -> None:
        call = stub.TranslateStream()
        opening = asyncio.ensure_future(call.initial_metadata())  # the call is on its way, its first message is not
        while server._admission.running.idle.is_set():
            await asyncio.sleep(0)
        service_of(server).drain()
        code, details = await fail(call)
        assert code is Code.UNAVAILABLE
        assert details.startswith("the server is shutting down")
        await opening

    serve(test, FakeTranslator())


def test_an_answer_that_is_too_large_is_its_text_s_fault() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        requests = [INTO_GERMAN, item(1, "a b")]
        _, response = [response async for response in stub.TranslateStream(iter(requests))]
        assert response.results[0].id == 1
        assert response.results[0].translation.error.message.startswith("its answer has ")

    serve(test, VerboseTranslator(), limits={"max_message_bytes": 2048})


def test_attention_that_would_not_fit_is_refused_for_its_text() -> None:
    translator = FakeTranslator(max_source_length=1000)

    async def test(stub: Stub, _: TranslationServer) -> None:
        config = pb.TranslateStreamConfig(target_language_code="de", return_options=pb.ReturnOptions(attention=True))
        requests = [pb.TranslateStreamRequest(config=config), item(1, "a " * 600), item(2, "a")]
        responses = [response async for response in stub.TranslateStream(iter(requests))]
        results = {result.id: result.translation for response in responses[1:] for result in response.results}
        assert results[1].error.message.startswith("its answer would have about ")
        assert results[2].hypotheses

    serve(test, translator, limits={"max_message_bytes": 65_536})


def test_bytes_that_are_no_message_are_refused_in_the_middle_too() -> None:
    async def test(stub: Stub, server: TranslationServer) -> None:
        async with grpc.aio.insecure_channel(server.address) as channel:
            raw: Any = channel.stream_stream("/dragoman.v1.TranslationService/TranslateStream")
            for requests in ([b"\xff"], [INTO_GERMAN.SerializeToString(), b"\x12\x05\x12\x03\xff\xff\xff"]):
                assert (await fail(raw(iter(requests))))[0] is Code.INVALID_ARGUMENT

    serve(test, FakeTranslator())


def service_of(server: TranslationServer) -> TranslationService:
    assert server._grpc is not None
    return server._grpc._service


def live(texts: Iterable[pb.TranslateLiveResponse]) -> list[tuple[str, str]]:
    return [(response.stable_text, response.unstable_text) for response in texts]


def test_a_translation_is_watched_as_it_grows() -> None:
    translator = FakeTranslator()
    translator.engine.gate.clear()

    async def test(stub: Stub, _: TranslationServer) -> None:
        request = pb.TranslateLiveRequest(
            text="a b c | d e", target_language_code="de", search_options=pb.SearchOptions(n_best=2)
        )
        call = stub.TranslateLive(request)
        await wait_for(translator.engine.held)
        translator.engine.gate.set()
        responses = [response async for response in call]
        assert [response.HasField("started") for response in responses] == [True] + [False] * (len(responses) - 1)
        assert responses[0].started.revision == "0123456789abcdef"
        assert [response.HasField("translation") for response in responses] == [False] * (len(responses) - 1) + [True]
        final = responses[-1]
        assert [hypothesis.text for hypothesis in final.translation.hypotheses] == ["c b a | e d", "c b a ! | e d !"]
        assert live([final]) == [("c b a | e d", "")]
        stable = [text for text, _ in live(responses)]
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(stable))

    serve(test, translator)


def test_a_blank_text_needs_no_watching() -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        (response,) = [
            r async for r in stub.TranslateLive(pb.TranslateLiveRequest(text=" ", target_language_code="de"))
        ]
        assert response.HasField("started")
        assert (response.stable_text, response.translation.hypotheses[0].text) == (" ", " ")

    serve(test, FakeTranslator())


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (pb.TranslateLiveRequest(text="a"), Code.INVALID_ARGUMENT, "target_language_code: is empty"),
        (pb.TranslateLiveRequest(text="a", target_language_code="xx"), Code.NOT_FOUND, "target_language_code: nothing"),
        (
            pb.TranslateLiveRequest(text="a " * 51, target_language_code="de"),
            Code.INVALID_ARGUMENT,
            "text: the text has 51 pieces, but at most 50 fit",
        ),
        (
            pb.TranslateLiveRequest(text="refused", target_language_code="de"),
            Code.INVALID_ARGUMENT,
            "the engine refuses this text",
        ),
    ],
)
def test_refuses_to_be_watched(request_: pb.TranslateLiveRequest, code: grpc.StatusCode, message: str) -> None:
    async def test(stub: Stub, _: TranslationServer) -> None:
        found, details = await fail(stub.TranslateLive(request_))
        assert found is code
        assert details.startswith(message)

    serve(test, FakeTranslator())


def test_a_watched_translation_that_is_cancelled_frees_its_slot() -> None:
    translator = FakeTranslator(num_slots=1)

    async def test(stub: Stub, _: TranslationServer) -> None:
        call = stub.TranslateLive(pb.TranslateLiveRequest(text="a forever", target_language_code="de"))
        assert (await call.read()).HasField("started")
        call.cancel()
        assert (await stub.Translate(pb.TranslateRequest(texts=["b"], target_language_code="de"))).translations
        await eventually(lambda: translator.engine.num_active == 0)

    serve(test, translator)
    assert len(translator.engine.cancelled) == 1
