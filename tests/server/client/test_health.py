"""`python -m dragoman.server.client.health` against a real gRPC server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from dragoman.server.client.health import main
from tests.end_to_end.certificates import write_certificates
from tests.server.fakes import FakeTranslator
from tests.server.running import running_server

Status = health_pb2.HealthCheckResponse.ServingStatus


@pytest.fixture
def servicer() -> health.HealthServicer:
    return health.HealthServicer()


@pytest.fixture
def address(servicer: health.HealthServicer) -> Iterator[str]:
    with ThreadPoolExecutor(max_workers=1) as threads:
        server = grpc.server(threads)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(grace=None).wait()


@pytest.mark.parametrize(("status", "exit_code"), [("SERVING", 0), ("NOT_SERVING", 1)])
def test_the_exit_code_tells_the_status(
    servicer: health.HealthServicer,
    address: str,
    status: str,
    exit_code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    servicer.set("", Status.Value(status))
    assert main([address]) == exit_code
    assert capsys.readouterr().out == f"{address}: {status}\n"


def test_nobody_there_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    # Port 1 is reserved and closed on any machine that runs tests.
    assert main(["127.0.0.1:1"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("127.0.0.1:1: UNAVAILABLE: ")
    assert "Connection refused" in told


def test_a_service_may_be_asked_for(
    servicer: health.HealthServicer, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    servicer.set("one", Status.Value("NOT_SERVING"))
    assert main([address, "--service", "one"]) == 1
    assert main([address, "--service", "other"]) == 1
    not_serving, not_found = capsys.readouterr().out.splitlines()
    assert not_serving == f"{address}: NOT_SERVING"
    assert not_found.startswith(f"{address}: NOT_FOUND")


def test_encryption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = write_certificates(tmp_path)
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    tls = {"certificate": certificate, "key": key, "client_ca": authority}
    with running_server(FakeTranslator(), tls=tls, log={"level": "error"}) as address:
        own = ["--certificate", str(certificate), "--key", str(key)]  # any that the authority has signed will do
        assert main([address, "--ca", str(authority), *own]) == 0
        assert main([address, "--ca", str(authority), *own, "--server-name", "elsewhere"]) == 1
        assert main([address, "--ca", str(authority)]) == 1
        assert main([address, "--tls", *own]) == 1  # nobody else knows this authority
        assert main([address]) == 1
    serving, *others = capsys.readouterr().out.splitlines()
    assert serving == f"{address}: SERVING"
    assert len(others) == 4
    assert all(line.startswith(f"{address}: UNAVAILABLE: ") for line in others)
    assert "CERTIFICATE_VERIFY_FAILED" in others[2]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--key", "x"], "--certificate and --key go together"),
        (["--ca", "nowhere.pem"], "nowhere.pem: No such file"),
    ],
)
def test_files_that_are_no_good(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["localhost:1", *arguments]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["localhost:1", "localhost:2"]])
def test_anything_but_one_address_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "HOST:PORT" in capsys.readouterr().err
