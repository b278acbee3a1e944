"""Hundreds of hostile calls to a real server; `python -m tests.benchmarks.service fuzz` makes a hundred thousand."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from dragoman.server.client import Client
from dragoman.translation.translator import Translator
from tests.benchmarks.service.fuzz import make_files
from tests.benchmarks.service.fuzzing import Findings, make_hostile_calls
from tests.benchmarks.service.hostile_calls import METHODS, HostileCall, google_methods, has_google, make_call
from tests.server_process import ServerProcess, Tables

SEED = 7
NUM_CALLS = 400


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    options = make_files(folder / "files") if has_google() else {}
    tables: Tables = {"models": [{"bundle": str(tiny_bundle)}], "server": options}
    with ServerProcess(folder, tables) as running:
        yield running


def test_hostile_calls_neither_crash_nor_hang_a_server(server: ServerProcess, tiny_bundle: Path) -> None:
    methods = (*METHODS, *google_methods()) if has_google() else METHODS
    findings = make_hostile_calls(server.address, range(NUM_CALLS), seed=SEED, methods=methods)
    assert findings.answers.total() == NUM_CALLS
    assert findings.examples == []
    assert {"OK", "INVALID_ARGUMENT", "UNIMPLEMENTED"} <= set(findings.answers)
    assert server.is_alive
    assert "Traceback" not in server.last_words(1_000_000)
    with Client(server.address) as client:
        (translation,) = client.translate("The dog sees the house.", to="de")
    (expected,) = Translator.load(tiny_bundle, num_threads=1).translate("The dog sees the house.", "de")
    assert translation.text == expected.text


def test_hostile_calls_are_the_same_every_time() -> None:
    assert [make_call(1, number) for number in range(200)] == [make_call(1, number) for number in range(200)]
    assert make_call(1, 0) != make_call(2, 0)


def test_every_method_is_called() -> None:
    paths = {make_call(SEED, number).path for number in range(NUM_CALLS)}
    assert paths >= {method.path for method in METHODS}
    assert "/dragoman.v1.TranslationService/TranslateStream" in paths


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE])
def test_what_a_server_must_not_answer_is_found(code: grpc.StatusCode) -> None:
    findings = Findings()
    findings.judge(3, HostileCall("/a/B", "unary_unary", (b"",)), code, "why")
    assert findings.num_improper == 1
    assert findings.examples == [f"call 3, /a/B: {code.name} why"]


def test_a_call_that_is_not_answered_hangs_unless_its_client_never_ends() -> None:
    findings = Findings()
    timed_out = grpc.StatusCode.DEADLINE_EXCEEDED
    findings.judge(1, HostileCall("/a/B", "stream_stream", (), ends_sending=False), timed_out, "")
    assert findings.num_hangs == 0
    findings.judge(2, HostileCall("/a/B", "stream_stream", ()), timed_out, "")
    assert findings.num_hangs == 1


def test_a_known_method_is_implemented() -> None:
    findings = Findings()
    findings.judge(1, HostileCall("/a/B", "unary_unary", (b"",), is_known=False), grpc.StatusCode.UNIMPLEMENTED, "")
    assert findings.examples == []
    findings.judge(2, HostileCall("/a/B", "unary_unary", (b"",)), grpc.StatusCode.UNIMPLEMENTED, "")
    assert findings.num_improper == 1
