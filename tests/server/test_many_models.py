"""A server whose models are loaded by calls."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dragoman.model.config import Direction
from dragoman.server.app import TranslationServer
from dragoman.server.catalogue.served import ShelvedModel
from dragoman.server.client import AsyncClient, Client, ServerError
from dragoman.server.config import ModelConfig
from dragoman.server.grpc.health_service import SERVICE_NAME
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.watching import BundleState
from tests.server.fakes import PATIENCE, FakeTranslator, wait_for
from tests.server.running import make_config, make_server, running_server

ENGLISH = "The weather is lovely this morning, and we walk to the lake."
GERMAN = "Heute Morgen ist das Wetter wunderschön, und wir gehen an den See."
FRENCH = "Le temps est magnifique ce matin et nous allons au bord du lac."

ON_DEMAND = {"max_memory_bytes": 2**40}
EN_PT, DE_EN, FR_EN = Direction("en", "pt"), Direction("de", "en"), Direction("fr", "en")


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), PATIENCE))


async def state_of(client: AsyncClient) -> dict[str, str]:
    return {model.name: model.state for model in await client.list_models()}


def three() -> list[FakeTranslator]:
    return [FakeTranslator("de-en", (DE_EN,)), FakeTranslator("fr-en", (FR_EN,)), FakeTranslator("en-pt", (EN_PT,))]


def test_all_models_are_listed_and_healthy_before_they_are_loaded() -> None:
    async def main() -> None:
        async with make_server(*three(), server=ON_DEMAND) as server, AsyncClient(server.address) as client:
            assert await state_of(client) == {"de-en": "unloaded", "fr-en": "unloaded", "en-pt": "unloaded"}
            assert (await client.get_model("fr-en")).directions == (FR_EN,)
            async with grpc.aio.insecure_channel(server.address) as channel:
                health: Any = health_pb2_grpc.HealthStub(channel)
                for name in ("", SERVICE_NAME, f"{SERVICE_NAME}/de-en"):
                    answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                    assert answer.status == health_pb2.HealthCheckResponse.SERVING
            (found,) = await client.translate("a b", "en", source_language="fr")
            assert (found.text, await state_of(client)) == (
                "b a",
                {"de-en": "unloaded", "fr-en": "loaded", "en-pt": "unloaded"},
            )

    run(main)


def test_detection_loads_only_the_models_of_the_languages_that_it_finds() -> None:
    async def main() -> None:
        async with make_server(*three(), server=ON_DEMAND) as server, AsyncClient(server.address) as client:
            found = await client.translate([GERMAN, ENGLISH, " "], "en", source_language="auto")
            assert found[0].text == " ".join(reversed(GERMAN.split()))
            assert found[1].text == ENGLISH  # is in the target language: no model is needed
            assert await state_of(client) == {"de-en": "loaded", "fr-en": "unloaded", "en-pt": "unloaded"}
            texts = [FRENCH, GERMAN, FRENCH]
            streamed = [one.text async for one in client.translate_stream(texts, "en", source_language="auto")]
            assert streamed == [" ".join(reversed(text.split())) for text in texts]
            assert await state_of(client) == {"de-en": "loaded", "fr-en": "loaded", "en-pt": "unloaded"}

    run(main)


def test_html_is_detected_by_its_text() -> None:
    async def main() -> None:
        async with make_server(*three(), server=ON_DEMAND) as server, AsyncClient(server.address) as client:
            text = f"<p>{GERMAN}</p>"
            await client.translate(text, "en", source_language="auto", text_format="html")
            assert await state_of(client) == {"de-en": "loaded", "fr-en": "unloaded", "en-pt": "unloaded"}

    run(main)


def test_a_pivot_loads_both_models() -> None:
    async def main() -> None:
        tables = {"server": {**ON_DEMAND, "pivot": "en"}}
        async with make_server(*three(), **tables) as server, AsyncClient(server.address) as client:
            (found,) = await client.translate("a b c", "pt", source_language="de")
            assert found.text == "a b c"  # reversed twice
            assert await state_of(client) == {"de-en": "loaded", "fr-en": "unloaded", "en-pt": "loaded"}

    run(main)


def test_streams_live_texts_and_scores_load_their_model() -> None:
    async def main() -> None:
        async with make_server(*three(), server=ON_DEMAND) as server, AsyncClient(server.address) as client:
            streamed = client.translate_stream(["a b", "c d"], "en", source_language="de")
            assert [one.text async for one in streamed] == ["b a", "d c"]
            live = [one async for one in client.translate_live("a b", "en", source_language="fr")]
            assert live[-1].stable_text == "b a"
            (scored,) = await client.score([("a", "b c")], "pt", source_language="en")
            assert scored.score == -2.0
            assert set((await state_of(client)).values()) == {"loaded"}

    run(main)


def test_a_call_whose_deadline_passes_while_its_model_loads_ends_then() -> None:
    loading, go_on = threading.Event(), threading.Event()
    translator = FakeTranslator("de-en", (DE_EN,))

    def load(model: ModelConfig) -> ServedTranslator:
        loading.set()
        assert go_on.wait(PATIENCE)
        return translator

    def describe(model: ModelConfig, state: BundleState) -> ShelvedModel:
        return ShelvedModel(model, state, translator.info, "")

    async def main() -> None:
        config = make_config("de-en", server=ON_DEMAND)
        async with (
            TranslationServer(config, load=load, describe=describe) as server,
            AsyncClient(server.address, timeout=0.2) as hasty,
            AsyncClient(server.address) as patient,
        ):
            waiting = asyncio.ensure_future(patient.translate("a b", "en"))
            await wait_for(loading)
            with pytest.raises(ServerError) as caught:
                await hasty.translate("a b", "en")
            assert caught.value.code == "DEADLINE_EXCEEDED"
            assert await state_of(patient) == {"de-en": "loading"}
            go_on.set()
            assert (await waiting)[0].text == "b a"

    run(main)


def test_the_client_retries_a_call_that_its_model_was_not_ready_for() -> None:
    tables = {"server": {**ON_DEMAND, "load_wait_seconds": 0.0}}
    with running_server(FakeTranslator("de-en", (DE_EN,)), **tables) as address, Client(address) as client:
        assert client.translate("a b", "en")[0].text == "b a"
