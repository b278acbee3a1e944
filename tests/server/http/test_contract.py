"""The contract as JSON."""

import json

import pytest

from dragoman.model.config import Direction
from tests.server.fakes import FakeTranslator
from tests.server.http.calling import Answer, http_server


def events(answer: Answer) -> list[tuple[str, dict[str, object]]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.content.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if lines:
            found.append((lines.get("event", "message"), json.loads(lines["data"])))
    return found


def test_a_batch_is_translated() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send("/v1/translate", {"texts": ["a b", "refused"], "targetLanguageCode": "de"})
        assert answer.json["model"] == "en-de"
        good, bad = answer.json["translations"]
        assert good["hypotheses"][0]["text"] == "b a"
        assert bad["error"]["message"] == "the engine refuses this text"
        snake = server.send("/v1/translate", {"texts": ["a b"], "target_language_code": "de"})
        assert snake.json["translations"][0]["hypotheses"][0]["text"] == "b a"


def test_a_live_translation_comes_as_events() -> None:
    with http_server(FakeTranslator()) as server:
        found = events(server.send("/v1/translateLive", {"text": "a b c", "targetLanguageCode": "de"}))
        assert found[0][1]["started"] == {"model": "en-de", "sourceLanguageCode": "en", "revision": "0123456789abcdef"}
        assert found[-2][1]["translation"]["hypotheses"][0]["text"] == "c b a"  # type: ignore[index]
        assert found[-1] == ("done", {})
        refused = server.send("/v1/translateLive", {"text": "a", "targetLanguageCode": "xx"})
        assert refused.status == 404


def test_a_stream_gives_results_as_they_come() -> None:
    items = [{"id": str(number), "text": f"a{number} b"} for number in range(1, 21)]
    with http_server(FakeTranslator(), limits={"max_texts": 8}) as server:
        config = {"targetLanguageCode": "de"}
        found = events(server.send("/v1/translateStream", {"config": config, "items": items}))
        assert found[0][1]["started"]["model"] == "en-de"  # type: ignore[index]
        results = [result for _, event in found for result in event.get("results", [])]  # type: ignore[attr-defined]
        texts = {result["id"]: result["translation"]["hypotheses"][0]["text"] for result in results}
        assert texts == {str(number): f"b a{number}" for number in range(1, 21)}
        assert found[-1][0] == "done"


def test_models_and_the_server_describe_themselves() -> None:
    with http_server(FakeTranslator("one", (Direction("en", "de"),)), FakeTranslator("two")) as server:
        page = server.get("/v1/models?pageSize=1").json
        assert [model["name"] for model in page["models"]] == ["one"]
        rest = server.get(f"/v1/models?pageToken={page['nextPageToken']}").json
        assert [model["name"] for model in rest["models"]] == ["two"]
        assert server.get("/v1/models/two").json["model"]["parameterCount"] == "7654321"
        assert server.get("/v1/models/three").status == 404
        assert server.get("/v1/server").json["limits"]["maxTexts"] == 1024


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/v1/translate", {"texts": "a"}, "the request is no TranslateRequest"),
        ("/v1/translate", {"nothing": 1}, "the request is no TranslateRequest"),
        ("/v1/translate", {"texts": ["a"]}, "target_language_code: is empty"),
        ("/v1/score", {"pairs": [{"source": "a", "target": "b"}]}, "target_language_code: is empty"),
        ("/v1/translateStream", {"items": 1}, "the request is no TranslateStreamItems"),
        ("/v1/translateStream", {"config": []}, "TranslateStreamConfig: must be a JSON object"),
    ],
)
def test_a_faulty_request_says_why(path: str, fields: dict[str, object], message: str) -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send(path, fields)
        assert answer.status == 400
        assert answer.json["error"]["message"].startswith(message)
        assert answer.json["error"]["code"] == "INVALID_ARGUMENT"


def test_the_number_of_results_and_pairs_is_that_of_grpc() -> None:
    with http_server(FakeTranslator()) as server:
        fields = {"pairs": [{"source": "a", "target": "b c"}], "targetLanguageCode": "de", "sourceLanguageCode": "en"}
        assert server.send("/v1/score", fields).json["scores"][0]["score"] == -2.0
        found = server.send("/v1/detectLanguage", {"texts": ["The weather is lovely this morning.", "..."]}).json
        assert found["detections"][0]["candidates"][0]["languageCode"] == "en"
        assert found["detections"][1] == {}


@pytest.mark.parametrize(
    "body",
    [
        '{"texts": ["a"], "targetLanguageCode": "de", "searchOptions": {"beamSize": 1e999}}',
        '{"texts": ["a"], "targetLanguageCode": "de", "searchOptions": {"beamSize": NaN}}',
        '{"texts": ["a"], "targetLanguageCode": "de", "searchOptions": {"lengthPenalty": 1%s}}' % ("0" * 400),
        '{"texts": ["a"], "targetLanguageCode": "de", "searchOptions": {"lengthPenalty": 1e999}}',
        '{"texts": ["a"], "targetLanguageCode": "de", "searchOptions": "\\ud800"}',
    ],
)
def test_what_is_no_number_and_no_text_is_the_callers_fault(body: str) -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.call("POST", "/v1/translate", body, {"content-type": "application/json"})
        assert answer.status == 400
        assert answer.json["error"]["code"] == "INVALID_ARGUMENT"
