"""Asks a running server whether it serves, over gRPC's standard health protocol: `python -m server.health HOST:PORT`.

For container health checks. Exit code 0: it serves; 1: it does not, or nobody answers; 2: no address was given.
"""

import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def fetch_status(address: str, *, timeout: float = 5.0) -> str:
    """The name of the server's overall health status, such as "SERVING".

    address: HOST:PORT, without TLS.
    timeout: seconds to wait for connection and answer together.

    Raises grpc.RpcError when there is no answer.
    """
    # A proxy of the environment is meant for the outside world, not for asking the neighbour's health.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the methods
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main(arguments: list[str]) -> int:
    """Print one line about the server at the only argument, HOST:PORT; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m server.health HOST:PORT", file=sys.stderr)
        return 2
    (address,) = arguments
    try:
        status = fetch_status(address)
    except grpc.RpcError as error:
        status = error.code().name
    print(f"{address}: {status}")
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
