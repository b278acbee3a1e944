"""DeepL's methods as its clients call them."""

import json
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from tests.server.fakes import FakeTranslator
from tests.server.http.calling import Answer, HttpServer, http_server

ENGLISH = "The weather is lovely this morning."
GERMAN = "Heute Morgen ist das Wetter wunderschön."


def xml(server: HttpServer, text: str, **fields: object) -> Answer:
    return server.send("/v2/translate", {"text": [text], "target_lang": "DE", "tag_handling": "xml"} | fields)


def text_of(answer: Answer) -> str:
    assert answer.status == 200, answer.content
    return str(answer.json["translations"][0]["text"])


def wait_for_document(server: HttpServer, found: dict[str, str]) -> Answer:
    path, key = f"/v2/document/{found['document_id']}", {"document_key": found["document_key"]}
    while (answer := server.send(path, key)).json["status"] not in ("done", "error"):
        pass
    return answer


def test_texts_in_a_form_and_in_json() -> None:
    with http_server(FakeTranslator()) as server:
        fields = {"text": ["a b", "c d"], "target_lang": "DE", "source_lang": "EN", "show_billed_characters": "1"}
        expected = [
            {"detected_source_language": "EN", "text": "b a", "billed_characters": 3},
            {"detected_source_language": "EN", "text": "d c", "billed_characters": 3},
        ]
        assert server.send_form("/v2/translate", fields).json == {"translations": expected}
        assert server.send("/v2/translate", fields | {"target_lang": "de-AT"}).json == {"translations": expected}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_lang": "DE"}, "Parameter 'text' not specified."),
        ({"text": ["a"]}, "Parameter 'target_lang' not specified."),
        ({"text": ["a"], "target_lang": "XX"}, "Value for 'target_lang' not supported."),
        ({"text": ["a"], "target_lang": "DE", "source_lang": "XX"}, "Value for 'source_lang' not supported."),
        ({"text": ["a"], "target_lang": "DE", "split_sentences": "2"}, "Value for 'split_sentences' not supported."),
        ({"text": ["a"], "target_lang": "DE", "formality": "more"}, "'formality' is not supported"),
        ({"text": ["a"], "target_lang": "DE", "tag_handling": "md"}, "Value for 'tag_handling' not supported."),
        ({"text": ["a"], "target_lang": "DE", "style_id": "x"}, "Parameter 'style_id' is not supported"),
        ({"text": ["<a>"], "target_lang": "DE", "tag_handling": "xml"}, "Tag handling parsing failed"),
    ],
)
def test_a_faulty_request_says_why(fields: dict[str, object], message: str) -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send("/v2/translate", fields)
        assert answer.status == 400
        assert answer.json["message"].startswith(message)


def test_tags_part_texts_as_the_options_say() -> None:
    with http_server(FakeTranslator()) as server:
        known = {"source_lang": "EN"}
        assert text_of(xml(server, "<p>a b</p><p>c d</p>", **known)) == "<p>b a</p><p>d c</p>"
        assert text_of(xml(server, "<p>a b</p> <x>c d</x>", ignore_tags=["x"], **known)) == "<p>b a</p> <x>c d</x>"
        flat = {"outline_detection": False, "splitting_tags": "p", **known}
        assert text_of(xml(server, "<d><p>a &lt; b</p><p>c</p></d>", **flat)) == "<d><p>b &lt; a</p><p>c</p></d>"


def test_what_stands_before_the_root_stays() -> None:
    with http_server(FakeTranslator()) as server:
        for prolog in ("\n<!DOCTYPE html>\n", '<?xml version="1.0"?>\n', '<?xml version="1.0"?><!DOCTYPE html>'):
            assert text_of(xml(server, f"{prolog}<p>a b</p>\n", source_lang="EN")) == f"{prolog}<p>b a</p>\n"


def test_a_language_that_no_model_has_is_taken_for_the_nearest_one() -> None:
    with http_server(FakeTranslator(directions=(Direction("en", "de"), Direction("fr", "de")))) as server:
        answer = xml(server, "<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>")
        assert answer.status == 200
        assert answer.json["translations"][0]["detected_source_language"] in ("EN", "FR")
        assert text_of(xml(server, f"<p>{GERMAN}</p>")) == f"<p>{GERMAN}</p>"


def test_a_document_is_uploaded_asked_for_and_taken_once() -> None:
    with http_server(FakeTranslator()) as server:
        content = json.dumps({"a": ENGLISH}).encode()
        found = server.send_file("/v2/document", {"target_lang": "DE"}, "my.json", content).json
        done = wait_for_document(server, found).json
        assert (done["status"], done["billed_characters"]) == ("done", len(ENGLISH))
        path, key = f"/v2/document/{found['document_id']}", {"document_key": found["document_key"]}
        assert server.send(path, {"document_key": "0" * 64}).status == 404
        result = server.send(f"{path}/result", key)
        assert result.content == json.dumps({"a": " ".join(reversed(ENGLISH.split()))}).encode()
        assert server.send(f"{path}/result", key).status == 404


def test_a_document_in_the_target_language_fails() -> None:
    with http_server(FakeTranslator()) as server:
        found = server.send_file("/v2/document", {"target_lang": "DE"}, "a.txt", GERMAN.encode()).json
        failed = wait_for_document(server, found).json
        assert failed["status"] == "error"
        assert failed["message"].startswith("Source and target language are the same")


def test_languages_are_those_of_the_models() -> None:
    with http_server(FakeTranslator(directions=(Direction("de", "en"), Direction("en", "pt-BR")))) as server:
        assert [one["language"] for one in server.get("/v2/languages?type=source").json] == ["DE", "EN"]
        assert [one["language"] for one in server.get("/v2/languages?type=target").json] == ["EN-GB", "EN-US", "PT-BR"]
        assert server.get("/v2/languages?type=other").status == 400


def test_languages_by_what_they_are_for() -> None:
    with http_server(FakeTranslator(directions=(Direction("de", "en"), Direction("en", "pt-BR")))) as server:
        found = server.get("/v3/languages?resource=translate_text").json
        assert [(one["lang"], one["usable_as_source"], one["usable_as_target"]) for one in found] == [
            ("de", True, False),
            ("en", True, True),
            ("pt-BR", False, True),
        ]
        assert found[0]["features"] == {"tag_handling": {"status": "stable"}, "glossary": {"status": "stable"}}
        assert server.get("/v3/languages?resource=voice").json == []
        assert server.get("/v3/languages").status == 400


def test_usage_is_the_months_and_an_exhausted_quota_is_456(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "one"\ncharacters_per_month = 10\n')
    key = {"authorization": "DeepL-Auth-Key one"}
    access = {"tokens": str(tokens), "usage": str(tmp_path / "usage.sqlite")}
    with http_server(FakeTranslator(), access=access) as server:
        order = {"text": ["a b c"], "target_lang": "DE", "source_lang": "EN"}
        assert server.send("/v2/translate", order, **key).status == 200
        found = server.get("/v2/usage", **key).json
        assert (found["character_count"], found["character_limit"]) == (5, 10)
        assert found["start_time"].endswith("-01T00:00:00Z")
        refused = server.send("/v2/translate", order | {"text": ["a b c d"]}, **key)
        assert (refused.status, refused.json["message"]) == (
            456,
            "the quota of 10 characters per month does not allow this call",
        )
        same = server.send("/translate", {"q": "a b c d", "source": "en", "target": "de", "api_key": "one"})
        assert (same.status, "retry-after" in same.headers) == (429, True)
    with http_server(FakeTranslator(), access=access) as server:
        usage = server.get("/v1/usage", authorization="Bearer one").json
        assert (usage["month"]["characterCount"], usage["month"]["characterLimit"]) == ("5", "10")
        assert usage["day"]["callCount"] == "1"
        document = server.send_file("/v2/document", {"target_lang": "DE"}, "a.txt", ENGLISH.encode(), **key).json
        path, body = f"/v2/document/{document['document_id']}", {"document_key": document["document_key"]}
        while (state := server.send(path, body, **key).json)["status"] not in ("done", "error"):
            pass
        assert state["message"].startswith("the quota of 10 characters per month")


def test_usage_without_a_quota_has_deepls_largest_limit() -> None:
    with http_server(FakeTranslator()) as server:
        server.send("/v2/translate", {"text": ["a b"], "target_lang": "DE", "source_lang": "EN"})
        found = server.get("/v2/usage").json
        assert (found["character_count"], found["character_limit"]) == (3, 10**12)
