"""Attention over HTTP. The server's translator is a fake, but its name is the shipped bundle's, whose weights count."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.loading import open_model
from dragoman.translation.scoring.explaining import Explainer, VectorsOf
from tests.server.fakes import FakeTranslator
from tests.server.http.calling import HttpServer, http_server

PAIR = {"source": "The dog is big.", "target": "Der Hund ist groß."}
WANTED = PAIR | {"sourceLanguageCode": "en", "targetLanguageCode": "de"}


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server(FakeTranslator()) as running:
        yield running


def test_a_pair_is_explained() -> None:
    explainer = Explainer(open_model(["en-de"]))
    due = explainer.explain(PAIR["source"], PAIR["target"], Direction("en", "de"))
    with http_server(FakeTranslator()) as server:
        answer = server.send("/v1/attention", WANTED).json
        assert answer["sourcePieces"] == list(due.source_pieces)
        assert (answer["model"], answer["revision"]) == ("en-de", explainer.revision)
        assert (answer["sourceLanguageCode"], answer["targetLanguageCode"]) == ("en", "de")
        assert answer["cross"] == due.fields()["cross"]
        assert "vectors" not in answer
        snake = PAIR | {"target_language_code": "de-DE", "model": "en-de"}
        vectors = {"kind": "decoder", "layer": 1, "head": 2}
        again = server.send("/v1/attention", snake | {"vectors": vectors}).json
        assert again.pop("vectors") == due.vectors(VectorsOf("decoder", 1, 2))
        assert again == answer
        metrics = server.get("/metrics").content
        assert b'dragoman_requests_total{code="OK",method="json/attention"} 2.0' in metrics


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"source": ""}, 400, "the source is blank: there is nothing to score"),
        ({"source": 1}, 400, "source: must be a string"),
        ({"target": "\ud800"}, 400, "target: is no text: half a surrogate pair at character 0"),
        ({"target": 200 * "Hund "}, 400, "target: the translation has 201 pieces, but at most 100 can be shown"),
        ({"targetLanguageCode": ""}, 400, "target_language_code: is empty; name the language to translate into"),
        ({"targetLanguageCode": "fr"}, 404, 'target_language_code: nothing translates into "fr"; there is de, en'),
        ({"model": "other"}, 404, 'model: there is no "other"; there is en-de'),
        ({"heads": 1}, 400, "heads: is unknown"),
        ({"vectors": 1}, 400, "vectors: must be an object of kind, layer and head"),
        (
            {"vectors": {"kind": "x", "layer": 0, "head": 0}},
            400,
            "vectors.kind: must be one of encoder, decoder, cross",
        ),
        ({"vectors": {"kind": "cross", "layer": "0", "head": 0}}, 400, "vectors.layer: must be a whole number"),
        ({"vectors": {"kind": "cross", "layer": 0, "head": 4}}, 400, "vectors.head: is 4, but there are 4 heads"),
    ],
)
def test_what_is_wrong_is_named(server: HttpServer, changes: dict[str, Any], status: int, message: str) -> None:
    answer = server.send("/v1/attention", WANTED | changes)
    assert answer.status == status
    assert answer.json["error"]["message"].startswith(message)


def test_it_counts_for_the_caller_as_any_call(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text('tokens = [{name = "bob", token = "sesame-sesame-sesame-2", characters_per_minute = 20}]')
    path.chmod(0o600)
    with http_server(FakeTranslator(), access={"tokens": path}) as server:
        assert server.send("/v1/attention", WANTED).status == 401
        bob = {"authorization": "Bearer sesame-sesame-sesame-2"}
        assert server.send("/v1/attention", WANTED, **bob).status == 200
        assert server.send("/v1/attention", WANTED, **bob).status == 429
