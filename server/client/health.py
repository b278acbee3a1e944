"""`python -m dragoman.server.client.health HOST:PORT`: check a server by gRPC's health protocol, for containers.

Exit code 0: it serves; 1: it does not serve or does not answer; 2: wrong usage.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def fetch_status(
    address: str,
    *,
    service: str = "",
    credentials: grpc.ChannelCredentials | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
) -> str:
    """The name of a health status, such as "SERVING".

    address: HOST:PORT. service: empty for the server as a whole. credentials: of TLS; None for no encryption.
    server_name: name in the server's certificate, if it differs from HOST. timeout: seconds for connection and answer.

    Raises grpc.RpcError if there is no answer.
    """
    # The environment's proxy is for the internet.
    options: list[tuple[str, Any]] = [("grpc.enable_http_proxy", 0)]
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", server_name))
    channel = (
        grpc.insecure_channel(address, options=options)
        if credentials is None
        else grpc.secure_channel(address, credentials, options=options)
    )
    with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the methods
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main(arguments: list[str]) -> int:
    """Print the server's status in one line; return the exit code."""
    parser = _make_parser()
    try:
        options = parser.parse_args(arguments)
        if (options.certificate is None) != (options.key is None):
            parser.error("--certificate and --key go together")
        credentials = _make_credentials(options)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        status = fetch_status(
            options.address, service=options.service, credentials=credentials, server_name=options.server_name
        )
    except grpc.RpcError as error:
        status = _describe(error)
    print(f"{options.address}: {status}")
    return 0 if status == "SERVING" else 1


def _describe(error: Any) -> str:
    """The error's code and details: without details, an untrusted certificate looks like an unreachable server."""
    details = " ".join((error.details() or "").split())
    return f"{error.code().name}: {details}" if details else str(error.code().name)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dragoman.server.client.health", description="Check whether a server serves."
    )
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--service", default="", metavar="NAME", help="one of its services, or SERVICE/MODEL")
    parser.add_argument("--tls", action="store_true", help="use TLS with gRPC's own authorities")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="use TLS with these authorities, PEM")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="use TLS with this client certificate, PEM")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the client certificate's private key, PEM")
    parser.add_argument("--server-name", metavar="NAME", help="name in the server's certificate, if not HOST")
    return parser


def _make_credentials(options: argparse.Namespace) -> grpc.ChannelCredentials | None:
    ca, certificate, key = (
        path.read_bytes() if path is not None else None for path in (options.ca, options.certificate, options.key)
    )
    if not options.tls and ca is None and certificate is None:
        return None
    return grpc.ssl_channel_credentials(ca, key, certificate)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
