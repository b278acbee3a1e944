"""The asynchronous client against a real server."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dragoman.model.errors import InvalidInputError, InvalidTextError, NotFoundError
from dragoman.server.client import AsyncClient, ServerError, TextError
from tests.server.fakes import FakeTranslator
from tests.server.running import PATIENCE, running_server


def serve(test: Callable[[AsyncClient], Awaitable[None]], translator: FakeTranslator | None = None) -> None:
    async def main(address: str) -> None:
        async with AsyncClient(address) as client:
            await asyncio.wait_for(test(client), PATIENCE)

    with running_server(translator or FakeTranslator(num_slots=16)) as address:
        asyncio.run(main(address))


def test_calls_run_side_by_side() -> None:
    async def test(client: AsyncClient) -> None:
        first, second = await asyncio.gather(client.translate("a b", to="de"), client.translate(["c d"], to="en"))
        assert (first[0].text, second[0].text) == ("b a", "d c")
        assert [model.name for model in await client.list_models()] == ["en-de"]
        assert (await client.get_model("en-de")).name == "en-de"
        with pytest.raises(NotFoundError):
            await client.translate("a", to="xx")

    serve(test)


def test_cancelling_a_task_cancels_its_call() -> None:
    async def test(client: AsyncClient) -> None:
        doomed = asyncio.ensure_future(client.translate(["forever"] * 16, to="de"))
        await asyncio.sleep(0)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        assert (await client.translate("e f", to="de"))[0].text == "f e"

    serve(test)


def test_a_text_at_fault_is_told_from_its_neighbours() -> None:
    async def test(client: AsyncClient) -> None:
        error = TextError("refused", "the engine refuses this text", 3)
        _, second = await client.translate_each(["a b", "refused"], to="de")
        assert second == error
        with pytest.raises(InvalidTextError, match="text 1: the engine refuses this text"):
            await client.translate(["a b", "refused"], to="de")
        found = dict([result async for result in client.translate_unordered(["a b", "refused", "c"], to="de")])
        assert found[1] == error
        translations = client.translate_stream(["a b", "refused", "c"], to="de")
        assert (await anext(translations)).text == "b a"
        with pytest.raises(InvalidTextError, match="text 1: the engine refuses this text"):
            await anext(translations)

    serve(test)


def test_streams_keep_the_order() -> None:
    async def test(client: AsyncClient) -> None:
        texts = [" ".join("abcdefgh"[: 1 + (5 * i) % 8]) + f" {i}" for i in range(300)]
        found = [translation.source async for translation in client.translate_stream(texts, to="de", window=21)]
        assert found == texts
        assert [translation async for translation in client.translate_stream([], to="de")] == []

    serve(test)


def test_an_error_of_the_reader_s_own_ends_the_stream() -> None:
    async def fail(client: AsyncClient) -> None:
        async for translation in client.translate_stream(["a b"] * 100, to="de"):
            raise ZeroDivisionError(translation.text)

    async def test(client: AsyncClient) -> None:
        with pytest.raises(ZeroDivisionError, match="b a"):
            await fail(client)

    serve(test)


def test_watches_scores_and_detects() -> None:
    async def test(client: AsyncClient) -> None:
        live = [one async for one in client.translate_live("a b c", to="de")]
        assert (live[-1].text, live[-1].translation is not None) == ("c b a", True)
        with pytest.raises(InvalidInputError, match="text: the text has 60 pieces"):
            [one async for one in client.translate_live("b " * 60, to="de")]
        (score,) = await client.score([("a", "b c")], to="de")
        assert score.score == -2.0
        good, bad = await client.score_each([("a", "b c"), ("d", "")], to="de")
        assert (good, bad) == (score, TextError("d", "the target is blank", 3))
        ((found,),) = await client.detect_language("The weather is lovely this morning.")
        assert found.language == "en"

    serve(test)


def test_nobody_there() -> None:
    async def main() -> None:
        async with AsyncClient("127.0.0.1:1") as client:
            with pytest.raises(ServerError, match="is unavailable"):
                await client.list_models()
            with pytest.raises(ServerError, match="is unavailable"):
                await anext(client.translate_stream(["a"], to="de"))

    asyncio.run(main())
