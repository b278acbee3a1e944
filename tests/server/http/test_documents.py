"""Documents of our own API: how far they are, and who may have them."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.fakes import FakeTranslator
from tests.server.http.calling import HttpServer, http_server

EN_DE = {"sourceLanguageCode": "en", "targetLanguageCode": "de"}


def address_of(found: dict[str, Any], rest: str = "") -> str:
    return f"/v1/documents/{found['id']}{rest}?key={found['key']}"


def wait_for(server: HttpServer, found: dict[str, Any]) -> dict[str, Any]:
    while (state := server.get(address_of(found)).json)["state"] in ("queued", "translating"):
        pass
    described: dict[str, Any] = state
    return described


def test_a_document_is_sent_asked_for_and_taken_as_often_as_wanted() -> None:
    with http_server(FakeTranslator()) as server:
        sent = server.send_file("/v1/documents", EN_DE, "my.json", b'{"x": "a b", "y": "c d e"}').json
        assert (sent["name"], sent["state"], sent["progress"]) == ("my.json", "queued", 0.0)
        done = wait_for(server, sent)
        assert done == {"name": "my.json", "state": "done", "progress": 1.0, "numCharacters": 8}
        for _ in range(2):
            result = server.get(address_of(sent, "/result"))
            assert result.json == {"x": "b a", "y": "e d c"}
            assert result.headers["content-disposition"].startswith('attachment; filename="my.json"')
        assert server.call("DELETE", address_of(sent)).json == {}
        assert server.get(address_of(sent)).status == server.get(address_of(sent, "/result")).status == 404


def test_it_says_how_much_is_done() -> None:
    translator = FakeTranslator(num_slots=32)
    content = json.dumps({f"key{number}": f"a{number} b" for number in range(64)}).encode()
    with http_server(translator) as server:
        translator.engine.gate.clear()
        sent = server.send_file("/v1/documents", EN_DE, "a.json", content).json
        assert translator.engine.held.wait(10)
        assert server.get(address_of(sent)).json["progress"] == 0
        assert server.get(address_of(sent, "/result")).json["error"]["message"] == "id: the document is not ready"
        translator.engine.gate.set()
        shares = [0.0]
        while (state := server.get(address_of(sent)).json)["state"] != "done":
            shares.append(state["progress"])
        assert shares == sorted(shares)
        assert all(share == pytest.approx(round(2 * share) / 2, abs=0.05) for share in shares)  # two parts of 32
        assert state["progress"] == 1


def test_a_document_that_is_deleted_frees_its_slots() -> None:
    translator = FakeTranslator()
    with http_server(translator) as server:
        sent = server.send_file("/v1/documents", EN_DE, "a.txt", b"forever").json
        assert translator.engine.occupied.wait(10)
        assert server.call("DELETE", address_of(sent)).status == 200
        assert server.get(address_of(sent)).status == 404
        again = server.send_file("/v1/documents", EN_DE, "a.txt", b"a b").json
        assert wait_for(server, again)["state"] == "done"
        assert translator.engine.cancelled


def test_why_it_failed_is_said() -> None:
    with http_server(FakeTranslator()) as server:
        sent = server.send_file("/v1/documents", EN_DE, "a.json", b"{").json
        failed = wait_for(server, sent)
        assert failed["state"] == "error"
        assert failed["message"].startswith("a.json: ")
        result = server.get(address_of(sent, "/result"))
        assert (result.status, result.json["error"]["message"]) == (400, failed["message"])


def test_names_have_any_letters() -> None:
    with http_server(FakeTranslator()) as server:
        sent = server.send_file("/v1/documents", EN_DE, "отчёт.txt", b"a b").json
        wait_for(server, sent)
        result = server.get(address_of(sent, "/result"))
        assert result.content == b"b a"
        assert result.headers["content-disposition"].endswith(f"filename*=UTF-8''{quote('отчёт.txt')}")
        deepl = server.send_file("/v2/document", {"target_lang": "DE", "source_lang": "EN"}, "отчёт.txt", b"a b").json
        key = {"document_key": deepl["document_key"]}
        path = f"/v2/document/{deepl['document_id']}"
        while server.send(path, key).json["status"] != "done":
            pass
        assert server.send(path, {"document_key": "schlüssel"}).status == 404
        assert server.send(f"{path}/result", key).content == b"b a"
        assert server.get(f"/v1/documents/{sent['id']}?key=schl%C3%BCssel").status == 404


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"targetLanguageCode": ""}, 400, "target_language_code: is empty"),
        ({"targetLanguageCode": "fr"}, 404, 'target_language_code: nothing translates into "fr"'),
        ({"terms": "["}, 400, "terms: must be a JSON list of terms"),
        ({"terms": '["a"]'}, 400, "the request is no "),
        ({"glossary": "mine"}, 404, "glossary"),
        ({"model": "other"}, 404, 'model: there is no "other"'),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(changes: dict[str, str], status: int, message: str) -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send_file("/v1/documents", EN_DE | changes, "a.txt", b"a b")
        assert (answer.status, answer.json["error"]["message"][: len(message)]) == (status, message)


def test_terms_are_kept_over_a_restart(tmp_path: Path) -> None:
    terms = json.dumps([{"source": "a", "targets": ["Anker"]}])
    translator = FakeTranslator()
    with http_server(translator, http={"files": tmp_path}) as server:
        translator.engine.gate.clear()
        sent = server.send_file("/v1/documents", EN_DE | {"terms": terms}, "a.txt", b"a b").json
        assert translator.engine.held.wait(10)
        translator.engine.gate.set()
        assert wait_for(server, sent)["state"] == "done"
    with http_server(FakeTranslator(), http={"files": tmp_path}) as server:
        assert server.get(address_of(sent, "/result")).content == b"b a"


def test_a_document_belongs_to_its_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text('tokens = [{name = "a", token = "sesame-sesame-1-1"}, {name = "b", token = "sesame-sesame-2-2"}]')
    path.chmod(0o600)
    alice, bob = ({"authorization": f"Bearer sesame-sesame-{number}-{number}"} for number in (1, 2))
    with http_server(FakeTranslator(), access={"tokens": path}) as server:
        assert server.send_file("/v1/documents", EN_DE, "a.txt", b"a b").status == 401
        sent = server.send_file("/v1/documents", EN_DE, "a.txt", b"a b", **alice).json
        assert server.get(address_of(sent), **bob).status == 404
        assert server.get(address_of(sent), **alice).status == 200
