"""The service over a real connection: messages, limits, status codes, and calls that are given up."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from model.config import Direction
from model.decoding.request import Hypothesis, PreparedText, SearchOptions, TokenHypothesis, Translation
from server import app, service
from server.app import TranslationServer
from server.pb.dragoman.v1 import translation_pb2 as pb
from server.pb.dragoman.v1 import translation_pb2_grpc
from server.service import MAX_TEXT_LENGTH, MAX_TEXTS_PER_CALL
from tests.server.fakes import EN_DE, PATIENCE, FakeTranslator, wait_for

Stub = Any
Code = grpc.StatusCode


@asynccontextmanager
async def connected(*translators: FakeTranslator) -> AsyncIterator[Stub]:
    async with (
        TranslationServer(translators, "127.0.0.1:0") as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield translation_pb2_grpc.TranslationServiceStub(channel)


def serve(test: Callable[[Stub], Awaitable[None]], *translators: FakeTranslator) -> None:
    async def main() -> None:
        async with connected(*(translators or (FakeTranslator(),))) as stub:
            await asyncio.wait_for(test(stub), PATIENCE)

    asyncio.run(main())


async def fail(stub: Stub, request: pb.TranslateRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Translate(request, timeout=PATIENCE)
    return caught.value.code(), caught.value.details() or ""


def test_translates_in_order_and_tells_model_and_language() -> None:
    async def test(stub: Stub) -> None:
        response = await stub.Translate(pb.TranslateRequest(texts=["a b c", "", "d e"], target_language="de"))
        assert [[h.text for h in t.hypotheses] for t in response.translations] == [["c b a"], [""], ["e d"]]
        assert (response.model, response.source_language) == ("en-de", "en")
        assert response.revision == "0123456789abcdef"
        assert not (await stub.Translate(pb.TranslateRequest(target_language="de"))).translations

    serve(test)


def test_search_options_are_used() -> None:
    async def test(stub: Stub) -> None:
        options = pb.SearchOptions(n_best=2)
        request = pb.TranslateRequest(texts=["a b"], target_language="de", search_options=options)
        (translation,) = (await stub.Translate(request)).translations
        assert [(h.text, h.score) for h in translation.hypotheses] == [("b a", 0.0), ("b a !", -1.0)]

    serve(test)


class TalkativeTranslator(FakeTranslator):
    """Its hypotheses have all that hypotheses can have."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        words = tuple(prepared.text.split())
        attention = np.eye(len(words) + 1, len(words) + 2, 1, np.float32) if prepared.options.return_attention else None
        alignment = tuple((place, place) for place in range(len(words))) if attention is not None else ()
        log_probs = tuple(-0.25 * number for number in range(len(words) + 1))
        hypothesis = Hypothesis(prepared.text, -1.0, words, log_probs, attention, alignment)
        return Translation(prepared.text, (hypothesis,), ("<2de>", *words, "</s>"))


def test_hypotheses_come_with_what_is_asked_for() -> None:
    async def test(stub: Stub) -> None:
        async def ask(**wanted: bool) -> pb.Translation:
            options = pb.ReturnOptions(**wanted) if wanted else None
            request = pb.TranslateRequest(texts=["a b"], target_language="de", return_options=options)
            (translation,) = (await stub.Translate(request)).translations
            assert isinstance(translation, pb.Translation)
            return translation

        def fields(translation: pb.Translation) -> set[str]:
            return {field.name for field, _ in translation.hypotheses[0].ListFields()}

        assert fields(await ask()) == {"text", "score"}  # as an older client asks
        assert fields(await ask(pieces=True, alignment=True)) == {"text", "score", "pieces", "alignment"}
        everything = await ask(pieces=True, token_log_probs=True, attention=True, alignment=True)
        (hypothesis,) = everything.hypotheses
        assert everything.source_pieces == ["<2de>", "a", "b", "</s>"]
        assert hypothesis.pieces == ["a", "b"]
        assert hypothesis.token_log_probs == [0, -0.25, -0.5]
        assert (hypothesis.attention.num_source_pieces, len(hypothesis.attention.weights)) == (4, 12)
        assert [(pair.source, pair.target) for pair in hypothesis.alignment] == [(0, 0), (1, 1)]

    serve(test, TalkativeTranslator())


def test_an_answer_that_is_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stub: Stub) -> None:
        texts = ["a " * 40] * 500
        wanted = pb.ReturnOptions(attention=True)
        code, details = await fail(stub, pb.TranslateRequest(texts=texts, target_language="de", return_options=wanted))
        assert code is Code.RESOURCE_EXHAUSTED
        assert "larger than" in details
        request = pb.TranslateRequest(texts=texts[:250], target_language="de", return_options=wanted)
        assert len((await stub.Translate(request)).translations) == 250

    monkeypatch.setattr(app, "MAX_MESSAGE_BYTES", 2 * 1024 * 1024)
    serve(test, TalkativeTranslator(num_slots=64))


def test_texts_are_split_unless_the_request_says_otherwise() -> None:
    async def test(stub: Stub) -> None:
        for split, expected in ((None, "b a | d c"), (True, "b a | d c"), (False, "d c | b a")):
            request = pb.TranslateRequest(texts=["a b | c d"], target_language="de", split_sentences=split)
            assert (await stub.Translate(request)).translations[0].hypotheses[0].text == expected

    serve(test)


def test_lists_the_models() -> None:
    async def test(stub: Stub) -> None:
        first, second = (await stub.ListModels(pb.ListModelsRequest())).models
        assert (first.name, first.max_source_length, first.num_parameters) == ("one", 50, 7_654_321)
        assert first.revision == "0123456789abcdef"
        assert [(pair.source_language, pair.target_language) for pair in first.language_pairs] == [("en", "de")]
        (score,) = first.scores
        assert (score.language_pair.target_language, score.metric, score.score) == ("de", "BLEU", 37.5)
        assert score.signature.startswith("nrefs:1|")
        assert second.name == "two"

    serve(test, FakeTranslator("one", (EN_DE,)), FakeTranslator("two"))


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (pb.TranslateRequest(texts=["a"]), Code.INVALID_ARGUMENT, "target_language: is empty"),
        (pb.TranslateRequest(texts=["a"], target_language="xx"), Code.NOT_FOUND, "does not translate from None to xx"),
        (pb.TranslateRequest(texts=["a"], target_language="de", model="b"), Code.NOT_FOUND, 'model: there is no "b"'),
        (
            pb.TranslateRequest(texts=["a"], target_language="de", search_options=pb.SearchOptions(beam_size=0)),
            Code.INVALID_ARGUMENT,
            "search_options: beam_size is 0, but must lie between 1 and 32",
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language="de", search_options=pb.SearchOptions(sampling_top_p=0)),
            Code.INVALID_ARGUMENT,
            "search_options: sampling_top_p is 0.0, but must be above 0",
        ),
        (
            pb.TranslateRequest(texts=["a"] * (MAX_TEXTS_PER_CALL + 1), target_language="de"),
            Code.INVALID_ARGUMENT,
            "texts: 1025 texts in one call",
        ),
        (
            pb.TranslateRequest(texts=["a", "b" * (MAX_TEXT_LENGTH + 1)], target_language="de"),
            Code.INVALID_ARGUMENT,
            "texts[1]: has 100001 characters",
        ),
        (
            pb.TranslateRequest(texts=["a", "b", "c", "d " * 51], target_language="de"),
            Code.INVALID_ARGUMENT,
            "texts[3]: the text has 51 pieces",
        ),
    ],
)
def test_refuses(request_: pb.TranslateRequest, code: grpc.StatusCode, message: str) -> None:
    async def test(stub: Stub) -> None:
        found, details = await fail(stub, request_)
        assert found is code
        assert message in details
        assert "\n" not in details

    serve(test)


def test_a_full_call_is_taken() -> None:
    async def test(stub: Stub) -> None:
        texts = ["a"] * (MAX_TEXTS_PER_CALL - 1) + [" " * MAX_TEXT_LENGTH]
        response = await stub.Translate(pb.TranslateRequest(texts=texts, target_language="de"))
        assert len(response.translations) == MAX_TEXTS_PER_CALL

    serve(test, FakeTranslator(num_slots=64))


def test_a_bug_is_internal_and_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def test(stub: Stub) -> None:
        code, details = await fail(stub, pb.TranslateRequest(texts=["crash"], target_language="de"))
        assert (code, details) == (Code.INTERNAL, "the server failed; its log has the reason")
        assert (await stub.Translate(pb.TranslateRequest(texts=["a"], target_language="de"))).translations

    with caplog.at_level(logging.ERROR, "server.service"):
        serve(test)
    assert "ZeroDivisionError: a bug" in caplog.text


def test_an_engine_failure_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    translator = FakeTranslator()
    translator.engine.errors.append(RuntimeError("a kernel failed"))

    async def test(stub: Stub) -> None:
        code, details = await fail(stub, pb.TranslateRequest(texts=["a"], target_language="de"))
        assert (code, details) == (Code.INTERNAL, "the decoding engine failed: RuntimeError")
        assert (await stub.Translate(pb.TranslateRequest(texts=["a"], target_language="de"))).translations

    with caplog.at_level(logging.ERROR, "server.worker"):
        serve(test, translator)
    assert "a kernel failed" in caplog.text


def test_concurrent_calls_share_the_engine() -> None:
    translator = FakeTranslator()
    translator.engine.min_together = 3  # or nothing is ever translated

    async def test(stub: Stub) -> None:
        requests = [pb.TranslateRequest(texts=[f"a b {number}"], target_language="de") for number in range(3)]
        responses = await asyncio.gather(*(stub.Translate(request) for request in requests))
        assert [r.translations[0].hypotheses[0].text for r in responses] == ["0 b a", "1 b a", "2 b a"]

    serve(test, translator)
    assert translator.engine.together == [{0, 1, 2}] * 3


class Counting(FakeTranslator):
    """Keeps the texts that it was to prepare."""

    def prepare(
        self, text: str, direction: Direction, options: SearchOptions, *, split_sentences: bool = True
    ) -> PreparedText:
        self.seen = (*getattr(self, "seen", ()), text)
        return super().prepare(text, direction, options, split_sentences=split_sentences)


def test_a_call_of_too_many_sentences_is_refused_before_all_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_WAITING", 3)
    translator = Counting()

    async def test(stub: Stub) -> None:
        texts = ["a | b", "c", "d | e", "f"]
        code, details = await fail(stub, pb.TranslateRequest(texts=texts, target_language="de"))
        assert code is Code.INVALID_ARGUMENT
        assert details == "texts: more than 3 sentences in one call: send fewer"
        assert (await stub.Translate(pb.TranslateRequest(texts=texts[:2], target_language="de"))).translations

    serve(test, translator)
    assert translator.seen == ("a | b", "c", "d | e", "a | b", "c")


def test_a_cancelled_call_gives_its_slots_back() -> None:
    translator = FakeTranslator(num_slots=1)

    async def test(stub: Stub) -> None:
        doomed = stub.Translate(pb.TranslateRequest(texts=["forever", "waits"], target_language="de"))
        await wait_for(translator.engine.occupied)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        answer = await stub.Translate(pb.TranslateRequest(texts=["x y"], target_language="de"))
        assert answer.translations[0].hypotheses[0].text == "y x"

    serve(test, translator)
    assert translator.engine.admitted == [0, 2]
    assert translator.engine.cancelled == [0]
    assert translator.engine.num_active == 0


def test_a_call_past_its_deadline_gives_its_slots_back() -> None:
    translator = FakeTranslator(num_slots=1)

    async def test(stub: Stub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Translate(pb.TranslateRequest(texts=["forever"], target_language="de"), timeout=0.05)
        assert caught.value.code() is Code.DEADLINE_EXCEEDED
        answer = await stub.Translate(pb.TranslateRequest(texts=["x"], target_language="de"))
        assert answer.translations[0].hypotheses[0].text == "x"

    serve(test, translator)
    assert translator.engine.num_active == 0
