"""HTTPS: the files of [tls], which may be replaced at any time."""

import ssl
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from tests.server.fakes import FakeTranslator
from tests.server.grpc.authority import Authority, Pair
from tests.server.http.calling import HttpServer, http_server
from tests.server.running import PATIENCE


def subject(server: HttpServer, authority: Authority, client: Path | None = None) -> str:
    """The common name of the certificate that a new connection meets; it also makes a call."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    if client is not None:
        context.load_cert_chain(client)
    host, _, port = server.address.rpartition(":")
    connection = HTTPSConnection(host, int(port), context=context, timeout=PATIENCE)
    try:
        connection.connect()
        found: Any = connection.sock.getpeercert()
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        return str(dict(pair for (pair,) in found["subject"])["commonName"])
    finally:
        connection.close()


def test_replaced_files_count_from_the_next_connection_on_and_broken_ones_do_not(tmp_path: Path) -> None:
    authority, other = Authority(), Authority("other")
    certificate, key, clients = tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "clients.pem"
    authority.issue("first").write(certificate, key)
    clients.write_bytes(authority.certificate)
    caller, stranger = (write_client(tmp_path, name, signer) for name, signer in (("a", authority), ("b", other)))
    tls = {"certificate": str(certificate), "key": str(key), "client_ca": str(clients)}
    with http_server(FakeTranslator(), tls=tls) as server:
        assert subject(server, authority, caller) == "first"
        authority.issue("second").write(certificate, key)
        assert subject(server, authority, caller) == "second"
        key.write_bytes(other.issue("none").key)
        assert subject(server, authority, caller) == "second"
        authority.issue("third").write(certificate, key)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            subject(server, authority, stranger)
        clients.write_bytes(other.certificate)
        assert subject(server, authority, stranger) == "third"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            subject(server, authority, caller)


def write_client(folder: Path, name: str, signer: Authority) -> Path:
    pair: Pair = signer.issue(name)
    path = folder / f"{name}.pem"
    path.write_bytes(pair.certificate + pair.key)
    return path
