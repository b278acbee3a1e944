"""The log: what a line says, what it must not say, and that nobody waits for it."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.server.call_context import MAX_KEPT_CHARACTERS
from dragoman.server.config import LogConfig, MetricsConfig, TracesConfig
from dragoman.server.grpc.counting import count_request
from dragoman.server.telemetry import Monitor
from dragoman.server.telemetry import logs as logs_module
from dragoman.server.telemetry.logs import JsonFormatter, LogWriter, TextFormatter
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import PATIENCE
from tests.server.grpc.serving import SERVICE, bearer, read_log, run, serving
from tests.server.telemetry.scraping import begin_call

SECRET = "The merger is off."

events = logging.getLogger("server.test")


@contextmanager
def watching(log: LogConfig, stream: io.StringIO) -> Iterator[Monitor]:
    monitor = Monitor(MetricsConfig(), log, TracesConfig(), lambda: [], log_stream=stream)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.stop()


async def make_calls(stream: io.StringIO, log: LogConfig) -> None:
    async with serving(stream=stream, log=log) as at:
        metadata = (("x-request-id", "mine"), *bearer("a-token"))
        await at.stub.Translate(pb.TranslateRequest(texts=[SECRET, "a"]), metadata=metadata)
        live = at.stub.TranslateLive(pb.TranslateLiveRequest(text=SECRET))
        assert [answer async for answer in live]
        assert await at.stub.Translate(pb.TranslateRequest(texts=["crash", SECRET])).code()
        assert await at.channel.unary_unary("/no.Such/Method")(SECRET.encode()).code()
        assert await at.check_health() == 1


def test_a_call_is_a_line_and_no_line_holds_a_text() -> None:
    stream = io.StringIO()
    run(make_calls(stream, LogConfig(format="json")))
    lines = read_log(stream)
    first, second, fault, third, fourth = lines
    assert list(first) == [
        "time",
        "level",
        "request_id",
        "client",
        "method",
        "model",
        "code",
        "milliseconds",
        "texts",
        "characters",
        "message",
    ]
    assert datetime.fromisoformat(first["time"]).utcoffset() is not None
    assert (first["level"], first["request_id"], first["method"]) == ("info", "mine", f"{SERVICE}/Translate")
    assert first["client"].startswith("ipv4:127.0.0.1:")
    assert (first["model"], first["code"], first["message"]) == ("en-de", "OK", "answered")
    assert (first["texts"], first["characters"]) == (2, len(SECRET) + 1)
    assert 0 < first["milliseconds"] < 1000 * PATIENCE
    assert (second["method"], second["model"]) == (f"{SERVICE}/TranslateLive", "live")
    assert (fault["logger"], fault["level"]) == ("dragoman.server.grpc.statuses", "error")
    assert (third["level"], third["code"]) == ("error", "INTERNAL")
    assert third["message"] == "the server failed; its log has the reason"
    assert (fourth["method"], fourth["code"]) == ("unknown", "UNIMPLEMENTED")
    assert SECRET not in stream.getvalue()
    assert "a-token" not in stream.getvalue()


def test_texts_are_kept_where_that_is_wanted_but_not_without_bound() -> None:
    stream = io.StringIO()
    run(make_calls(stream, LogConfig(format="json", texts=True)))
    first, second, *_ = read_log(stream)
    assert first["source_texts"] == [SECRET, "a"]
    assert second["source_texts"] == [SECRET]
    with watching(LogConfig(texts=True), io.StringIO()) as monitor:
        call = begin_call(monitor, "a/b")
        for text in ("a", "b" * MAX_KEPT_CHARACTERS, "c"):
            count_request(call, pb.TranslateLiveRequest(text=text), 1)
        assert call.texts == ["a"]


def test_health_checks_are_told_of_to_those_who_debug() -> None:
    for level, expected in (("info", 0), ("debug", 1)):
        stream = io.StringIO()
        with watching(LogConfig.model_validate({"format": "json", "level": level}), stream) as monitor:
            monitor.call_ended(begin_call(monitor, "grpc.health.v1.Health/Check"), "OK")
        found = [line for line in read_log(stream) if line.get("method") == "grpc.health.v1.Health/Check"]
        assert len(found) == expected


def test_the_servers_own_events_go_the_same_way() -> None:
    stream = io.StringIO()
    with watching(LogConfig(format="json", level="warning"), stream):
        events.info("not this")
        events.warning("a %s event", "loud")
    (line,) = read_log(stream)
    del line["time"]
    assert line == {"level": "warning", "logger": "server.test", "message": "a loud event"}
    events.warning("the log is closed")
    assert "closed" not in stream.getvalue()


def test_grpc_does_not_drown_what_is_debugged() -> None:
    stream = io.StringIO()
    with watching(LogConfig(level="debug"), stream):
        logging.getLogger("grpc._cython.cygrpc").debug("running loop")
        logging.getLogger("grpc._server").warning("trouble")
        events.debug("loading")
    assert [line.split()[2:] for line in stream.getvalue().splitlines()] == [["trouble"], ["loading"]]
    assert logging.getLogger("grpc").level == logging.NOTSET


def test_a_traceback_comes_with_its_event() -> None:
    for kind in ("json", "text"):
        stream = io.StringIO()
        with watching(LogConfig.model_validate({"format": kind}), stream):
            try:
                raise ValueError("first\nFAKED second")
            except ValueError:
                events.exception("it failed")
        if kind == "json":
            (line,) = read_log(stream)
            assert line["exception"].endswith("ValueError: first\nFAKED second")
        else:
            head, *rest = stream.getvalue().splitlines()
            assert head.endswith(" ERROR   it failed")
            assert rest[0] == "    Traceback (most recent call last):"
            assert all(line.startswith("    ") for line in rest)


def describe(message: str, **call: object) -> logging.LogRecord:
    record = logging.LogRecord("server.test", logging.INFO, "", 0, message, None, None)
    record.created = 1_000_000_000.5
    if call:
        record.call = call
    return record


def test_the_text_format_is_for_people() -> None:
    line = TextFormatter().format(describe("answered", method="a/b", client="the cat", code="OK", milliseconds=1.5))
    assert line == '2001-09-09T01:46:40.500Z INFO    answered method=a/b client="the cat" code=OK milliseconds=1.5'


HOSTILE = "x\n2026-01-01 ERROR faked\r\x1b[31m\x85\u2028\u2029\x00\x7f"


@given(st.text() | st.just(HOSTILE))
def test_nothing_that_a_caller_says_makes_another_line(text: str) -> None:
    record = describe("%s", client=text, details=[text])
    record.msg = text
    for formatter in (JsonFormatter(), TextFormatter()):
        line = formatter.format(record)
        assert len(line.splitlines()) == 1
        assert line.isprintable()
    assert json.loads(JsonFormatter().format(record))["client"] == text


class StuckStream(io.StringIO):
    """Nobody reads it until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.held = threading.Event()
        self.release = threading.Event()

    def write(self, text: str) -> int:
        self.held.set()
        assert self.release.wait(PATIENCE)
        return super().write(text)


def test_a_log_that_nobody_reads_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_module, "MAX_QUEUED", 3)
    stream = StuckStream()
    dropped: list[None] = []
    writer = LogWriter("json", "info", stream, on_dropped=lambda: dropped.append(None))
    writer.start()
    events.warning("first")
    assert stream.held.wait(PATIENCE)
    for number in range(5):
        events.info("number %d", number)
    assert len(dropped) == 2
    stream.release.set()
    writer.stop()
    assert [line["message"] for line in read_log(stream)] == ["first", "number 0", "number 1", "number 2"]


def test_the_root_logger_is_given_back() -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with watching(LogConfig(level="debug"), io.StringIO()) as monitor:
        assert (root.level, len(root.handlers)) == (logging.DEBUG, len(before[1]) + 1)
    monitor.stop()
    assert (root.level, root.handlers) == before
