"""What callers send, through every method and field: the log holds nothing of it."""

import pytest

pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate: pip install 'dragoman[google]'")

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dragoman.server.app import TranslationServer
from dragoman.server.call_context import CallContext
from dragoman.server.config import LogConfig, MetricsConfig, TracesConfig
from dragoman.server.grpc.google.handlers import TRANSLATION
from dragoman.server.telemetry import Monitor
from dragoman.server.telemetry.monitor import without_quotations
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import PATIENCE
from tests.server.grpc.serving import run
from tests.server.running import make_config

CANARY = "Kanarienvogel\" und ein 'Kanarienvogel"

PARENT = "projects/p/locations/l"

BASELINES: dict[str, dict[str, Any]] = {
    "dragoman.v1.TranslateRequest": {"texts": ["a"], "target_language_code": "de"},
    "dragoman.v1.TranslateStreamRequest": {"config": {"target_language_code": "de"}},
    "dragoman.v1.TranslateLiveRequest": {"text": "a", "target_language_code": "de"},
    "dragoman.v1.ScoreRequest": {"pairs": [{"source": "a", "target": "b"}], "target_language_code": "de"},
    "dragoman.v1.DetectLanguageRequest": {"texts": ["a"]},
    "google.cloud.translation.v3.TranslateTextRequest": {
        "parent": PARENT, "contents": ["a"], "target_language_code": "de"
    },
    "google.cloud.translation.v3.DetectLanguageRequest": {"parent": PARENT, "content": "a"},
    "google.cloud.translation.v3.GetSupportedLanguagesRequest": {"parent": PARENT},
    "google.cloud.translation.v3.BatchTranslateTextRequest": {
        "parent": PARENT,
        "source_language_code": "en",
        "target_language_codes": ["de"],
        "input_configs": [{"gcs_source": {"input_uri": "a.txt"}}],
        "output_config": {"gcs_destination": {"output_uri_prefix": "out/"}},
    },
}  # fmt: skip


def string_fields(kind: Descriptor, depth: int = 3) -> Iterator[tuple[str, ...]]:
    """The paths of all that is text or bytes in a message."""
    for field in kind.fields:
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield (field.name,)
        elif field.message_type is not None and depth:
            yield from ((field.name, *rest) for rest in string_fields(field.message_type, depth - 1))


def plant(message: Any, path: tuple[str, ...]) -> None:
    """Puts the canary into a field."""
    name, *rest = path
    field = message.DESCRIPTOR.fields_by_name[name]
    value = CANARY.encode() if field.type == FieldDescriptor.TYPE_BYTES else CANARY
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entries = getattr(message, name)
        if field.message_type.fields_by_name["value"].message_type is None:
            entries[CANARY] = CANARY
        else:
            entries[CANARY].Clear()  # makes it
    elif field.is_repeated and rest:
        items = getattr(message, name)
        plant(items[0] if len(items) else items.add(), tuple(rest))
    elif field.is_repeated:
        getattr(message, name)[:] = [value]
    elif rest:
        plant(getattr(message, name), tuple(rest))
    else:
        setattr(message, name, value)


def planted_requests(kind: Descriptor) -> Iterator[Message]:
    """Requests that are right but for one field each."""
    for path in string_fields(kind):
        message = GetMessageClass(kind)(**BASELINES.get(kind.full_name, {}))
        plant(message, path)
        yield message


async def send(channel: grpc.aio.Channel, path: str, method: Any, request: Message) -> str:
    async def requests() -> AsyncIterator[Message]:
        if isinstance(request, pb.TranslateStreamRequest) and not request.HasField("config"):
            yield pb.TranslateStreamRequest(config={"target_language_code": "de"})
        yield request

    name = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call = getattr(channel, name)(path, request_serializer=lambda message: message.SerializeToString())(
        requests() if method.client_streaming else request, timeout=PATIENCE
    )
    try:
        if method.server_streaming:
            assert [answer async for answer in call]
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize("kind", ["json", "text"])
def test_no_field_of_any_method_is_logged(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    (tmp_path / "a.txt").write_text(CANARY)
    config = make_config(
        str(tiny_bundle),
        server={"google": True, "google_files": str(tmp_path), "reload_seconds": 0.0},
        log={"format": kind, "level": "debug"},
    )
    codes: list[str] = []

    async def test() -> None:
        async with (
            TranslationServer(config) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            services = [
                pb.DESCRIPTOR.services_by_name["TranslationService"],
                Default().FindServiceByName(TRANSLATION),
                operations_pb2.DESCRIPTOR.services_by_name["Operations"],
                health_pb2.DESCRIPTOR.services_by_name["Health"],
            ]
            for service in services:
                for method in service.methods:
                    if method.name == "Watch":  # its answers never end
                        continue
                    for request in planted_requests(method.input_type):
                        codes.append(await send(channel, f"/{service.full_name}/{method.name}", method, request))
            codes.append(await send(channel, f"/no.{CANARY[:13]}/Method", method, request))

    run(test())
    assert {"INVALID_ARGUMENT", "NOT_FOUND", "OK", "UNIMPLEMENTED"} <= set(codes)
    lines = log.getvalue()
    assert len(lines.splitlines()) > len(codes)
    assert [line for line in lines.splitlines() if "Kanarien" in line] == []


def test_a_trace_says_as_little() -> None:
    exporter = InMemorySpanExporter()
    monitor = Monitor(MetricsConfig(), LogConfig(), TracesConfig(), lambda: [], span_exporter=exporter)
    call = CallContext("me", "1", method="a.B/C")
    monitor.call_started(call, {})
    monitor.call_ended(call, "INTERNAL", f'x holds "{CANARY}", which is wrong')
    monitor.stop()
    (span,) = exporter.get_finished_spans()
    assert span.status.description == 'x holds "…", which is wrong'


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("there is none", "there is none"),
        ('"a" or "b": give one', '"…": give one'),
        ('x: is "a "b"" and more', 'x: is "…" and more'),
        ('x: is "a" b" and c…', 'x: is "…"'),
        ('x: is "a', 'x: is "…"'),
    ],
)
def test_what_is_quoted_is_left_out(message: str, expected: str) -> None:
    assert without_quotations(message) == expected
