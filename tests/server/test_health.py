"""`python -m server.health` against a real gRPC server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from server.health import main

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
    assert capsys.readouterr().out == "127.0.0.1:1: UNAVAILABLE\n"


@pytest.mark.parametrize("arguments", [[], ["localhost:1", "localhost:2"]])
def test_anything_but_one_address_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "HOST:PORT" in capsys.readouterr().err
