"""Calls of one text that share a stream: each is a call of its own, over real connections."""

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.errors import InvalidInputError, InvalidRequestError, InvalidTextError, NotFoundError
from dragoman.server.app import TranslationServer
from dragoman.server.client import AsyncClient, Client, ServerError
from dragoman.server.client.single_calls import sharing
from dragoman.v1 import translation_pb2 as pb
from tests.server.client.scripted import ScriptedService, answer_all, scripted_server
from tests.server.fakes import FakeTranslator, wait_for
from tests.server.grpc.serving import SERVICE, read_log
from tests.server.running import PATIENCE, make_server, running_server
from tests.server.telemetry.scraping import find, scrape

METRICS = {"listen": "127.0.0.1:0"}
TEXTS = [f"a b {number}" for number in range(40)]


def serve(
    test: Callable[[AsyncClient, TranslationServer], Awaitable[None]],
    translator: FakeTranslator | None = None,
    timeout: float = PATIENCE,
    token: str | None = None,
    **tables: dict[str, Any],
) -> None:
    async def main() -> None:
        async with (
            make_server(translator or FakeTranslator(num_slots=16), metrics=METRICS, **tables) as server,
            AsyncClient(server.address, timeout=timeout, token=token) as client,
        ):
            await asyncio.wait_for(test(client, server), PATIENCE)

    asyncio.run(main())


async def count(server: TranslationServer, method: str, code: str = "OK") -> float:
    """Calls that ended."""
    samples = await asyncio.to_thread(scrape, server.metrics_address)
    return find(samples, "dragoman_requests_total", method=f"{SERVICE}/{method}", code=code)


async def count_streams(server: TranslationServer) -> float:
    samples = await asyncio.to_thread(scrape, server.metrics_address)
    return find(samples, "dragoman_requests_in_flight", method=f"{SERVICE}/TranslateCalls")


async def translate(client: AsyncClient, text: str, to: str = "de", **search: Any) -> str:
    (found,) = await client.translate(text, to, **search)
    return found.text


def expected(text: str) -> str:
    return " ".join(reversed(text.split()))


def test_calls_at_the_same_time_share_a_stream_and_count_as_calls() -> None:
    async def test(client: AsyncClient, server: TranslationServer) -> None:
        assert await asyncio.gather(*(translate(client, text) for text in TEXTS)) == [*map(expected, TEXTS)]
        assert await count_streams(server) == 1
        assert await count(server, "Translate") == len(TEXTS)
        usage = await client.get_usage()
        assert (usage.day.num_calls, usage.day.num_characters) == (len(TEXTS), sum(map(len, TEXTS)))

    serve(test)


def test_a_call_that_runs_alone_has_no_stream() -> None:
    async def test(client: AsyncClient, server: TranslationServer) -> None:
        for text in TEXTS[:3]:
            assert await translate(client, text) == expected(text)
        assert await count_streams(server) == await count(server, "TranslateCalls") == 0

    serve(test)


def test_other_options_have_another_stream() -> None:
    async def test(client: AsyncClient, server: TranslationServer) -> None:
        calls = [translate(client, text, source_language="en", n_best=n) for text in TEXTS for n in (1, 2)]
        assert await asyncio.gather(*calls) == [expected(text) for text in TEXTS for _ in (1, 2)]
        assert await count_streams(server) == 2

    serve(test)


def test_a_cancelled_call_cancels_no_other() -> None:
    translator = FakeTranslator(num_slots=2)

    async def test(client: AsyncClient, server: TranslationServer) -> None:
        first, doomed = (asyncio.ensure_future(translate(client, "forever")) for _ in range(2))
        await wait_for(translator.engine.occupied)
        while translator.engine.num_active < 2:
            await asyncio.sleep(0)
        other = asyncio.ensure_future(translate(client, "a b"))
        doomed.cancel()  # which frees the slot for the other
        assert await other == "b a"
        with pytest.raises(asyncio.CancelledError):
            await doomed
        first.cancel()
        while await count(server, "Translate", "CANCELLED") < 2:
            await asyncio.sleep(0)
        assert await translate(client, "c d") == "d c"

    serve(test, translator)


def test_a_failed_text_fails_alone() -> None:
    async def test(client: AsyncClient, server: TranslationServer) -> None:
        texts = ["a b", "refused", "c d", "crash", "e f"]
        found = await asyncio.gather(*(translate(client, text) for text in texts), return_exceptions=True)
        assert found[::2] == ["b a", "d c", "f e"]
        assert isinstance(found[1], InvalidTextError)
        assert str(found[1]) == "text 0: the engine refuses this text"
        assert isinstance(found[3], ServerError)
        assert (found[3].code, found[3].reason) == ("INTERNAL", "INTERNAL")
        assert await count(server, "Translate", "INTERNAL") == 1

    serve(test)


def test_errors_are_those_of_plain_calls() -> None:
    async def test(client: AsyncClient, _: TranslationServer) -> None:
        for kind, text, search in (
            (NotFoundError, "a", {"to": "xx"}),
            (NotFoundError, "a", {"model": "none"}),
            (InvalidInputError, "\ud800", {}),
            (InvalidRequestError, "a", {"model": "\ud800"}),
            (InvalidInputError, "a", {"beam_size": 99}),
            (InvalidRequestError, "a", {"n_best": 1 << 40}),
            (TypeError, "a", {"unknown": 1}),
        ):
            alone = (await asyncio.gather(translate(client, text, **search), return_exceptions=True))[0]
            together = await asyncio.gather(
                *(translate(client, text, **search) for _ in range(3)), return_exceptions=True
            )
            assert type(alone) is kind
            assert {(type(one), str(one)) for one in together} == {(kind, str(alone))}

    serve(test)


def test_each_call_has_its_deadline() -> None:
    translator = FakeTranslator()

    async def test(client: AsyncClient, server: TranslationServer) -> None:
        found = await asyncio.gather(*(translate(client, "forever") for _ in range(3)), return_exceptions=True)
        assert {getattr(one, "code", one) for one in found} == {"DEADLINE_EXCEEDED"}
        assert await translate(client, "a b") == "b a"
        while translator.engine.num_active:
            await asyncio.sleep(0)
        assert len(translator.engine.cancelled) == 3

    serve(test, translator, timeout=0.5)


def test_each_call_has_its_quota_and_its_line_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "alice"\ntoken = "a-token"\nmax_concurrent_calls = 3\ncalls_per_day = 5\n')
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    translator = FakeTranslator()

    async def test(client: AsyncClient, server: TranslationServer) -> None:
        running = [asyncio.ensure_future(translate(client, "forever")) for _ in range(3)]
        while translator.engine.num_active < 3:
            await asyncio.sleep(0)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        while await count(server, "Translate", "CANCELLED") < 3:
            await asyncio.sleep(0)
        found = await asyncio.gather(*(translate(client, text) for text in TEXTS[:3]), return_exceptions=True)
        (error,) = (one for one in found if isinstance(one, ServerError))  # the sixth of the day
        assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXHAUSTED")
        assert error.request_id

    tables: dict[str, dict[str, Any]] = {"access": {"tokens": str(tokens)}, "log": {"format": "json"}}
    serve(test, translator, PATIENCE, "a-token", **tables)
    calls = [line for line in read_log(log) if line.get("method") == f"{SERVICE}/Translate"]
    assert len({line["request_id"] for line in calls}) == len(calls) == 6
    assert {line["client"] for line in calls} == {"alice"}
    assert [line["code"] for line in calls].count("RESOURCE_EXHAUSTED") == 1


def test_too_many_calls_at_once_are_refused_like_plain_ones() -> None:
    translator = FakeTranslator()

    async def test(client: AsyncClient, server: TranslationServer) -> None:
        running = [asyncio.ensure_future(translate(client, "forever")) for _ in range(4)]
        while await count(server, "Translate", "RESOURCE_EXHAUSTED") < 1:  # it is made again until there is room
            await asyncio.sleep(0)
        assert translator.engine.num_active == 3
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    serve(test, translator, limits={"max_concurrent_calls_per_client": 3})


def test_an_older_server_gets_plain_calls() -> None:
    service = ScriptedService(answer_all)

    async def main(address: str) -> None:
        async with AsyncClient(address) as client:
            for _ in range(2):
                found = await asyncio.gather(*(translate(client, text) for text in TEXTS))
                assert found == [text.upper() for text in TEXTS]

    with scripted_server(service) as address:
        asyncio.run(asyncio.wait_for(main(address), PATIENCE))
    assert len(service.metadata) == 2 * len(TEXTS)


def test_a_server_that_stops_loses_no_call() -> None:
    async def main() -> None:
        first, second = FakeTranslator(num_slots=4), FakeTranslator(num_slots=4)
        async with make_server(first) as stopping, make_server(second) as staying:
            address = f"ipv4:{stopping.address},{staying.address}"
            async with AsyncClient(address) as client:
                done: list[str] = []

                async def translate_many(number: int) -> None:
                    for turn in range(20):
                        done.append(await translate(client, f"a {number} {turn}"))

                callers = [asyncio.ensure_future(translate_many(number)) for number in range(40)]
                while len(done) < 100:
                    await asyncio.sleep(0)
                await stopping.stop()
                await asyncio.gather(*callers)
                assert sorted(done) == sorted(f"{turn} {number} a" for number in range(40) for turn in range(20))
                assert second.engine.num_finished

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_calls_come_to_all_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "TRY_SECONDS", 0.0)  # gRPC may have reached one server alone at first

    async def main() -> None:
        translators = [FakeTranslator(num_slots=4) for _ in range(2)]
        async with (
            make_server(translators[0]) as one,
            make_server(translators[1]) as other,
            AsyncClient(f"ipv4:{one.address},{other.address}") as client,
        ):
            for translator in translators:
                translator.engine.gate.clear()
            calls: list[asyncio.Future[str]] = []

            async def call_again() -> None:
                calls.append(asyncio.ensure_future(translate(client, f"a {len(calls)}")))
                await client.get_server()  # a round trip later the stream is known

            while not all(translator.engine.occupied.is_set() for translator in translators):
                await call_again()
            for translator in translators:
                translator.engine.gate.set()
            await asyncio.gather(*calls)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_stream_without_calls_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.client.single_calls.asynchronous.IDLE_SECONDS", 0.01)

    async def test(client: AsyncClient, server: TranslationServer) -> None:
        for turn in range(2):
            await asyncio.gather(*(translate(client, text) for text in TEXTS))
            while await count(server, "TranslateCalls") <= turn:
                await asyncio.sleep(0)

    serve(test)


def test_threads_share_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.client.single_calls.blocking.IDLE_SECONDS", 0.05)
    translator = FakeTranslator(num_slots=16)
    translator.engine.gate.clear()
    texts = [*TEXTS, "refused"]

    def call(client: Client, text: str) -> str:
        try:
            return client.translate(text, to="de")[0].text
        except InvalidTextError as error:
            return error.reason if hasattr(error, "reason") else str(error)

    with (
        running_server(translator, metrics=METRICS) as address,
        Client(address, timeout=PATIENCE) as client,
        ThreadPoolExecutor(len(texts)) as threads,
    ):
        found = [threads.submit(call, client, text) for text in texts]
        assert translator.engine.held.wait(PATIENCE)
        translator.engine.gate.set()
        assert [one.result(PATIENCE) for one in found[:-1]] == [*map(expected, TEXTS)]
        assert "the engine refuses this text" in found[-1].result(PATIENCE)
        assert client.get_usage().day.num_calls == len(texts)


def test_a_thread_s_deadline_is_its_own() -> None:
    with running_server(FakeTranslator()) as address, Client(address, timeout=0.5) as client:
        codes: list[str] = []

        def wait() -> None:
            try:
                client.translate("forever", to="de")
            except ServerError as error:
                codes.append(error.code)

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert codes == ["DEADLINE_EXCEEDED"] * 3
        assert client.translate("a b", to="de")[0].text == "b a"


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([pb.TranslateCallsRequest()], "config: is missing"),
        ([], "config: is missing"),
        (
            [*2 * [pb.TranslateCallsRequest(config=pb.TranslateStreamConfig(target_language_code="de"))]],
            "config: is for",
        ),
        (
            [
                pb.TranslateCallsRequest(config=pb.TranslateStreamConfig(target_language_code="de")),
                pb.TranslateCallsRequest(calls=[pb.TranslateCall(id=7, text="forever")] * 2),
            ],
            "calls: the id 7 is that of a call that is still running",
        ),
    ],
)
def test_a_stream_in_disorder_is_refused(messages: list[pb.TranslateCallsRequest], message: str) -> None:
    async def test(client: AsyncClient, _: TranslationServer) -> None:
        with pytest.raises(Exception, match=message):
            async for _response in client._stub.TranslateCalls(iter(messages), timeout=PATIENCE):
                pass

    serve(test)
