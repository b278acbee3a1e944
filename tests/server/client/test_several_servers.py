"""One client and three servers, of which one stops and one is killed while calls run."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dragoman.server.client import AsyncClient, Client
from dragoman.server.client.connection import Connection
from tests.server_process import ServerProcess

CALLERS, ROUND = 16, 120
"""Concurrent callers, and answers between two events."""


@pytest.fixture
def servers(tiny_bundle: Path, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    tables: dict[str, Any] = {
        "models": [{"bundle": str(tiny_bundle)}],
        "memory": {"max_bytes": 0},
        "limits": {"max_connection_seconds": 5.0},
    }
    with ExitStack() as stack:
        servers = []
        for number in range(3):
            servers.append(ServerProcess(tmp_path / str(number), tables))
            stack.callback(servers[-1].stop)
        yield servers


def calls_of(server: ServerProcess) -> int:
    """Number of answered calls in its log."""
    return server.log.read_text("utf-8").count("code=OK")


def test_no_call_fails_while_one_server_stops_and_one_dies(servers: list[ServerProcess]) -> None:
    address = "ipv4:" + ",".join(server.address for server in servers)
    answered = 0
    kinds = {"one text": 0, "two texts": 0, "stream": 0}

    async def main() -> None:
        nonlocal answered
        is_over = False

        async def work(client: AsyncClient, number: int) -> None:
            nonlocal answered
            while not is_over:
                kind = list(kinds)[number % 3]
                text = f"{number} {answered}"
                if kind == "one text":  # concurrent ones share streams
                    found = await client.translate(text, "de", max_target_length=4, protect=False)
                elif kind == "two texts":
                    found = await client.translate([text, "b"], "de", max_target_length=4, protect=False)
                else:
                    stream = client.translate_stream([text, "b", "c"], "de", max_target_length=4, protect=False)
                    found = [one async for one in stream]
                assert all(one.text is not None for one in found)
                answered += 1
                kinds[kind] += 1

        async def reach(number: int) -> None:
            while answered < number and not any(worker.done() for worker in workers):
                await asyncio.sleep(0.01)

        async with AsyncClient(address, timeout=60.0) as client:
            workers = [asyncio.ensure_future(work(client, number)) for number in range(CALLERS)]
            await reach(ROUND)
            servers[0].process.send_signal(signal.SIGTERM)
            await reach(2 * ROUND)
            servers[1].process.send_signal(signal.SIGKILL)
            await reach(4 * ROUND)
            is_over = True
            await asyncio.gather(*workers)

    asyncio.run(main())
    assert min(kinds.values()) > 0
    assert servers[0].process.wait(60) == 0
    assert servers[1].process.wait(60) == -signal.SIGKILL
    assert all(calls_of(server) > 0 for server in servers)


def test_calls_of_the_blocking_client_survive_both(servers: list[ServerProcess]) -> None:
    with Client("ipv4:" + ",".join(server.address for server in servers), timeout=60.0) as client:
        for number in range(30):
            if number == 10:
                servers[0].process.send_signal(signal.SIGTERM)
            if number == 20:
                servers[1].process.send_signal(signal.SIGKILL)
            assert len(client.translate(["a", f"{number}"], "de", max_target_length=4)) == 2


@pytest.mark.parametrize(
    ("address", "is_checked"),
    [("localhost:1", False), ("dns:///a.b:1", True), ("ipv4:127.0.0.1:1,127.0.0.1:2", True), ("unix:/a", False)],
)
def test_health_is_asked_where_an_address_may_stand_for_several_servers(address: str, is_checked: bool) -> None:
    options = Connection(address, 1.0)._options()
    names = [name for name, _ in options]
    assert len(set(names)) == len(names)
    config = json.loads(str(dict(options)["grpc.service_config"]))
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert ("healthCheckConfig" in config) is is_checked
    once, others = config["methodConfig"]
    assert {one["method"] for one in once["name"]} == {"CreateGlossary", "DeleteGlossary"}
    assert "retryPolicy" not in once
    assert "retryPolicy" in others
