"""What a client learns of its usage, against a real server."""

import asyncio
from pathlib import Path

import pytest

from dragoman.server.client import AsyncClient, Client, ServerError
from tests.server.fakes import FakeTranslator
from tests.server.running import running_server


def test_a_client_learns_its_usage_and_is_refused_at_once_beyond_its_quota(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "one"\ncharacters_per_day = 10\ncalls_per_month = 9\n')
    with running_server(FakeTranslator(), access={"tokens": str(tokens)}) as address:
        with Client(address, token="one") as client:
            client.translate(["a b c", ""], to="de", source_language="en")
            list(client.translate_stream(["a", "b"], to="de", source_language="en"))
            client.list_models()
            usage = client.get_usage()
            assert (usage.day.num_characters, usage.day.max_characters, usage.day.max_calls) == (7, 10, None)
            assert (usage.month.num_calls, usage.month.max_calls, usage.month.max_characters) == (2, 9, None)
            assert usage.day.begin < usage.day.end <= usage.month.end
            with pytest.raises(ServerError, match=r"RESOURCE_EXHAUSTED.*the quota of 10 characters per day"):
                client.translate("a b c", to="de")
            with pytest.raises(ServerError, match=r"RESOURCE_EXHAUSTED.*the quota of 10 characters per day"):
                list(client.translate_stream(["a b c"], to="de", source_language="en"))

        async def ask() -> int:
            async with AsyncClient(address, token="one") as client:
                return (await client.get_usage()).day.num_characters

        assert asyncio.run(ask()) == 7
