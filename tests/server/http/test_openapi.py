"""The OpenAPI documents beside the answers of a running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.server.fakes import FakeTranslator
from tests.server.http.calling import Answer, HttpServer, http_server

TABLE = "ZW4JZGUKYQliCg=="  # en, de, a, b, as base64

CALLS: dict[tuple[str, str], tuple[str, Any]] = {
    ("post", "/v1/translate"): (
        "/v1/translate",
        {
            "texts": ["a b c", "", "refused"],
            "sourceLanguageCode": "auto",
            "targetLanguageCode": "de",
            "searchOptions": {"beamSize": 4, "nBest": 2},
            "returnOptions": {"pieces": True, "tokenLogProbs": True, "attention": True, "alignment": True},
            "terms": [{"source": "b", "targets": ["B"]}],
        },
    ),
    ("post", "/v1/score"): (
        "/v1/score",
        {"pairs": [{"source": "a", "target": "b"}], "sourceLanguageCode": "en", "targetLanguageCode": "de"},
    ),
    ("post", "/v1/detectLanguage"): ("/v1/detectLanguage", {"texts": ["Guten Morgen!", "1"], "maxCandidates": 2}),
    ("get", "/v1/models"): ("/v1/models?pageSize=1", None),
    ("get", "/v1/models/{name}"): ("/v1/models/en-de", None),
    ("post", "/v1/glossaries"): ("/v1/glossaries", {"name": "g", "content": TABLE, "format": "GLOSSARY_FORMAT_TSV"}),
    ("get", "/v1/glossaries"): ("/v1/glossaries", None),
    ("get", "/v1/glossaries/{name}"): ("/v1/glossaries/g", None),
    ("delete", "/v1/glossaries/{name}"): ("/v1/glossaries/g", None),
    ("get", "/v1/usage"): ("/v1/usage", None),
    ("get", "/v1/server"): ("/v1/server", None),
    ("post", "/v1/translateLive"): ("/v1/translateLive", {"text": "a b c", "targetLanguageCode": "de"}),
    ("post", "/v1/attention"): (
        "/v1/attention",
        {
            "source": "The dog.",
            "target": "Der Hund.",
            "targetLanguageCode": "de",
            "vectors": {"kind": "encoder", "layer": 0, "head": 1},
        },
    ),
    ("post", "/v1/translateStream"): (
        "/v1/translateStream",
        {"config": {"targetLanguageCode": "de"}, "items": [{"id": 7, "text": "a b"}, {"id": 8, "text": "refused"}]},
    ),
}
"""A call of each operation, in an order in which all succeed."""

FORMS_AND_FILES = {
    ("post", "/v1/documents"),
    ("get", "/v1/documents/{id}"),
    ("delete", "/v1/documents/{id}"),
    ("get", "/v1/documents/{id}/result"),
}
"""Operations that need more than JSON."""

LIBRETRANSLATE: dict[tuple[str, str], Any] = {
    ("post", "/translate"): {"q": ["a b"], "source": "auto", "target": "de", "alternatives": 1},
    ("post", "/detect"): {"q": "Guten Morgen!"},
    ("get", "/languages"): None,
    ("get", "/frontend/settings"): None,
    ("get", "/health"): None,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    folder: Path = tmp_path_factory.mktemp("glossaries")
    with http_server(FakeTranslator(), server={"glossaries": str(folder)}) as found:
        yield found


def validate(document: Any, schema: Any, value: Any) -> None:
    Draft202012Validator(schema | {"components": document.get("components", {})}).validate(value)


def call(server: HttpServer, verb: str, path: str, fields: Any) -> Answer:
    return server.send(path, fields) if verb == "post" else server.call(verb.upper(), path)


def data_of(answer: Answer) -> Iterator[Any]:
    """The object of an answer, or those of its events."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        yield answer.json
        return
    events = [block.splitlines() for block in answer.content.decode().strip().split("\n\n")]
    assert events.pop() == ["event: done", "data: {}"]
    for (line,) in events:
        yield json.loads(line.removeprefix("data: "))


def test_requests_and_answers_are_as_the_document_says(server: HttpServer) -> None:
    document = server.get("/v1/openapi.json").json
    described = {(verb, path) for path, verbs in document["paths"].items() for verb in verbs}
    assert described == CALLS.keys() | FORMS_AND_FILES
    for (verb, path), (address, fields) in CALLS.items():
        operation = document["paths"][path][verb]
        if fields is not None:
            validate(document, operation["requestBody"]["content"]["application/json"]["schema"], fields)
        answer = call(server, verb, address, fields)
        assert answer.status == 200, (path, answer.content)
        (content,) = operation["responses"]["200"]["content"].values()
        found = list(data_of(answer))
        assert found
        for value in found:
            validate(document, content["schema"], value)


def test_documents_are_as_the_document_says(server: HttpServer) -> None:
    document = server.get("/v1/openapi.json").json

    def check(verb: str, path: str, answer: Answer) -> Any:
        assert answer.status == 200
        (content,) = document["paths"][path][verb]["responses"]["200"]["content"].values()
        validate(document, content["schema"], answer.json)
        return answer.json

    fields = {"sourceLanguageCode": "en", "targetLanguageCode": "de", "terms": '[{"source": "a", "targets": ["b"]}]'}
    body = document["paths"]["/v1/documents"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    validate(document, body, fields | {"file": ""})
    for content in (b'{"x": "a b"}', b"{"):
        sent = check("post", "/v1/documents", server.send_file("/v1/documents", fields, "a.json", content))
        one = "/v1/documents/{id}"
        address = f"/v1/documents/{sent['id']}?key={sent['key']}"
        while check("get", one, server.get(address))["state"] in ("queued", "translating"):
            pass
        check("delete", one, server.call("DELETE", address))


def test_faults_are_as_the_document_says(server: HttpServer) -> None:
    document = server.get("/v1/openapi.json").json
    for path, fields in (("/v1/translate", {"texts": [1]}), ("/v1/translate", {}), ("/v1/score", [])):
        answer = server.send(path, fields)
        assert answer.status == 400
        schema = document["paths"][path]["post"]["responses"]["default"]["content"]["application/json"]["schema"]
        validate(document, schema, answer.json)


def test_a_field_that_the_document_lacks_is_refused_by_both(server: HttpServer) -> None:
    document = server.get("/v1/openapi.json").json
    schema = document["paths"]["/v1/translate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = {"texts": ["a"], "targetLanguageCode": "de", "nonsense": 1}
    validator = Draft202012Validator(schema | {"components": document["components"]})
    assert not validator.is_valid(fields)
    assert server.send("/v1/translate", fields).status == 400


def test_the_document_is_whole_and_asks_for_a_token_where_one_is_needed(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "one"\n')
    with http_server(FakeTranslator(), access={"tokens": str(tokens)}) as server:
        document = server.get("/v1/openapi.json").json
        assert document["security"] == [{"token": []}]
        schemas = document["components"]["schemas"]
        for schema in schemas.values():
            Draft202012Validator.check_schema(schema)
        referred = set(json.dumps(document).split('"#/components/schemas/')[1:])
        assert {one.partition('"')[0] for one in referred} <= schemas.keys()
        assert {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}} in document["paths"][
            "/v1/models/{name}"
        ]["get"]["parameters"]


def test_libretranslates_answers_are_as_its_document_says(server: HttpServer) -> None:
    document = server.get("/spec").json
    described = {(verb, path) for path, verbs in document["paths"].items() for verb in verbs}
    assert described == {*LIBRETRANSLATE.keys(), ("post", "/translate_file")}
    for (verb, path), fields in LIBRETRANSLATE.items():
        responses = document["paths"][path][verb]["responses"]
        answer = call(server, verb, path, fields)
        assert answer.status == 200
        validate(document, responses["200"]["content"]["application/json"]["schema"], answer.json)
    translated = server.send_file("/translate_file", {"source": "en", "target": "de"}, "a.txt", b"a b")
    responses = document["paths"]["/translate_file"]["post"]["responses"]
    validate(document, responses["200"]["content"]["application/json"]["schema"], translated.json)
    refused = server.send("/translate", {"q": "a"})
    assert refused.status == 400
    validate(document, responses["default"]["content"]["application/json"]["schema"], refused.json)
