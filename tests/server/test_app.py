"""The server as a whole: health, reflection, its port, and how it stops."""

import asyncio
import gc
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.server.app import TranslationServer, serve
from dragoman.server.client import AsyncClient, Client, ServerError
from dragoman.server.config import ModelConfig
from dragoman.server.grpc.health_service import SERVICE_NAME
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc as pb_grpc
from tests.server.fakes import FakeTranslator, wait_for
from tests.server.grpc.messages import bring
from tests.server.running import PATIENCE, make_config, make_server, running_server, trust

Status = health_pb2.HealthCheckResponse


@asynccontextmanager
async def started(*translators: FakeTranslator, drain_seconds: float = PATIENCE) -> AsyncIterator[TranslationServer]:
    async with make_server(*translators, server={"drain_seconds": drain_seconds}) as server:
        yield server


def test_health_tells_of_the_server_and_of_the_service() -> None:
    async def main() -> None:
        async with started(FakeTranslator()) as server, grpc.aio.insecure_channel(server.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the methods
            for name in ("", SERVICE_NAME, f"{SERVICE_NAME}/en-de"):
                assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == Status.SERVING
            with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
                await health.Check(health_pb2.HealthCheckRequest(service="other"))

    assert SERVICE_NAME == "dragoman.v1.TranslationService"
    asyncio.run(main())


def test_health_of_a_model_that_breaks_and_is_loaded_anew(caplog: pytest.LogCaptureFixture) -> None:
    broken, sound = FakeTranslator("broken"), FakeTranslator("sound")
    broken.engine.is_broken = True
    go_on = threading.Event()

    def load(model: ModelConfig) -> ServedTranslator:
        if model.bundle == "sound":
            return sound
        if not broken.engine.is_closed:
            return broken
        assert go_on.wait(PATIENCE)
        return FakeTranslator("broken")

    async def main() -> None:
        async with (
            TranslationServer(make_config("broken", "sound"), load=load, try_out=trust) as server,
            AsyncClient(server.address) as client,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            health: Any = health_pb2_grpc.HealthStub(channel)
            watches = [
                health.Watch(health_pb2.HealthCheckRequest(service=name))
                for name in ("", f"{SERVICE_NAME}/sound", f"{SERVICE_NAME}/broken")
            ]
            assert [(await watch.read()).status for watch in watches] == [Status.SERVING] * 3
            with pytest.raises(
                ServerError, match="the decoding engine is broken; the model is being loaded again"
            ) as caught:
                await client.translate("a", to="de", model="broken")
            assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "ENGINE_FAILED")
            assert (await watches[2].read()).status == Status.NOT_SERVING
            assert (await client.translate("a b", to="de", model="sound"))[0].text == "b a"
            for name in ("", SERVICE_NAME, f"{SERVICE_NAME}/sound"):
                assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == Status.SERVING
            go_on.set()
            assert (await watches[2].read()).status == Status.SERVING
            assert (await client.translate("a b", to="de", model="broken"))[0].text == "b a"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_server_without_a_model_that_works_is_not_well() -> None:
    broken = FakeTranslator("broken")
    broken.engine.is_broken = True

    def load(model: ModelConfig) -> ServedTranslator:
        if broken.engine.is_closed:
            raise DragomanError("the device is gone")
        return broken

    async def main() -> None:
        async with (
            TranslationServer(make_config("broken"), load=load, try_out=trust) as server,
            AsyncClient(server.address) as client,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            health: Any = health_pb2_grpc.HealthStub(channel)
            watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", SERVICE_NAME)]
            assert [(await watch.read()).status for watch in watches] == [Status.SERVING] * 2
            with pytest.raises(ServerError):
                await client.translate("a", to="de")
            assert [(await watch.read()).status for watch in watches] == [Status.NOT_SERVING] * 2

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_shutdown_first_turns_health_and_then_finishes_running_calls() -> None:
    translator = FakeTranslator()
    translator.engine.gate.clear()

    async def main() -> None:
        async with (
            started(translator) as server,
            AsyncClient(server.address) as client,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE_NAME))
            assert (await watch.read()).status == Status.SERVING
            running = asyncio.ensure_future(client.translate("a b c", to="de"))
            await wait_for(translator.engine.held)
            stopping = asyncio.ensure_future(server.stop())
            assert (await watch.read()).status == Status.NOT_SERVING
            assert not stopping.done()
            translator.engine.gate.set()
            assert (await running)[0].text == "c b a"
            await stopping  # although the watch is still open
            with pytest.raises(ServerError, match=f"^the server at {server.address} is unavailable: "):
                await client.translate("late", to="de")

    asyncio.run(asyncio.wait_for(main(), PATIENCE / 2))


def open_stream(channel: grpc.aio.Channel, texts: list[str]) -> tuple[Any, list[pb.TranslateStreamRequest]]:
    """A stream of which all is sent but its end."""
    call: Any = pb_grpc.TranslationServiceStub(channel).TranslateStream()
    config = pb.TranslateStreamConfig(source_language_code="en", target_language_code="de")
    items = [pb.TranslateStreamItem(id=number, text=text) for number, text in enumerate(texts)]
    requests = [
        pb.TranslateStreamRequest(config=config),
        *(bring([item]) for item in items),
    ]
    return call, requests


@pytest.mark.parametrize("ends_by_itself", [True, False], ids=["ends by itself", "goes on"])
def test_shutdown_lets_streams_end_in_order(ends_by_itself: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = FakeTranslator()
    translator.engine.gate.clear()
    if not ends_by_itself:
        monkeypatch.setattr("dragoman.server.app.STREAM_SHARE", 0.0)

    async def main() -> None:
        async with started(translator) as server, grpc.aio.insecure_channel(server.address) as channel:
            call, requests = open_stream(channel, ["a b"])
            for request in requests:
                await call.write(request)
            assert (await call.read()).started.model == "en-de"
            await wait_for(translator.engine.held)
            stopping = asyncio.ensure_future(server.stop())
            translator.engine.gate.set()
            assert (await call.read()).results[0].translation.hypotheses[0].text == "b a"
            if ends_by_itself:
                await call.done_writing()
            await stopping
            assert await call.code() == (grpc.StatusCode.OK if ends_by_itself else grpc.StatusCode.UNAVAILABLE)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_the_grace_time_ends() -> None:
    async def main() -> None:
        translator = FakeTranslator()
        async with started(translator, drain_seconds=0.05) as server, AsyncClient(server.address) as client:
            endless = asyncio.ensure_future(client.translate("forever", to="de"))
            await wait_for(translator.engine.occupied)
            await server.stop()
            with pytest.raises(ServerError):
                await endless
        assert translator.engine.num_active == 0

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_foreign_client_needs_nothing_but_reflection() -> None:
    with running_server(FakeTranslator()) as address, grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert SERVICE_NAME in database.get_services()
        assert "grpc.health.v1.Health" in database.get_services()
        service = DescriptorPool(database).FindServiceByName(SERVICE_NAME)
        assert service.file.name == "dragoman/v1/translation.proto"
        method = service.methods_by_name["Translate"]
        request = GetMessageClass(method.input_type)(texts=["hello big world"], target_language_code="de")
        call: Any = channel.unary_unary(
            f"/{SERVICE_NAME}/Translate",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        response = call(request, timeout=PATIENCE)
    assert response.translations[0].hypotheses[0].text == "world big hello"


def test_what_is_offered_is_configured() -> None:
    def services(**server: object) -> list[str]:
        with (
            running_server(FakeTranslator(), server=server) as address,
            grpc.insecure_channel(address) as channel,
        ):
            return sorted(ProtoReflectionDescriptorDatabase(channel).get_services())

    always = [SERVICE_NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]
    assert services() == sorted(always)
    assert services(channelz=True) == sorted([*always, "grpc.channelz.v1.Channelz"])
    google = services(google=True)
    assert "google.cloud.translation.v3.TranslationService" in google
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        services(reflection=False)


def test_channelz_tells_of_the_server() -> None:
    with (
        running_server(FakeTranslator(), server={"channelz": True}) as address,
        grpc.insecure_channel(address) as channel,
    ):
        response = channelz_pb2_grpc.ChannelzStub(channel).GetServers(channelz_pb2.GetServersRequest())
    assert response.server


def test_metrics_tell_of_the_models() -> None:
    async def main() -> None:
        translator = FakeTranslator()
        async with make_server(translator, metrics={"listen": "127.0.0.1:0"}) as server:
            async with AsyncClient(server.address) as client:
                await client.translate("a b c", to="de")
            reader, writer = await asyncio.open_connection(*server.metrics_address.split(":"))
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            page = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
        assert 'model="en-de"' in page
        assert translator.engine.is_closed

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_an_open_port_is_told_of_loudly(caplog: pytest.LogCaptureFixture) -> None:
    with running_server(FakeTranslator(), server={"listen": "0.0.0.0:0"}):
        (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.startswith("0.0.0.0:0 has neither TLS nor tokens")


def test_tokens_guard_all_but_health(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "0123456789abcdef0123456789abcdef"\n')
    with (
        running_server(FakeTranslator(), access={"tokens": tokens}) as address,
        grpc.insecure_channel(address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == Status.SERVING
        stub: Any = pb_grpc.TranslationServiceStub(channel)
        with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
            stub.ListModels(pb.ListModelsRequest())
        authorization = (("authorization", "Bearer 0123456789abcdef0123456789abcdef"),)
        assert len(stub.ListModels(pb.ListModelsRequest(), metadata=authorization).models) == 1
        with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
            ProtoReflectionDescriptorDatabase(channel).get_services()


def test_calls_keep_to_the_limits_of_the_configuration() -> None:
    with running_server(FakeTranslator(), limits={"max_texts": 2}) as address, Client(address) as client:
        assert client.get_server().limits.max_texts == 2
        with pytest.raises(InvalidInputError, match="at most 2"):
            client.translate(["a", "b", "c"], to="de")


def test_an_address_that_cannot_be_bound_is_one_clear_line(capfd: pytest.CaptureFixture[str]) -> None:
    async def main(address: str, reason: str = "Address already in use") -> None:
        with pytest.raises(DragomanError) as caught:
            await make_server(FakeTranslator(), server={"listen": address}).start()
        assert str(caught.value) == f"cannot listen on {address}: {reason}"

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(main(f"127.0.0.1:{taken.getsockname()[1]}"))
    with running_server(FakeTranslator(), log={"level": "error"}) as address:  # by another server of ours
        asyncio.run(main(address))
    asyncio.run(main("192.0.2.1:0", "Cannot assign requested address"))  # an address that is nobody's
    assert capfd.readouterr().err == ""


def test_a_server_looks_for_garbage_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("exit_on_stop_signals", "ignore_reload_signal"):
        monkeypatch.setattr(f"dragoman.server.app.{name}", lambda: None)
    found = []
    monkeypatch.setattr("dragoman.server.app.run_until_stopped", lambda *_: found.append(gc.get_threshold()))
    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # whatever a server that ran in this process before has left
    try:
        serve(make_config())
    finally:
        gc.set_threshold(*usual)
    ((young, *older),) = found
    assert young > 700
    assert older == [10, 10]


def test_what_cannot_be_loaded_leaves_nothing_behind() -> None:
    def load(model: ModelConfig) -> ServedTranslator:
        if model.bundle == "bad":
            raise DragomanError("bad: damaged")
        return good

    good = FakeTranslator("good")

    async def main() -> None:
        server = TranslationServer(make_config("good", "bad"), load=load, try_out=trust)
        with pytest.raises(DragomanError, match="bad: damaged"):
            await server.start()

    asyncio.run(main())
    assert good.engine.is_closed


SERVE = """
import sys, threading
from dragoman.server.app import run_until_stopped
from dragoman.server.processes.signals import exit_on_stop_signals
from tests.server.fakes import FakeTranslator
from tests.server.running import make_server

translator = FakeTranslator()
translator.engine.gate.clear()

def hold_the_first_step():
    translator.engine.held.wait()
    print("held", flush=True)
    sys.stdin.readline()
    translator.engine.gate.set()

threading.Thread(target=hold_the_first_step).start()
exit_on_stop_signals()
run_until_stopped(make_server(translator), lambda line: print(line, flush=True))
print("bye", flush=True)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_running_calls_and_ends_the_process(signal_number: int) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SERVE], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            line = _read_line(process)
            assert line.startswith("Dragoman serves en-de on 127.0.0.1:")
            asyncio.run(asyncio.wait_for(_interrupt(process, signal_number, line.split()[-1]), PATIENCE))
            output, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert (process.returncode, output) == (0, "bye\n")
    assert "Traceback" not in errors


async def _interrupt(process: "subprocess.Popen[str]", signal_number: int, address: str) -> None:
    """Sends the signal while a call is in the engine, and lets the engine go on once the health has turned."""
    async with AsyncClient(address) as client, grpc.aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == Status.SERVING
        running = asyncio.ensure_future(client.translate("a b c", to="de"))
        assert await asyncio.to_thread(_read_line, process) == "held\n"
        process.send_signal(signal_number)
        assert (await watch.read()).status == Status.NOT_SERVING
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert (await running)[0].text == "c b a"


def _read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


HANG = """
import signal, sys, threading
import dragoman.server.app
from tests.server.fakes import FakeTranslator
from tests.server.running import make_config, trust

dragoman.server.app.LATE_SECONDS = 0.1
loaded = []

def load(model):
    if loaded and sys.argv[1] == "loading":
        hang()
    loaded.append(FakeTranslator())
    if sys.argv[1] == "closing":
        loaded[-1].close = hang
    return loaded[-1]

def hang():
    print(sys.argv[1], flush=True)
    threading.Event().wait()  # for ever

config = make_config("en-de", server={"drain_seconds": 0.1})
states = iter(range(1000))
found = dragoman.server.app.TranslationServer(config, load=load, try_out=trust)
found._upkeep._state_of = lambda bundle: BundleState(str(next(states)), ())
from dragoman.server.watching import BundleState
dragoman.server.app.run_until_stopped(found, lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize(("what", "status"), [("loading", 0), ("closing", 1)])
def test_what_hangs_is_ended(what: str, status: int) -> None:
    """A new version of a model is being read from a disk that never answers, which is given up, or is never closed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HANG, what], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert _read_line(process).startswith("Dragoman serves en-de on 127.0.0.1:")
            process.send_signal(signal.SIGHUP)
            assert _read_line(process) == f"{what}\n"
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == status
    assert ("the server did not stop in time" in errors) is (status == 1)
