"""Guard and sight as parts of the server: one call, seen from everywhere."""

import asyncio
import io
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.fakes import PATIENCE, FakeTranslator
from tests.server.grpc.authority import Authority
from tests.server.grpc.serving import SERVICE, bearer, read_log, run
from tests.server.running import make_server
from tests.server.telemetry.scraping import find, scrape


def test_a_call_is_guarded_counted_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "alice"\ntoken = "a-token"\nmax_priority = "batch"\n')
    authority = Authority()
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    authority.issue("server").write(certificate, key)
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    tables: dict[str, dict[str, Any]] = {
        "server": {"channelz": True},
        "access": {"tokens": str(tokens)},
        "tls": {"certificate": str(certificate), "key": str(key)},
        "metrics": {"listen": "127.0.0.1:0"},
        "log": {"format": "json"},
    }

    async def test() -> None:
        credentials = grpc.ssl_channel_credentials(authority.certificate)
        async with (
            make_server(FakeTranslator(), **tables) as server,
            grpc.aio.secure_channel(server.address, credentials) as channel,
        ):
            reflect: Any = reflection_pb2_grpc.ServerReflectionStub
            health: Any = health_pb2_grpc.HealthStub(channel)
            assert (
                await health.Check(health_pb2.HealthCheckRequest())
            ).status == health_pb2.HealthCheckResponse.SERVING
            for call in (
                translation_pb2_grpc.TranslationServiceStub(channel).ListModels(pb.ListModelsRequest()),
                channelz_pb2_grpc.ChannelzStub(channel).GetServers(channelz_pb2.GetServersRequest()),
                reflect(channel).ServerReflectionInfo(),
            ):
                assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
            stub: Any = translation_pb2_grpc.TranslationServiceStub(channel)
            metadata = (*bearer("a-token"), ("x-request-id", "mine"))
            request = pb.TranslateRequest(texts=["a b", "c"], target_language_code="de")
            assert len((await stub.Translate(request, metadata=metadata, timeout=PATIENCE)).translations) == 2
            found = await asyncio.to_thread(scrape, server.metrics_address)
            translate = f"{SERVICE}/Translate"
            assert find(found, "dragoman_requests_total", method=translate, code="OK") == 1
            assert find(found, "dragoman_requests_refused_total", reason="unauthenticated") == 3
            assert find(found, "dragoman_queue_seconds_count", model="en-de", priority="batch") == 2
            assert find(found, "dragoman_first_token_seconds_count", model="en-de") == 2
            assert find(found, "dragoman_sentence_duration_seconds_count", model="en-de") == 2
            assert find(found, "dragoman_engine_sentences_finished_total", model="en-de") == 2
            assert find(found, "dragoman_model_info", model="en-de", revision="0123456789abcdef") == 1
            assert find(found, "dragoman_certificate_expiry_timestamp_seconds") > 2e9

    run(test())
    (line,) = [line for line in read_log(log) if line.get("request_id") == "mine"]
    assert (line["client"], line["model"], line["code"], line["texts"]) == ("alice", "en-de", "OK", 2)
    assert 0 <= line["queue_milliseconds"] < line["milliseconds"]
