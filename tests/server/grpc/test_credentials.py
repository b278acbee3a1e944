"""TLS over real connections: who is let in, and certificates that are replaced while the server runs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from dragoman.model.errors import InvalidInputError
from dragoman.server.access.certificates import CertificateFiles
from dragoman.server.config import TlsConfig
from dragoman.server.grpc.credentials import make_credentials
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.fakes import PATIENCE
from tests.server.grpc.authority import EXPIRY, Authority, Pair
from tests.server.grpc.serving import Serving, run, serving

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> TlsConfig:
    """Files of a server's certificate, without mutual TLS."""
    tls = TlsConfig(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    write(tls, authority.issue("server"))
    return tls


def write(tls: TlsConfig, pair: Pair) -> None:
    assert tls.certificate is not None
    assert tls.key is not None
    pair.write(tls.certificate, tls.key)


async def call(at: Serving, authority: Authority, client: Pair | None = None) -> grpc.StatusCode:
    """Translates over a connection of its own, trusting what the authority has signed; the status."""
    credentials = grpc.ssl_channel_credentials(
        authority.certificate, *((client.key, client.certificate) if client is not None else ())
    )
    # Not another call's connection: it would have shaken hands before.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(at.address, credentials, options) as channel:
        stub: Any = translation_pb2_grpc.TranslationServiceStub(channel)
        try:
            await stub.Translate(pb.TranslateRequest(texts=["a"]), timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return Code.OK


def test_without_a_certificate_there_is_no_encryption() -> None:
    assert make_credentials(TlsConfig()) is None


def test_a_connection_is_encrypted(tls: TlsConfig, authority: Authority) -> None:
    async def test() -> None:
        async with serving(credentials=make_credentials(tls)) as at:
            assert await call(at, authority) is Code.OK
            assert await call(at, Authority()) is Code.UNAVAILABLE
            (caller,) = at.service.callers
            assert caller.client.startswith("ipv4:127.0.0.1:")
            with pytest.raises(grpc.aio.AioRpcError):  # in the clear
                await at.stub.Translate(pb.TranslateRequest(texts=["a"]), timeout=PATIENCE)

    run(test())


def test_with_mutual_tls_a_client_is_known_by_its_certificate(
    tls: TlsConfig, authority: Authority, tmp_path: Path
) -> None:
    clients, strangers = Authority("clients"), Authority("strangers")
    client_ca = tmp_path / "clients.pem"
    client_ca.write_bytes(clients.certificate)
    mutual = tls.model_copy(update={"client_ca": client_ca})

    async def test() -> None:
        async with serving(credentials=make_credentials(mutual)) as at:
            assert await call(at, authority, clients.issue("alice")) is Code.OK
            assert await call(at, authority, strangers.issue("alice")) is Code.UNAVAILABLE
            assert await call(at, authority) is Code.UNAVAILABLE
            assert [caller.client for caller in at.service.callers] == ["alice"]
            client_ca.write_bytes(strangers.certificate + b"\n")
            assert await call(at, authority, strangers.issue("bob")) is Code.OK
            assert await call(at, authority, clients.issue("alice")) is Code.UNAVAILABLE

    run(test())


def test_a_client_is_known_by_the_names_of_its_certificate(
    tls: TlsConfig, tmp_path: Path, authority: Authority
) -> None:
    client_ca = tmp_path / "clients.pem"
    client_ca.write_bytes(authority.certificate)
    mutual = tls.model_copy(update={"client_ca": client_ca})
    uri, dns = x509.UniformResourceIdentifier("spiffe://example/website"), x509.DNSName("website.example")

    async def test() -> None:
        async with serving(credentials=make_credentials(mutual)) as at:
            for pair in (
                authority.issue("alice", dns, uri),
                authority.issue("alice", dns, x509.DNSName("other.example")),
                authority.issue("alice", x509.RFC822Name("alice@website.example")),
                authority.issue("alice"),
            ):
                assert await call(at, authority, pair) is Code.OK
            names = ["spiffe://example/website", "website.example", "alice@website.example", "alice"]
            assert [caller.client for caller in at.service.callers] == names
            assert [caller.identity for caller in at.service.callers] == names

    run(test())


def test_a_replaced_certificate_counts_from_the_next_connection_on(tls: TlsConfig, authority: Authority) -> None:
    successor = Authority("successor")
    expiries: list[float] = []

    async def test() -> None:
        async with serving(credentials=make_credentials(tls, expiries.append)) as at:
            credentials = grpc.ssl_channel_credentials(authority.certificate)
            async with grpc.aio.secure_channel(at.address, credentials) as channel:
                stub: Any = translation_pb2_grpc.TranslationServiceStub(channel)
                running = stub.Translate(pb.TranslateRequest(texts=["wait"]), timeout=PATIENCE)
                await asyncio.wait_for(at.service.running.wait(), PATIENCE)
                write(tls, successor.issue("server", expiry=EXPIRY.replace(year=2060)))
                assert await call(at, successor) is Code.OK
                assert await call(at, authority) is Code.UNAVAILABLE
                at.service.release.set()
                await running

    run(test())
    assert expiries == [EXPIRY.timestamp(), EXPIRY.replace(year=2060).timestamp()]


def test_broken_files_change_nothing_and_are_told_of_once(
    tls: TlsConfig, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    assert tls.certificate is not None
    assert tls.key is not None
    certificate, key = tls.certificate, tls.key
    whole, other = authority.issue("server"), authority.issue("server")

    async def test() -> None:
        async with serving(credentials=make_credentials(tls)) as at:
            certificate.write_bytes(other.certificate)  # its key is not there yet
            assert [await call(at, authority) for _ in range(2)] == [Code.OK] * 2
            key.unlink()
            assert await call(at, authority) is Code.OK
            write(tls, Pair(b"nonsense", whole.key))
            assert await call(at, authority) is Code.OK
            write(tls, whole)
            assert await call(at, authority) is Code.OK

    run(test())
    told = [record.getMessage() for record in caplog.records if record.name == "dragoman.server.access.certificates"]
    assert told == [
        f"the old certificate stays in use: {key}: is not the key of {certificate}: KEY_VALUES_MISMATCH",
        f"the old certificate stays in use: {key}: No such file or directory",
        f"the old certificate stays in use: {certificate}: holds no certificate in PEM",
        f"{certificate} was reloaded",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("certificate", b"", "holds no certificate in PEM"),
        ("certificate", None, "No such file or directory"),
        ("key", b"", "is not the key of"),
        ("client_ca", b"", "holds no certificates in PEM"),
        ("client_ca", "ä".encode(), "holds no certificates in PEM"),
    ],
)
def test_bad_files_are_refused_at_the_start(
    tls: TlsConfig, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"bad\.pem: .*{message}"):
        make_credentials(tls.model_copy(update={name: path}))


def test_an_encrypted_key_is_refused_rather_than_asked_for(tls: TlsConfig) -> None:
    assert tls.key is not None
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"password")
    tls.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    with pytest.raises(InvalidInputError, match="is not the key of"):
        make_credentials(tls)


@pytest.mark.parametrize("year", [2030, 2049, 2050, 2160])
def test_the_expiry_is_that_of_the_first_certificate(tls: TlsConfig, authority: Authority, year: int) -> None:
    assert tls.certificate is not None
    assert tls.key is not None
    expiry = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    pair = authority.issue("server", expiry=expiry)
    write(tls, Pair(b"# a comment\n" + pair.certificate + authority.certificate, pair.key))
    expiries: list[float] = []
    CertificateFiles(tls.certificate, tls.key, None, expiries.append).load()
    assert expiries == [expiry.timestamp()]


def test_what_is_no_certificate_has_no_expiry(tls: TlsConfig, authority: Authority) -> None:
    assert tls.certificate is not None
    assert tls.key is not None
    whole = authority.issue("server")
    nonsense = b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
    for content in (b"", whole.key, whole.certificate[:-30], whole.certificate.replace(b"M", b"N", 1), nonsense):
        write(tls, Pair(content, whole.key))
        with pytest.raises(InvalidInputError, match="holds no certificate in PEM"):
            CertificateFiles(tls.certificate, tls.key, None).load()
