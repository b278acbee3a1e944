"""Addresses to listen on: HOST:PORT, or unix:PATH."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from dragoman.model.errors import InvalidInputError

DEFAULT_LISTEN = "127.0.0.1:50051"
"""Loopback only: without a certificate and tokens, a connection is neither encrypted nor authenticated."""

MAX_SOCKET_PATH_BYTES = 107
"""The kernel's limit, less the final NUL byte."""


def parse_address(address: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host keeps its brackets. Raises InvalidInputError for any other form."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise InvalidInputError(f'cannot listen on "{address}": write HOST:PORT, such as {DEFAULT_LISTEN}')
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        hint = f"[{host}]:{port}"
        raise InvalidInputError(f'cannot listen on "{address}": write an IPv6 host in brackets, such as {hint}')
    return host, int(port)


def find_socket_path(address: str) -> Path | None:
    """The path of "unix:PATH", a Unix socket; None for HOST:PORT. Raises InvalidInputError for an empty or too long
    path."""
    scheme, _, path = address.partition(":")
    if scheme != "unix":
        return None
    if not path or len(path.encode()) > MAX_SOCKET_PATH_BYTES:
        raise InvalidInputError(
            f'cannot listen on "{address}": write unix:PATH, with a path of at most {MAX_SOCKET_PATH_BYTES} bytes'
        )
    return Path(path)


def _check_address(address: str) -> str:
    try:
        parse_address(address)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return address


def _check_listen(address: str) -> str:
    try:
        return address if find_socket_path(address) is not None else _check_address(address)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


Address = Annotated[str, AfterValidator(_check_address)]
ListenAddress = Annotated[str, AfterValidator(_check_listen)]
