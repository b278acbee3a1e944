"""What every HTTP call passes: tokens, limits, request ids, and clients that leave."""

import json
import socket
from pathlib import Path

import pytest

from tests.server.fakes import PATIENCE, FakeTranslator
from tests.server.http.calling import http_server

TOKENS = """
tokens = [
  {name = "alice", token = "sesame-sesame-sesame-1"},
  {name = "bob", token = "sesame-sesame-sesame-2", characters_per_minute = 5},
]
"""
EN_DE = {"source": "en", "target": "de"}


def test_a_token_is_needed_where_there_are_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    path.chmod(0o600)
    with http_server(FakeTranslator(), access={"tokens": path}) as server:
        fields = {"q": "a b", **EN_DE}
        assert server.send("/translate", fields).status == 403
        wrong = server.send("/translate", fields | {"api_key": "wrong"})
        assert (wrong.status, wrong.json) == (403, {"error": "Invalid API key"})
        assert server.send("/translate", fields | {"api_key": "sesame-sesame-sesame-1"}).status == 200
        assert server.send_form("/translate", fields | {"api_key": "sesame-sesame-sesame-1"}).status == 200
        bearer = {"authorization": "Bearer sesame-sesame-sesame-1"}
        assert server.send("/translate", fields, **bearer).status == 200
        message = {"texts": ["a"], "targetLanguageCode": "de"}
        refused = server.send("/v1/translate", message)
        assert (refused.status, refused.json["error"]["code"]) == (401, "UNAUTHENTICATED")
        assert server.send("/v1/translate", message, **bearer).status == 200
        deepl = {"text": ["a"], "target_lang": "DE"}
        assert server.send("/v2/translate", deepl, authorization="DeepL-Auth-Key wrong").status == 403
        key = {"authorization": "DeepL-Auth-Key sesame-sesame-sesame-1"}
        assert server.send("/v2/translate", deepl, **key).status == 200
        assert server.get("/metrics").status == 401
        assert (
            b'dragoman_requests_total{code="OK",method="deepl/translate"} 1.0'
            in server.get("/metrics", **bearer).content
        )
        assert server.get("/languages").status == 200
        assert server.get("/healthz").status == server.get("/readyz").status == 200


def test_a_quota_of_characters_is_one_for_all_apis(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    path.chmod(0o600)
    with http_server(FakeTranslator(), access={"tokens": path}) as server:
        bob = {"authorization": "Bearer sesame-sesame-sesame-2"}
        assert server.send("/translate", {"q": "a b c d", **EN_DE}, **bob).status == 200
        refused = server.send("/v1/translate", {"texts": ["a"], "targetLanguageCode": "de"}, **bob)
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json["error"]["reason"] == "QUOTA_EXCEEDED"


def test_a_request_keeps_its_id() -> None:
    with http_server(FakeTranslator()) as server:
        assert server.get("/v1/models", **{"x-request-id": "mine"}).headers["x-request-id"] == "mine"
        assert len(server.get("/v1/models").headers["x-request-id"]) == 16


def test_bodies_are_bounded() -> None:
    with http_server(FakeTranslator(), limits={"max_message_bytes": 1024}, http={"max_file_bytes": 2048}) as server:
        answer = server.send("/translate", {"q": 2000 * "a", **EN_DE})
        assert (answer.status, list(answer.json)) == (413, ["error"])
        assert server.send_file("/translate_file", EN_DE, "a.txt", 3000 * b"a").status == 413
        for body in ("{", "[]", '"a"', "{" + '"a":[' * 10_000):
            answer = server.call("POST", "/v1/translate", body, {"content-type": "application/json"})
            assert answer.status in (400, 413), body[:10]


def test_what_is_not_there_is_said() -> None:
    with http_server(FakeTranslator()) as server:
        assert (server.get("/nothing").status, server.get("/nothing").json) == (404, {"error": "there is no /nothing"})
        assert server.get("/translate").status == 405


def test_a_client_that_leaves_frees_its_slot() -> None:
    translator = FakeTranslator(num_slots=1)
    with http_server(translator) as server:
        host, _, port = server.address.rpartition(":")
        body = json.dumps({"q": "a forever", **EN_DE})
        head = "POST /translate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall((head + body).encode())
            assert translator.engine.occupied.wait(PATIENCE)
        assert server.send("/translate", {"q": "a b", **EN_DE}).json == {"translatedText": "b a"}
        assert translator.engine.cancelled


def test_a_client_that_leaves_before_its_body_has_arrived_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    with http_server(FakeTranslator()) as server:
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(b"POST /translate HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        assert server.get("/health").status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_other_pages_may_call_only_where_they_are_allowed() -> None:
    origin = {"origin": "https://example.org"}
    with http_server(FakeTranslator()) as server:
        assert "access-control-allow-origin" not in server.get("/languages", **origin).headers
    with http_server(FakeTranslator(), http={"cors_origins": ["https://example.org"]}) as server:
        assert server.get("/languages", **origin).headers["access-control-allow-origin"] == "https://example.org"
        other = server.get("/languages", origin="https://example.com")
        assert "access-control-allow-origin" not in other.headers
