"""What the contract has beside plain text in one direction: HTML, detection, tags, pages, details of errors."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from dragoman.model.config import Direction
from dragoman.server.translating.detection import LanguageDetector
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import DE_EN, EN_DE, AligningTranslator, FakeTranslator, wait_for
from tests.server.grpc.messages import bring
from tests.server.grpc.v1.test_service import Code, Stub, fail, serve
from tests.server.running import PATIENCE

FR_DE = Direction("fr", "de")


class FakeDetector(LanguageDetector):
    """Knows three languages by a word each."""

    def choose(self, text: str, sources: Sequence[str], target: str) -> str | None:
        assert "<" not in text
        found = {"oui": "fr", "yes": "en", "ja": "de"}.get(text.split()[0])
        return found if found in (*sources, target) else None


@pytest.fixture
def knows_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.app.LanguageDetector", FakeDetector)


def texts_of(translations: Sequence[pb.Translation]) -> list[str]:
    return [translation.hypotheses[0].text for translation in translations]


def test_html_keeps_its_tags_in_their_places() -> None:
    translator = AligningTranslator()

    async def test(stub: Stub) -> None:
        html = '<p title="a b">one <b>two</b> &amp; three</p><script>x y</script>'
        request = pb.TranslateRequest(
            texts=[html, "", "x " * 60], target_language_code="de", text_format=pb.TEXT_FORMAT_HTML
        )
        first, empty, failed = (await stub.Translate(request)).translations
        expected = '<p title="a b">three &amp; <b>two</b> one</p><script>x y</script>'
        assert texts_of([first, empty]) == [expected, ""]
        assert failed.error.message == "the text has 60 pieces, but at most 50 fit"
        config = pb.TranslateStreamConfig(target_language_code="de", text_format=pb.TEXT_FORMAT_HTML)
        item = pb.TranslateStreamItem(id=7, text=html)
        _, response = [
            r async for r in stub.TranslateStream(iter([pb.TranslateStreamRequest(config=config), bring([item])]))
        ]
        assert texts_of([response.results[0].translation]) == [expected]

    serve(test, translator)
    assert translator.num_aligned == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"search_options": {"beam_size": 4, "n_best": 2}}, "search_options: n_best must be 1 for HTML"),
        ({"search_options": {"target_prefix": "x"}}, "search_options: target_prefix must be empty for HTML"),
        ({"return_options": {"pieces": True}}, "return_options: only plain text has pieces"),
    ],
)
def test_html_has_nothing_that_belongs_to_words(fields: dict[str, Any], message: str) -> None:
    async def test(stub: Stub) -> None:
        html: dict[str, Any] = {"target_language_code": "de", "text_format": pb.TEXT_FORMAT_HTML}
        code, details = await fail(stub.Translate, pb.TranslateRequest(texts=["a"], **html, **fields))
        assert (code, details.startswith(message)) == (Code.INVALID_ARGUMENT, True)
        with pytest.raises(grpc.aio.AioRpcError, match="text_format: HTML has no live translation"):
            assert [r async for r in stub.TranslateLive(pb.TranslateLiveRequest(text="a", **html))]

    serve(test)


@pytest.mark.parametrize(
    ("source", "target"), [("en-US", "de-DE"), ("EN", "De"), ("en_GB", "de_AT"), ("en-Latn-GB", "de-CH-1996")]
)
def test_language_tags_stand_for_the_models_languages(source: str, target: str) -> None:
    async def test(stub: Stub) -> None:
        languages: dict[str, Any] = {"source_language_code": source, "target_language_code": target}
        response = await stub.Translate(pb.TranslateRequest(texts=["a b"], **languages))
        assert (texts_of(response.translations), response.source_language_code) == (["b a"], "en")
        pairs = [pb.TextPair(source="a", target="b")]
        assert (await stub.Score(pb.ScoreRequest(pairs=pairs, **languages))).source_language_code == "en"

    serve(test)


def test_tags_that_mean_no_language_of_a_model_are_unknown() -> None:
    async def test(stub: Stub) -> None:
        for source, target, field in (("en", "dex", "target"), ("e", "de", "source"), ("../en", "de", "source")):
            request = pb.TranslateRequest(texts=["a"], source_language_code=source, target_language_code=target)
            code, details = await fail(stub.Translate, request)
            assert (code, details.startswith(f"{field}_language_code: nothing translates")) == (Code.NOT_FOUND, True)

    serve(test)


@pytest.mark.usefixtures("knows_words")
def test_each_text_has_its_own_language_and_model() -> None:
    async def test(stub: Stub) -> None:
        texts = ["oui a", "yes b", "42", "ja d"]
        request = pb.TranslateRequest(texts=texts, target_language_code="de")
        response = await stub.Translate(request)
        assert (response.model, response.revision, response.source_language_code) == ("", "", "")
        found = [(t.hypotheses[0].text, t.detected_language_code, t.model) for t in response.translations]
        assert found == [("a oui", "fr", "fr-de"), ("b yes", "en", "en-de"), ("42", "en", "en-de"), ("ja d", "de", "")]
        assert [t.already_in_target_language for t in response.translations] == [False] * 3 + [True]
        request.source_language_code = "fr"
        response = await stub.Translate(request)
        assert (response.model, response.source_language_code) == ("fr-de", "fr")
        assert {(t.detected_language_code, t.model) for t in response.translations} == {("", "")}

    serve(test, FakeTranslator("en-de", (EN_DE,)), FakeTranslator("fr-de", (FR_DE,)))


@pytest.mark.usefixtures("knows_words")
def test_a_text_in_the_target_language_is_not_translated_where_languages_are_detected() -> None:
    translator = FakeTranslator("de-en", (DE_EN,))

    async def test(stub: Stub) -> None:
        into_english: dict[str, Any] = {"target_language_code": "en", "source_language_code": "auto"}
        request = pb.TranslateRequest(texts=["yes b", "ja d"], **into_english)
        same, other = (await stub.Translate(request)).translations
        assert (texts_of([same, other]), same.already_in_target_language) == (["yes b", "d ja"], True)
        assert (same.detected_language_code, other.detected_language_code) == ("en", "de")
        (live,) = [r async for r in stub.TranslateLive(pb.TranslateLiveRequest(text="yes b", **into_english))]
        assert (live.stable_text, live.translation.already_in_target_language) == ("yes b", True)
        config = pb.TranslateStreamRequest(config=pb.TranslateStreamConfig(**into_english))
        item = pb.TranslateStreamItem(id=1, text="yes b")
        started, response = [r async for r in stub.TranslateStream(iter([config, bring([item])]))]
        assert (started.started.model, started.started.source_language_code) == ("de-en", "")
        assert response.results[0].translation.already_in_target_language
        # Without detection it is the caller who knows.
        (translated,) = (
            await stub.Translate(pb.TranslateRequest(texts=["yes b"], target_language_code="en"))
        ).translations
        assert (texts_of([translated]), translated.detected_language_code) == (["b yes"], "")

    serve(test, translator)
    assert translator.engine.num_finished == 2


def test_models_are_listed_by_pages() -> None:
    async def test(stub: Stub) -> None:
        names, token = [], ""
        for size in (2, 2, 1):
            page = await stub.ListModels(pb.ListModelsRequest(page_size=2, page_token=token))
            assert len(page.models) == size
            names += [model.name for model in page.models]
            token = page.next_page_token
        assert (names, token) == (list("abcde"), "")
        for request, message in (
            (pb.ListModelsRequest(page_size=-1), "page_size: is -1"),
            (pb.ListModelsRequest(page_size=1001), "page_size: is 1001"),
            (pb.ListModelsRequest(page_token="z"), "page_token: "),
        ):
            code, details = await fail(stub.ListModels, request)
            assert (code, details.startswith(message)) == (Code.INVALID_ARGUMENT, True)

    serve(test, *(FakeTranslator(name) for name in "abcde"))


def test_directions_through_the_pivot_are_listed_and_served() -> None:
    async def test(stub: Stub) -> None:
        page = await stub.ListModels(pb.ListModelsRequest(page_size=1))
        pairs = [(pair.source_language_code, pair.target_language_code) for pair in page.pivoted_language_pairs]
        assert pairs == [("de", "pt")]
        rest = await stub.ListModels(pb.ListModelsRequest(page_token=page.next_page_token))
        assert not rest.pivoted_language_pairs
        languages: dict[str, Any] = {"source_language_code": "de-AT", "target_language_code": "PT"}
        response = await stub.Translate(pb.TranslateRequest(texts=["a b"], **languages))
        assert (response.translations[0].hypotheses[0].text, response.model) == ("a b", "de-en+en-pt")
        live = [r async for r in stub.TranslateLive(pb.TranslateLiveRequest(text="a b", **languages))]
        assert live[0].started.model == "de-en+en-pt"
        assert live[-1].translation.hypotheses[0].text == "a b"

    translators = FakeTranslator("de-en", (DE_EN,)), FakeTranslator("en-pt", (Direction("en", "pt"),))
    serve(test, *translators, server={"pivot": "en"})


async def details_of(call: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a call that fails: its status' details by the names of their kinds, and its trailing metadata."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    found: dict[str, Message] = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        packed.Unpack(found[name])
    return found, dict(caught.value.trailing_metadata())


def test_errors_have_details() -> None:
    async def test(stub: Stub) -> None:
        call = stub.Translate(
            pb.TranslateRequest(texts=["a"], target_language_code="de", priority=9)  # type: ignore[arg-type]
        )
        found, _ = await details_of(call)
        (violation,) = found["BadRequest"].field_violations
        assert (violation.field, violation.description) == ("priority", "is 9, which has no meaning")
        assert (found["ErrorInfo"].reason, found["ErrorInfo"].domain) == ("INVALID_ARGUMENT", "dragoman")
        found, _ = await details_of(stub.GetModel(pb.GetModelRequest(name="none")))
        assert (set(found), found["ErrorInfo"].reason) == ({"ErrorInfo"}, "NOT_FOUND")

    serve(test)


def test_a_full_queue_says_when_to_come_again_and_repeats_the_request_id() -> None:
    translator = FakeTranslator(num_slots=1)

    async def test(stub: Stub) -> None:
        request = pb.TranslateRequest(texts=["forever"], target_language_code="de")
        running = stub.Translate(request)
        await wait_for(translator.engine.occupied)
        calls = [stub.Translate(request, metadata=(("x-request-id", "mine"),), timeout=PATIENCE) for _ in range(2)]
        codes = [asyncio.ensure_future(call.code()) for call in calls]
        await asyncio.wait(codes, return_when=asyncio.FIRST_COMPLETED)
        refused = next(call for call, code in zip(calls, codes, strict=True) if code.done())
        found, trailing = await details_of(refused)
        assert found["ErrorInfo"].reason == "QUEUE_FULL"
        milliseconds = int(trailing["grpc-retry-pushback-ms"])
        assert abs(found["RetryInfo"].retry_delay.ToTimedelta().total_seconds() * 1000 - milliseconds) <= 1
        assert trailing["x-request-id"] == "mine"
        for call in (running, *calls):
            call.cancel()
        await asyncio.wait(codes)

    serve(test, translator, limits={"max_waiting": 1})


def test_a_server_says_what_it_offers() -> None:
    async def test(stub: Stub) -> None:
        response = await stub.GetServer(pb.GetServerRequest())
        assert list(response.features) == ["html", "language-detection", "terms"]
        assert response.limits.max_texts == 9

    serve(test, limits={"max_texts": 9})
