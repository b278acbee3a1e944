"""Metrics as Prometheus gets them, with exact counts."""

import asyncio
import socket
from typing import Any

import grpc
import pytest

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import DragomanError
from dragoman.server.call_context import CallContext
from dragoman.server.config import LogConfig, MetricsConfig, TracesConfig
from dragoman.server.grpc import counting
from dragoman.server.grpc.counting import count_request
from dragoman.server.telemetry import Monitor
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import PATIENCE
from tests.server.grpc.messages import bring
from tests.server.grpc.serving import SERVICE, Serving, run, serving
from tests.server.telemetry.scraping import Samples, begin_call, find, scrape

ENDPOINT = MetricsConfig(listen="127.0.0.1:0")


def make_monitor(*statistics: tuple[str, EngineStatistics, int]) -> Monitor:
    return Monitor(ENDPOINT, LogConfig(level="error"), TracesConfig(), lambda: statistics)


def scrape_after(monitor: Monitor) -> Samples:
    monitor.start()
    try:
        return scrape(monitor.metrics_address)
    finally:
        monitor.stop()


async def scrape_from(at: Serving) -> Samples:
    return await asyncio.to_thread(scrape, at.monitor.metrics_address)


def test_calls_texts_and_codes_are_counted_exactly() -> None:
    translate, live = f"{SERVICE}/Translate", f"{SERVICE}/TranslateLive"

    async def test() -> None:
        async with serving(metrics=ENDPOINT) as at:
            await at.stub.Translate(pb.TranslateRequest(texts=["ab", "ü"]))
            await at.stub.Translate(pb.TranslateRequest(texts=["abc"]))
            assert [answer async for answer in at.stub.TranslateLive(pb.TranslateLiveRequest(text="wxyz"))]
            assert await at.stub.Translate(pb.TranslateRequest(texts=["crash"])).code() is grpc.StatusCode.INTERNAL
            for method in ("/made.Up/One", "/made.Up/Two"):
                assert await at.channel.unary_unary(method)(b"").code() is grpc.StatusCode.UNIMPLEMENTED
            assert await at.check_health() == 1
            running = at.stub.Translate(pb.TranslateRequest(texts=["wait"]))
            await asyncio.wait_for(at.service.running.wait(), PATIENCE)
            found = await scrape_from(at)
            requests = "dragoman_requests_total"
            assert find(found, requests, method=translate, code="OK") == 2
            assert find(found, requests, method=translate, code="INTERNAL") == 1
            assert find(found, requests, method=live, code="OK") == 1
            assert find(found, requests, method="unknown", code="UNIMPLEMENTED") == 2
            assert find(found, requests, method="grpc.health.v1.Health/Check", code="OK") == 1
            assert not [labels for name, labels in found if any("made.Up" in value for _, value in labels)]
            assert find(found, "dragoman_request_duration_seconds_count", method=translate) == 3
            assert find(found, "dragoman_texts_total", method=translate) == 4
            assert find(found, "dragoman_characters_total", method=translate) == 11
            assert find(found, "dragoman_texts_total", method=live) == 1
            assert find(found, "dragoman_requests_in_flight", method=translate) == 1
            running.cancel()
            for _ in range(8):
                await at.next_ended()
            found = await scrape_from(at)
            assert find(found, requests, method=translate, code="CANCELLED") == 1
            assert find(found, "dragoman_texts_total", method=translate) == 5
            assert find(found, "dragoman_requests_in_flight", method=translate) == 0

    run(test())


def test_refusals_are_counted_by_reason() -> None:
    monitor = make_monitor()
    for reason in ("calls", "calls", "unauthenticated"):
        monitor.call_refused(reason)
    found = scrape_after(monitor)
    assert find(found, "dragoman_requests_refused_total", reason="calls") == 2
    assert find(found, "dragoman_requests_refused_total", reason="unauthenticated") == 1


def test_a_call_takes_as_long_as_the_clock_says() -> None:
    now = 5.0
    monitor = Monitor(ENDPOINT, LogConfig(level="error"), TracesConfig(), lambda: [], clock=lambda: now)
    call = CallContext("me", "1", method="a/b", started_at=now)
    monitor.call_started(call, {})
    now = 5.75
    monitor.call_ended(call, "OK")
    found = scrape_after(monitor)
    name = "dragoman_request_duration_seconds"
    assert find(found, f"{name}_sum", method="a/b") == 0.75
    assert find(found, f"{name}_bucket", method="a/b", le="0.5") == 0
    assert find(found, f"{name}_bucket", method="a/b", le="1.0") == 1


def test_what_becomes_of_sentences_is_told_by_model() -> None:
    monitor = make_monitor()
    monitor.admitted("en-de", "interactive", 0.25)
    monitor.admitted("en-de", "batch", 2.0)
    monitor.first_token("en-de", 0.5)
    monitor.finished("en-de", 1.5, 4, 5)
    monitor.dropped("en-de", "deadline")
    monitor.warned("en-de", "repeats")
    monitor.retried("en-de", 3)
    found = scrape_after(monitor)
    assert find(found, "dragoman_queue_seconds_sum", model="en-de", priority="interactive") == 0.25
    assert find(found, "dragoman_queue_seconds_sum", model="en-de", priority="batch") == 2
    assert find(found, "dragoman_first_token_seconds_sum", model="en-de") == 0.5
    assert find(found, "dragoman_sentence_duration_seconds_sum", model="en-de") == 1.5
    assert find(found, "dragoman_sentences_dropped_total", model="en-de", reason="deadline") == 1
    assert find(found, "dragoman_translation_warnings_total", model="en-de", kind="repeats") == 1
    assert find(found, "dragoman_sentences_retried_total", model="en-de") == 3


def test_the_engines_own_figures_are_read_at_the_scrape() -> None:
    figures = EngineStatistics(
        num_steps=1,
        step_seconds=2.5,
        num_slot_steps=3,
        num_admitted=4,
        num_finished=5,
        num_cancelled=6,
        num_source_pieces=7,
        num_target_pieces=8,
        num_slots=9,
        num_active=10,
        num_replicas=11,
        num_replicas_alive=12,
        num_replica_restarts=13,
    )
    expected = {
        "dragoman_engine_steps_total": 1,
        "dragoman_engine_step_seconds_total": 2.5,
        "dragoman_engine_slot_steps_total": 3,
        "dragoman_engine_sentences_admitted_total": 4,
        "dragoman_engine_sentences_finished_total": 5,
        "dragoman_engine_sentences_cancelled_total": 6,
        "dragoman_engine_source_pieces_total": 7,
        "dragoman_engine_target_pieces_total": 8,
        "dragoman_engine_slots": 9,
        "dragoman_engine_slots_active": 10,
        "dragoman_engine_replicas": 11,
        "dragoman_engine_replicas_alive": 12,
        "dragoman_engine_replica_restarts_total": 13,
        "dragoman_sentences_waiting": 14,
    }
    found = scrape_after(make_monitor(("a", figures, 14), ("b", EngineStatistics(), 0)))
    assert {name: find(found, name, model="a") for name in expected} == expected
    assert {found[name, (("model", "b"),)] for name in expected} == {0}


def test_models_reloads_and_the_certificate_are_told() -> None:
    monitor = make_monitor()
    monitor.model_loaded("en-de", "01")
    monitor.model_loaded("en-fr", "02")
    monitor.model_loaded("en-de", "03")
    monitor.model_unloaded("en-fr")
    monitor.model_unloaded("never-there")
    monitor.reload_ended("en-de", "replaced")
    monitor.certificate_loaded(2_000_000_000.0)
    found = scrape_after(monitor)
    models = [labels for name, labels in found if name == "dragoman_model_info"]
    assert models == [(("model", "en-de"), ("revision", "03"))]
    assert find(found, "dragoman_model_reloads_total", model="en-de", outcome="replaced") == 1
    assert find(found, "dragoman_certificate_expiry_timestamp_seconds") == 2_000_000_000
    assert find(found, "process_resident_memory_bytes") > 0


def test_the_port_is_closed_with_the_monitor_and_may_be_opened_again() -> None:
    monitor = make_monitor()
    monitor.start()
    address = monitor.metrics_address
    monitor.stop()
    monitor.stop()
    again = Monitor(MetricsConfig(listen=address), LogConfig(), TracesConfig(), lambda: [])
    assert scrape_after(again)


def test_the_port_may_be_one_of_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    monitor = Monitor(MetricsConfig(listen="[::1]:0"), LogConfig(), TracesConfig(), lambda: [])
    assert scrape_after(monitor)


def test_two_servers_in_a_process_count_for_themselves() -> None:
    one, other = make_monitor(), make_monitor()
    one.call_refused("calls")
    assert find(scrape_after(other), "dragoman_requests_refused_total", reason="calls") == 0


def test_a_port_that_is_taken_is_an_error_that_names_the_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        monitor = Monitor(MetricsConfig(listen=address), LogConfig(), TracesConfig(), lambda: [])
        with pytest.raises(
            DragomanError, match=rf"metrics\.listen: cannot listen on {address}: Address already in use"
        ):
            monitor.start()
        monitor.stop()


def test_without_an_address_there_is_no_port() -> None:
    monitor = Monitor(MetricsConfig(), LogConfig(), TracesConfig(), lambda: [])
    monitor.start()
    monitor.call_refused("calls")
    assert monitor.metrics_address == ""
    monitor.stop()


@pytest.mark.parametrize(
    ("request_", "num_texts", "num_characters"),
    [
        (pb.TranslateRequest(texts=["ab", ""]), 2, 2),
        (bring([pb.TranslateStreamItem(text="äöü")]), 1, 3),
        (pb.TranslateStreamRequest(config=pb.TranslateStreamConfig(model="abc")), 0, 0),
        (pb.TranslateLiveRequest(text="😀"), 1, 1),
        (pb.ScoreRequest(pairs=[pb.TextPair(source="ab", target="c")]), 2, 3),
        (pb.DetectLanguageRequest(texts=["a"]), 1, 1),
        (pb.ListModelsRequest(), 0, 0),
        (b"raw", 0, 0),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else None,
)
def test_texts_are_found_in_every_kind_of_request(request_: Any, num_texts: int, num_characters: int) -> None:
    call = begin_call(make_monitor(), "a/b")
    assert count_request(call, request_, 1) == num_characters
    assert (call.num_texts, call.num_characters) == (num_texts, num_characters)


def test_texts_are_found_in_googles_requests() -> None:
    translate_v3 = pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate")
    call = begin_call(make_monitor(), "a/b")
    request = translate_v3.TranslateTextRequest(contents=["ab", "c"])
    assert count_request(call, request, 1) == 3
    assert count_request(call, translate_v3.TranslateTextRequest.pb(request), 1) == 3
    assert count_request(call, translate_v3.DetectLanguageRequest(content="d"), 1) == 1
    assert (call.num_texts, call.num_characters) == (5, 7)


@pytest.mark.parametrize(
    "request_",
    [
        pb.TranslateRequest(texts=["a"] * 3),
        bring([pb.TranslateStreamItem(text="a")] * 3),
        pb.ScoreRequest(pairs=[pb.TextPair(source="a")] * 3),
        pb.DetectLanguageRequest(texts=["a"] * 3),
    ],
    ids=lambda request: type(request).__name__,
)
def test_far_too_many_texts_are_not_looked_at(monkeypatch: pytest.MonkeyPatch, request_: Any) -> None:
    monkeypatch.setattr(counting, "MAX_COUNTED_TEXTS", 2)
    call = CallContext("", "", texts=[])
    assert count_request(call, request_, 12345) == 12345
    assert (call.num_texts, call.num_characters, call.texts) == (3, 12345, [])
