"""Warnings for the operator about a server that is more open than intended."""

import ipaddress
import stat
from pathlib import Path

from dragoman.server.access.addresses import find_socket_path, parse_address
from dragoman.server.config import AccessConfig, TlsConfig


def warnings_of(listen: str, tls: TlsConfig, access: AccessConfig) -> list[str]:
    """One line for each possible mistake. listen: as `ServingConfig.listen`."""
    is_exposed = find_socket_path(listen) is None and not is_loopback(parse_address(listen)[0])
    is_encrypted = tls.certificate is not None
    is_guarded = access.tokens is not None or tls.client_ca is not None
    warnings = []
    if is_exposed and not is_encrypted and not is_guarded:
        warnings.append(
            f"WARNING: {listen} has neither TLS nor tokens: anyone who can reach it may call, and anyone on the "
            "network path may read the texts. Set tls.certificate, tls.key and access.tokens, or listen on 127.0.0.1"
        )
    elif is_exposed and not is_encrypted:
        warnings.append(
            f"WARNING: {listen} is not encrypted: anyone on the network path may read texts and tokens. "
            "Set tls.certificate and tls.key"
        )
    elif is_exposed and not is_guarded:
        warnings.append(
            f"WARNING: {listen} requires no token: anyone who can reach it may call. "
            "Set access.tokens, or tls.client_ca"
        )
    for path, content in ((access.tokens, "tokens"), (tls.key, "the private key")):
        if path is not None and is_open_to_others(path):
            warnings.append(f"WARNING: {path} holds {content}, and every user of this machine may read it: chmod o= it")
    return warnings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; names other than localhost count as reachable from outside."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def is_open_to_others(path: Path) -> bool:
    """Whether users outside the file's group may read or write it."""
    try:
        return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError:
        return False
