"""LibreTranslate's methods as its clients call them."""

import pytest

from dragoman.model.config import Direction
from tests.server.fakes import DE_EN, FakeTranslator
from tests.server.http.calling import http_server

ENGLISH = "The weather is lovely this morning."
EN_DE = {"source": "en", "target": "de"}


def test_a_form_and_json_say_the_same() -> None:
    with http_server(FakeTranslator()) as server:
        fields = {"q": "a b", "source": "en", "target": "de"}
        for answer in (server.send("/translate", fields), server.send_form("/translate", fields)):
            assert (answer.status, answer.json) == (200, {"translatedText": "b a"})
        assert server.call("POST", "/translate?q=a+b&source=en&target=de").json == {"translatedText": "b a"}


def test_several_texts_have_several_answers() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send("/translate", EN_DE | {"q": ["a b", "", "c"], "alternatives": 2}).json
        assert answer == {
            "translatedText": ["b a", "", "c"],
            "alternatives": [["b a !", "b a ! !"], [], ["c !", "c ! !"]],
        }
        answer = server.send_form("/translate", EN_DE | {"q": "a", "alternatives": "1"}).json
        assert answer == {"translatedText": "a", "alternatives": ["a !"]}


def test_the_language_is_detected_and_said() -> None:
    with http_server(FakeTranslator(directions=(DE_EN, Direction("en", "de")))) as server:
        answer = server.send("/translate", {"q": ENGLISH, "source": "auto", "target": "de"}).json
        assert answer["translatedText"] == " ".join(reversed(ENGLISH.split()))
        assert answer["detectedLanguage"]["language"] == "en"
        assert answer["detectedLanguage"]["confidence"] > 90
        batch = server.send("/translate", {"q": [ENGLISH], "source": "auto", "target": "de"}).json
        assert batch["detectedLanguage"] == [answer["detectedLanguage"]]
        found = server.send_form("/detect", {"q": ENGLISH}).json
        assert found[0]["language"] == "en"
        assert server.send("/detect", {"q": "..."}).json == [{"confidence": 0.0, "language": "en"}]


def test_html_keeps_its_tags() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send("/translate", EN_DE | {"q": "<p>a b</p>", "format": "html", "alternatives": 3})
        assert answer.json == {"translatedText": "<p>b a</p>", "alternatives": []}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"q": "", **EN_DE}, "Invalid request: missing q parameter"),
        ({"q": "a", "source": "en"}, "Invalid request: missing target parameter"),
        ({"q": "a", "target": "de"}, "Invalid request: missing source parameter"),
        ({"q": "a", "source": "en", "target": "xx"}, 'target_language_code: nothing translates into "xx"'),
        ({"q": "a", **EN_DE, "format": "pdf"}, "pdf format is not supported"),
        ({"q": "a", **EN_DE, "alternatives": "many"}, "alternatives: must be a whole number"),
        ({"q": {"a": 1}, **EN_DE}, "q: must be a string"),
        ({"q": ["a", 1], **EN_DE}, "q: must be a string, or a list of strings"),
        ({"q": "\ud83d", **EN_DE}, "q: is no text"),
        ({"q": "refused", **EN_DE}, "q[0]: the engine refuses this text"),
    ],
)
def test_a_faulty_request_says_why(fields: dict[str, object], message: str) -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send("/translate", fields)
        assert answer.status == 400
        assert answer.json["error"].startswith(message)


def test_languages_have_names_and_targets() -> None:
    with http_server(FakeTranslator(directions=(Direction("en", "pt-BR"), Direction("de", "en")))) as server:
        assert server.get("/languages").json == [
            {"code": "de", "name": "German", "targets": ["de", "en"]},
            {"code": "en", "name": "English", "targets": ["en", "pt-BR"]},
            {"code": "pt-BR", "name": "Portuguese (BR)", "targets": ["pt-BR"]},
        ]
        assert server.send("/languages", {}).json == server.get("/languages").json  # as argostranslate's client asks
        settings = server.get("/frontend/settings").json
        assert settings["charLimit"] == 100_000
        assert ".docx" in settings["supportedFilesFormat"]
        assert server.get("/health").json == {"status": "ok"}
        assert server.send("/suggest", {}).status == 403


def test_a_file_is_translated_and_downloaded() -> None:
    with http_server(FakeTranslator()) as server:
        answer = server.send_file("/translate_file", EN_DE, "my notes.json", b'{"x": "a b", "y": ["c d"]}')
        assert answer.status == 200, answer.content
        url = answer.json["translatedFileUrl"]
        assert url.startswith(f"http://{server.address}/download_file/")
        path = url.removeprefix(f"http://{server.address}")
        found = server.get(path)
        assert (found.status, found.content) == (200, b'{"x": "b a", "y": ["d c"]}')
        offered = "attachment; filename=\"my_notes.json\"; filename*=UTF-8''my_notes.json"
        assert found.headers["content-disposition"] == offered
        assert server.get(path[:-5]).status == 404
        assert server.get("/download_file/..%2f..%2fetc%2fpasswd").status == 404
        refused = server.send_file("/translate_file", EN_DE, "picture.jpeg", b"abc")
        assert (refused.status, refused.json) == (400, {"error": 'file: the file extension ".jpeg" is unknown'})
        broken = server.send_file("/translate_file", EN_DE, "broken.json", b"{")
        assert broken.status == 400
        assert "broken.json" in broken.json["error"]
