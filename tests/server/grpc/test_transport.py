"""What gRPC itself refuses, over real connections."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from dragoman.model.errors import DragomanError
from dragoman.server.client import AsyncClient
from dragoman.server.config import LimitsConfig
from dragoman.server.grpc.transport import Registrar, refuse_unusable_address, server_options
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.fakes import PATIENCE, FakeTranslator
from tests.server.grpc.serving import refused, run, serving
from tests.server.running import make_server

Code = grpc.StatusCode


def test_the_configured_limits_reach_grpc() -> None:
    limits = LimitsConfig(
        max_message_bytes=2000, max_connection_streams=3, max_metadata_bytes=4000, min_ping_seconds=0.5
    )
    options = dict(server_options(limits))
    assert options["grpc.max_receive_message_length"] == options["grpc.max_send_message_length"] == 2000
    assert options["grpc.max_concurrent_streams"] == 3
    assert options["grpc.max_metadata_size"] == options["grpc.absolute_max_metadata_size"] == 4000
    assert options["grpc.http2.min_ping_interval_without_data_ms"] == 500


def test_an_old_connection_takes_no_further_calls_and_finishes_those_it_has() -> None:
    async def test() -> None:
        async with serving(limits=LimitsConfig(max_connection_seconds=0.05)) as at:
            waiting = at.stub.Translate(pb.TranslateRequest(texts=["wait"]), timeout=PATIENCE)
            await asyncio.wait_for(at.service.running.wait(), PATIENCE)
            first = at.service.callers[0].client
            async with asyncio.timeout(PATIENCE):
                while at.service.callers[-1].client == first:
                    await at.stub.Translate(pb.TranslateRequest(texts=["a"]), wait_for_ready=True)
            at.service.release.set()
            assert (await waiting).translations[0].hypotheses[0].text == "wait"

    run(test())


def test_a_connection_lasts_for_good_unless_configured_otherwise() -> None:
    assert "grpc.max_connection_age_ms" not in dict(server_options(LimitsConfig()))


def test_too_much_metadata_is_refused() -> None:
    async def test() -> None:
        async with serving(limits=LimitsConfig(max_metadata_bytes=2000)) as at:
            request = pb.TranslateRequest(texts=["a"])
            error = await refused(at.stub.Translate(request, metadata=(("x-a", "a" * 2000),), timeout=PATIENCE))
            assert error.code() is Code.RESOURCE_EXHAUSTED
            assert at.service.callers == []
            await at.stub.Translate(request, metadata=(("x-a", "a" * 500),), timeout=PATIENCE)

    run(test())


def test_a_connection_that_pings_too_often_is_closed() -> None:
    busy = (
        ("grpc.keepalive_time_ms", 10),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    )

    async def test() -> None:
        async with serving(limits=LimitsConfig(min_ping_seconds=100)) as at:
            options = list(busy)
            async with grpc.aio.insecure_channel(at.address, options=options) as channel:
                stub: Any = translation_pb2_grpc.TranslationServiceStub(channel)
                error = await refused(stub.Translate(pb.TranslateRequest(texts=["wait"]), timeout=PATIENCE))
                assert error.code() in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)
                assert "too_many_pings" in (error.details() or "").lower().replace(" ", "_")
            at.service.running.clear()
            await at.stub.Translate(pb.TranslateRequest(texts=["a"]), timeout=PATIENCE)  # others are left alone

    run(test())


def test_calls_of_a_connection_past_the_limit_wait_at_the_client() -> None:
    async def test() -> None:
        async with serving(limits=LimitsConfig(max_connection_streams=1)) as at:
            first = at.stub.Translate(pb.TranslateRequest(texts=["wait"]), timeout=PATIENCE)
            await asyncio.wait_for(at.service.running.wait(), PATIENCE)
            second = at.stub.Translate(pb.TranslateRequest(texts=["a"]), timeout=PATIENCE)
            assert (
                await at.stub.Translate(pb.TranslateRequest(texts=["b"]), timeout=0.1).code() is Code.DEADLINE_EXCEEDED
            )
            assert len(at.service.callers) == 1
            at.service.release.set()
            await asyncio.gather(first, second)
            assert len(at.service.callers) == 2

    run(test())


class FakeServer:
    """Notes the handlers that it is given."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self.handlers += handlers

    def add_registered_method_handlers(self, service_name: str, method_handlers: Any) -> None:
        raise AssertionError(f"{service_name} is registered beforehand")


def test_a_service_is_added_by_its_generic_handler_alone() -> None:
    server: Any = FakeServer()
    registrar: Any = Registrar(server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), registrar)
    (handler,) = server.handlers
    assert handler.service_name() == "grpc.health.v1.Health"


@pytest.mark.parametrize("listen", ["unix:/{}/a.sock", "[::1]:0"])
def test_a_server_listens_on_a_socket_and_on_ipv6(tmp_path: Path, listen: str) -> None:
    if "::1" in listen:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")

    async def test() -> None:
        server_table = {"listen": listen.format(tmp_path).replace("//", "/")}
        for _ in range(2):
            async with make_server(FakeTranslator(), server=server_table) as server:
                assert server.address.startswith(listen[:5])
                client = AsyncClient(server.address)
                assert [one.text for one in await client.translate(["a b"], to="de")] == ["b a"]
                await client.close()
                if "unix" in listen:
                    with pytest.raises(DragomanError, match="Address already in use"):
                        await make_server(FakeTranslator(), server=server_table).start()

    run(test())


def test_a_socket_takes_the_place_of_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "stale"))
    stale.close()
    refuse_unusable_address(f"unix:{tmp_path}/stale")
    for name, reason in (("file", "File exists"), ("none/a", "No such file or directory")):
        with pytest.raises(DragomanError, match=reason):
            refuse_unusable_address(f"unix:{tmp_path}/{name}")
