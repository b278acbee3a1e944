"""Google's TranslateText, DetectLanguage and GetSupportedLanguages over a real connection."""

import pytest

pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate: pip install 'dragoman[google]'")

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from dragoman.model.config import Direction
from dragoman.server.app import TranslationServer
from dragoman.server.translating import contents
from dragoman.server.translating.detection import Candidate, LanguageDetector
from tests.server.fakes import EN_DE, PATIENCE, AligningTranslator, FakeTranslator
from tests.server.grpc.google.running import PARENT, SERVICE, Google, serve
from tests.server.running import running_server

FR_DE = Direction("fr", "de")


def test_translates_plain_text() -> None:
    async def test(google: Google) -> None:
        assert await google.translate("a b c", "", "d e <b>&amp;") == ["c b a", "", "<b>&amp; e d"]
        assert await google.translate("a b", parent="projects/any") == ["b a"]
        assert await google.translate("a b", source_language_code="en-US", target_language_code="de_AT") == ["b a"]

    serve(test)


def test_text_is_html_unless_it_says_otherwise() -> None:
    translator = AligningTranslator()

    async def test(google: Google) -> None:
        html = '<p title="a b">one <b>two</b> &amp; three</p><script>x y</script>'
        expected = '<p title="a b">three &amp; <b>two</b> one</p><script>x y</script>'
        assert await google.translate(html, mime_type="") == [expected]
        assert translator.num_aligned == 1
        assert await google.translate("<p>a b</p>", "", mime_type="text/html") == ["<p>b a</p>", ""]
        assert translator.num_aligned == 1  # only where a tag could move

    serve(test, translator)


def test_a_model_is_chosen_by_its_name() -> None:
    async def test(google: Google) -> None:
        for model in ("one", "two"):
            name = f"{PARENT}/models/{model}"
            response = await google.call(
                "TranslateText", contents=["a b"], parent=PARENT, target_language_code="de", model=name
            )
            (translation,) = response.translations
            assert (translation.translated_text, translation.model) == ("b a", name)
        response = await google.call("TranslateText", contents=["a b"], parent=PARENT, target_language_code="de")
        assert response.translations[0].translated_text == "b a"

    serve(test, FakeTranslator("one"), FakeTranslator("two"))


def test_the_general_model_is_the_server_s_choice() -> None:
    async def test(google: Google) -> None:
        assert await google.translate("a b", model=f"{PARENT}/models/general/nmt") == ["b a"]
        request = {"contents": ["a"], "parent": PARENT, "target_language_code": "de"}
        for model, code in (
            ("general/translation-llm", "NOT_FOUND"),
            ("none", "NOT_FOUND"),
            ("a/b/c", "INVALID_ARGUMENT"),
        ):
            assert (await google.fail("TranslateText", model=f"{PARENT}/models/{model}", **request))[0] == code

    serve(test)


def test_attention_is_never_kept_for_all_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = AligningTranslator()
    monkeypatch.setattr(contents, "MAX_ATTENTION_BYTES", 3 * 4 * 2**2)  # of three texts of two pieces

    async def test(google: Google) -> None:
        html = [f"a <b>b{number}</b>" for number in range(7)]
        translated = await google.translate(*html, "plain text", mime_type="text/html")
        assert translated == [*(f"<b>b{number}</b> a" for number in range(7)), "text plain"]
        monkeypatch.setattr(contents, "MAX_WEIGHTS_BYTES", 7 * 4 * 2**2 - 1)
        request = {"contents": html, "parent": PARENT, "target_language_code": "de"}
        assert "too much text with tags" in (await google.fail("TranslateText", **request))[1]

    serve(test, translator)
    assert max(map(len, translator.engine.together)) <= 3


class FakeDetector(LanguageDetector):
    """Knows French by a word."""

    def choose(self, text: str, sources: Sequence[str], target: str) -> str | None:
        assert "<" not in text
        assert (list(sources), target) == (["en", "fr"], "de")
        return {"oui": "fr", "yes": "en", "ja": "de"}.get(text.split()[0])


def test_each_content_s_language_is_detected_among_the_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.app.LanguageDetector", FakeDetector)
    texts = ["oui <b>a</b>", "yes b", "42", "oui c", "ja <i>d</i>"]

    async def test(google: Google) -> None:
        response = await google.call("TranslateText", contents=texts, parent=PARENT, target_language_code="de")
        found = [(one.translated_text, one.detected_language_code) for one in response.translations]
        assert found == [("<b>a</b> oui", "fr"), ("b yes", "en"), ("42", "en"), ("c oui", "fr"), ("ja <i>d</i>", "de")]
        response = await google.call(
            "TranslateText", contents=texts, parent=PARENT, target_language_code="de", source_language_code="fr"
        )
        assert {one.detected_language_code for one in response.translations} == {""}

    french = AligningTranslator("fr-de", (FR_DE,))
    serve(test, AligningTranslator("en-de", (EN_DE,)), french)
    assert french.engine.num_finished == 7


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"parent": ""}, "INVALID_ARGUMENT", "parent"),
        ({"parent": "folders/x"}, "INVALID_ARGUMENT", "parent"),
        ({"contents": []}, "INVALID_ARGUMENT", "contents: is empty"),
        ({"contents": ["a"] * 4}, "INVALID_ARGUMENT", "contents: 4 texts"),
        ({"contents": ["a", "b" * 51]}, "INVALID_ARGUMENT", "contents[1]: has 51 characters"),
        ({"contents": ["a", "refused"]}, "INVALID_ARGUMENT", "contents[1]: the engine refuses this text"),
        ({"contents": ["a | b | c | d"], "mime_type": "text/plain"}, "INVALID_ARGUMENT", "more than 3 sentences"),
        ({"mime_type": "text/rtf"}, "INVALID_ARGUMENT", "mime_type"),
        ({"target_language_code": ""}, "INVALID_ARGUMENT", "target_language_code: is empty"),
        ({"target_language_code": "xx"}, "INVALID_ARGUMENT", "target_language_code: nothing translates"),
        ({"source_language_code": "de"}, "INVALID_ARGUMENT", "source_language_code: nothing translates"),
        ({"glossary_config": {"glossary": "x"}}, "INVALID_ARGUMENT", 'glossary_config.glossary: is "x"'),
        ({"glossary_config": {"glossary": f"{PARENT}/glossaries/x"}}, "NOT_FOUND", "glossary"),
        ({"transliteration_config": {"enable_transliteration": True}}, "UNIMPLEMENTED", "transliteration"),
        ({"contents": ["crash"]}, "INTERNAL", "its log has the reason"),
    ],
)
def test_what_is_wrong_is_told(request_: dict[str, Any], code: str, words: str) -> None:
    async def test(google: Google) -> None:
        request = {"contents": ["a"], "parent": PARENT, "target_language_code": "de"} | request_
        found, details = await google.fail("TranslateText", **request)
        assert (found, words in details) == (code, True), details

    serve(test, max_texts=3, max_text_length=50, max_sentences=3)


def test_detects_a_language() -> None:
    async def detect(google: Google, **request: str) -> Sequence[Any]:
        response = await google.call("DetectLanguage", parent=PARENT, **request)
        languages: Sequence[Any] = response.languages
        return languages

    async def test(google: Google) -> None:
        (german,) = await detect(google, content="Der Hund läuft über die Straße und bellt die Katze an.")
        assert (german.language_code, german.confidence > 0.9) == ("de", True)
        english = "<p lang='de' title='Der Hund läuft über die Straße'>The dog ran across the street.</p>"
        assert [one.language_code for one in await detect(google, content=english)] == ["en"]
        (unknown,) = await detect(google, content="42")
        assert (unknown.language_code, unknown.confidence) == ("und", 0)
        assert (await google.fail("DetectLanguage", parent=PARENT))[1] == "content: is missing"
        model = f"{PARENT}/models/language-detection/default"
        assert await detect(google, content="a", model=model)
        assert (await google.fail("DetectLanguage", parent=PARENT, content="a", model="x"))[0] == "NOT_FOUND"

    serve(test)


def test_a_text_too_long_to_detect_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "Document", None)  # taking megabytes of tags apart holds a thread for half a minute

    async def test(google: Google) -> None:
        found = await google.fail("DetectLanguage", parent=PARENT, content="<b>a</b>" * 7)
        assert found == ("INVALID_ARGUMENT", "content: has 56 characters, but at most 50 are allowed")

    serve(test, max_text_length=50)


def test_lists_languages() -> None:
    async def languages(google: Google, **request: str) -> list[tuple[str, str, bool, bool]]:
        response = await google.call("GetSupportedLanguages", parent=PARENT, **request)
        return [
            (one.language_code, one.display_name, one.support_source, one.support_target) for one in response.languages
        ]

    async def test(google: Google) -> None:
        assert await languages(google) == [("de", "", False, True), ("en", "", True, False), ("fr", "", True, False)]
        named = await languages(google, display_language_code="en", model=f"{PARENT}/models/fr-de")
        assert named == [("de", "de", False, True), ("fr", "fr", True, False)]

    serve(test, FakeTranslator("en-de", (EN_DE,)), FakeTranslator("fr-de", (FR_DE,)))


def test_other_methods_are_not_there() -> None:
    async def test(google: Google) -> None:
        assert (await google.fail("RomanizeText", parent=PARENT, contents=["a"]))[0] == "UNIMPLEMENTED"
        code, details = await google.fail("BatchTranslateText", parent=PARENT)
        assert (code, "google_files" in details) == ("UNIMPLEMENTED", True)

    serve(test)


def test_reflection_describes_both_services() -> None:
    with (
        running_server(FakeTranslator(), server={"google": True}) as address,
        grpc.insecure_channel(address) as channel,
    ):
        database = ProtoReflectionDescriptorDatabase(channel)
        assert {SERVICE, "google.longrunning.Operations"} <= set(database.get_services())
        methods = DescriptorPool(database).FindServiceByName(SERVICE).methods_by_name
        assert methods["TranslateText"].input_type.fields_by_name["contents"].number == 1
        of_glossaries = {"CreateGlossary", "GetGlossary", "ListGlossaries", "DeleteGlossary"}
        of_texts = {"TranslateText", "DetectLanguage", "GetSupportedLanguages", "BatchTranslateText"}
        assert set(methods) == of_texts | of_glossaries


def test_nothing_of_google_s_is_there_unless_asked_for() -> None:
    with running_server(FakeTranslator()) as address, grpc.insecure_channel(address) as channel:
        stub = operations_pb2_grpc.OperationsStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetOperation(operations_pb2.GetOperationRequest(name="x"), timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_call_without_a_model_is_waited_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowDetector(LanguageDetector):
        async def detect(self, texts: Sequence[str], max_candidates: int = 1) -> list[list[Candidate]]:
            stopping.append(asyncio.ensure_future(servers[0]._wait_until_idle()))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not stopping[0].done()
            return [[Candidate("de", 1.0)] for _ in texts]

    servers: list[TranslationServer] = []
    stopping: list[asyncio.Task[None]] = []
    start = TranslationServer.start

    async def note(server: TranslationServer) -> None:
        servers.append(server)
        await start(server)

    monkeypatch.setattr(TranslationServer, "start", note)
    monkeypatch.setattr("dragoman.server.app.LanguageDetector", SlowDetector)

    async def test(google: Google) -> None:
        response = await google.call("DetectLanguage", parent=PARENT, content="a", mime_type="text/plain")
        assert response.languages[0].language_code == "de"
        await stopping[0]

    serve(test)
