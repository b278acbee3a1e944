"""How the clients reach a server: encryption, tokens, retries, patience."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.server.client import AsyncClient, Client, ServerError, Tls
from tests.end_to_end.certificates import write_certificates
from tests.server.client.scripted import ScriptedService, answer_all, scripted_server

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file; the server's certificate and key, for localhost, lie beside it."""
    return write_certificates(tmp_path_factory.mktemp("certificates"))


def server_credentials(authority: Path, *, mutual: bool = False) -> grpc.ServerCredentials:
    pair = ((authority.parent / "server.key").read_bytes(), (authority.parent / "server.pem").read_bytes())
    roots = authority.read_bytes() if mutual else None
    return grpc.ssl_server_credentials([pair], root_certificates=roots, require_client_auth=mutual)


def translate(address: str, **options: Any) -> str:
    with Client(address, **options) as client:
        return client.translate("a", to="de")[0].text


def translate_asynchronous(address: str, **options: Any) -> str:
    async def main() -> str:
        async with AsyncClient(address, **options) as client:
            return (await client.translate("a", to="de"))[0].text

    return asyncio.run(main())


def test_an_encrypted_connection_with_a_token(authority: Path) -> None:
    service = ScriptedService(answer_all)
    with scripted_server(service, server_credentials(authority)) as address:
        tls = Tls(root_certificates=authority)
        assert translate(address, tls=tls, token="secret") == "A"
        assert translate_asynchronous(address, tls=tls, token="secret") == "A"
        with pytest.raises(ServerError, match="is unavailable"):  # not one of those that the world trusts
            translate(address, tls=Tls(), timeout=10.0)
        by_another_name = f"127.0.0.1:{address.rpartition(':')[2]}"
        assert translate(by_another_name, tls=Tls(root_certificates=authority, server_name="localhost")) == "A"
    assert [metadata.get("authorization") for metadata in service.metadata] == ["Bearer secret", "Bearer secret", None]


def test_a_client_that_shows_a_certificate(authority: Path) -> None:
    with scripted_server(ScriptedService(answer_all), server_credentials(authority, mutual=True)) as address:
        known = Tls(
            root_certificates=authority,
            certificate=authority.parent / "server.pem",
            key=authority.parent / "server.key",
        )
        assert translate(address, tls=known) == "A"
        with pytest.raises(ServerError, match="is unavailable"):
            translate(address, tls=Tls(root_certificates=authority))


def test_files_that_cannot_be_read_are_named() -> None:
    with pytest.raises(InvalidInputError, match=r"nowhere\.pem: cannot be read: No such file"):
        Client("localhost:1", tls=Tls(root_certificates="nowhere.pem"))
    with pytest.raises(InvalidInputError, match="certificate and key go together"):
        Tls(certificate="a.pem")


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.CANCELLED])
def test_what_passes_is_tried_again(code: grpc.StatusCode) -> None:
    service = ScriptedService(answer_all)
    hint = (("grpc-retry-pushback-ms", "10"),)
    with scripted_server(service) as address:
        service.failures = [(code, ()), (code, hint)]
        assert translate(address) == "A"
        service.failures = [(code, hint)] * 4
        assert translate_asynchronous(address) == "A"
    ids = [metadata["x-request-id"] for metadata in service.metadata]
    assert len(ids) == 8
    assert len(set(ids)) == 2  # all attempts of a call share one
    assert [metadata.get("grpc-previous-rpc-attempts", "0") for metadata in service.metadata[:3]] == ["0", "1", "2"]


def test_a_stream_that_is_refused_at_first_is_tried_again() -> None:
    service = ScriptedService(answer_all)
    service.failures = [(Code.RESOURCE_EXHAUSTED, (("grpc-retry-pushback-ms", "10"),))] * 2
    with scripted_server(service) as address, Client(address) as client:
        assert [translation.text for translation in client.translate_stream(["a", "b"], to="de")] == ["A", "B"]
    assert len(service.metadata) == 3


def test_the_server_has_the_last_word_on_trying_again() -> None:
    service = ScriptedService(answer_all)
    service.failures = [(Code.RESOURCE_EXHAUSTED, (("grpc-retry-pushback-ms", "-1"),))]
    with (
        scripted_server(service) as address,
        pytest.raises(ServerError, match="answered RESOURCE_EXHAUSTED: not now") as caught,
    ):
        translate(address)
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert caught.value.request_id == service.metadata[0]["x-request-id"]
    assert len(service.metadata) == 1


def test_what_does_not_pass_is_not_tried_again() -> None:
    service = ScriptedService(answer_all)
    service.failures = [(Code.INTERNAL, ())]
    with scripted_server(service) as address, pytest.raises(ServerError, match="answered INTERNAL: not now"):
        translate(address)
    assert len(service.metadata) == 1


def test_every_call_has_a_deadline() -> None:
    service = ScriptedService(answer_all)
    service.failures = [(Code.RESOURCE_EXHAUSTED, (("grpc-retry-pushback-ms", "60000"),))]
    with (
        scripted_server(service) as address,
        pytest.raises(ServerError, match=r"gave no answer within 0.2 seconds$") as caught,
    ):
        translate(address, timeout=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_other_addresses_than_host_and_port() -> None:
    with scripted_server(ScriptedService(answer_all)) as address:
        assert translate(f"dns:///{address}") == "A"
        assert translate(f"ipv4:{address},{address}") == "A"
