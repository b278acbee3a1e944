"""The service over a real connection: messages, limits, status codes, and calls that are given up."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message

from dragoman.model.config import Direction
from dragoman.model.decoding.request import TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidRequestError
from dragoman.server.config import LimitsConfig
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Hypothesis, Translation
from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.server.fakes import EN_DE, FAKE_SCORE, FakeTranslator, wait_for
from tests.server.running import PATIENCE, make_server

Stub = Any
Code = grpc.StatusCode


LIMITS = LimitsConfig()


@asynccontextmanager
async def connected(*translators: FakeTranslator, **tables: dict[str, Any]) -> AsyncIterator[Stub]:
    async with (
        make_server(*translators, **tables) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield translation_pb2_grpc.TranslationServiceStub(channel)


def serve(test: Callable[[Stub], Awaitable[None]], *translators: FakeTranslator, **tables: dict[str, Any]) -> None:
    """tables: of the server's configuration."""

    async def main() -> None:
        async with connected(*(translators or (FakeTranslator(),)), **tables) as stub:
            await asyncio.wait_for(test(stub), PATIENCE)

    asyncio.run(main())


async def fail(method: Any, request: Message) -> tuple[grpc.StatusCode, str]:
    return (await fail_with_metadata(method, request))[:2]


async def fail_with_metadata(method: Any, request: Message) -> tuple[grpc.StatusCode, str, dict[str, Any]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(request, timeout=PATIENCE)
    return caught.value.code(), caught.value.details() or "", dict(caught.value.trailing_metadata())


def test_translates_in_order_and_tells_model_and_language() -> None:
    async def test(stub: Stub) -> None:
        response = await stub.Translate(pb.TranslateRequest(texts=["a b c", "", "d e"], target_language_code="de"))
        assert [[h.text for h in t.hypotheses] for t in response.translations] == [["c b a"], [""], ["e d"]]
        assert (response.model, response.source_language_code) == ("en-de", "en")
        assert response.revision == "0123456789abcdef"
        assert not (await stub.Translate(pb.TranslateRequest(target_language_code="de"))).translations

    serve(test)


def test_search_options_are_used() -> None:
    async def test(stub: Stub) -> None:
        options = pb.SearchOptions(n_best=2)
        request = pb.TranslateRequest(texts=["a b"], target_language_code="de", search_options=options)
        (translation,) = (await stub.Translate(request)).translations
        assert [(h.text, h.score) for h in translation.hypotheses] == [("b a", 0.0), ("b a !", -1.0)]

    serve(test)


class TalkativeTranslator(FakeTranslator):
    """Its hypotheses have all that hypotheses can have."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        words = tuple(f"▁{word}" for word in prepared.text.split())
        attention = np.eye(len(words) + 1, len(words) + 2, 1, np.float32) if prepared.options.return_attention else None
        alignment = tuple((place, place) for place in range(len(words))) if attention is not None else ()
        log_probs = tuple(-0.25 * number for number in range(len(words) + 1))
        hypothesis = Hypothesis(prepared.text, -1.0, words, log_probs, attention, alignment)
        return Translation(prepared.text, (hypothesis,), ("<2de>", *words, "</s>"))


def test_hypotheses_come_with_what_is_asked_for() -> None:
    async def test(stub: Stub) -> None:
        async def ask(**wanted: bool) -> pb.Translation:
            options = pb.ReturnOptions(**wanted) if wanted else None
            request = pb.TranslateRequest(texts=["a b"], target_language_code="de", return_options=options)
            (translation,) = (await stub.Translate(request)).translations
            assert isinstance(translation, pb.Translation)
            return translation

        def fields(translation: pb.Translation) -> set[str]:
            return {field.name for field, _ in translation.hypotheses[0].ListFields()}

        assert fields(await ask()) == {"text", "score"}
        assert fields(await ask(pieces=True, alignment=True)) == {"text", "score", "pieces", "alignment"}
        everything = await ask(pieces=True, token_log_probs=True, attention=True, alignment=True)
        (hypothesis,) = everything.hypotheses
        assert everything.source_pieces == ["<2de>", "▁a", "▁b", "</s>"]
        assert hypothesis.pieces == ["▁a", "▁b"]
        assert hypothesis.token_log_probs == [0, -0.25, -0.5]
        assert (hypothesis.attention.source_piece_count, len(hypothesis.attention.weights)) == (4, 12)
        ends = [(one.source.begin, one.source.end, one.target.begin, one.target.end) for one in hypothesis.alignment]
        assert ends == [(0, 1, 0, 1), (2, 3, 2, 3)]

    serve(test, TalkativeTranslator())


def test_an_answer_that_would_be_too_large_is_refused_before_any_work() -> None:
    translator = TalkativeTranslator(num_slots=64)

    async def test(stub: Stub) -> None:
        texts = ["a " * 40] * 500
        wanted = pb.ReturnOptions(attention=True)
        request = pb.TranslateRequest(texts=texts, target_language_code="de", return_options=wanted)
        code, details = await fail(stub.Translate, request)
        assert code is Code.INVALID_ARGUMENT
        assert details.startswith("return_options: the answer would have about 3260000 bytes, but a message may have ")
        assert translator.engine.admitted == []
        request = pb.TranslateRequest(texts=texts[:250], target_language_code="de", return_options=wanted)
        assert len((await stub.Translate(request)).translations) == 250

    serve(test, translator, limits={"max_message_bytes": 2 * 1024 * 1024})


class VerboseTranslator(FakeTranslator):
    """Its translations are far longer than their texts."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        return Translation(prepared.text, (Hypothesis("x" * 3000, 0.0),))


def test_an_answer_that_turns_out_too_large_says_so_and_that_trying_again_is_no_use() -> None:
    async def test(stub: Stub) -> None:
        request = pb.TranslateRequest(texts=["a"], target_language_code="de")
        code, details, metadata = await fail_with_metadata(stub.Translate, request)
        assert code is Code.RESOURCE_EXHAUSTED
        assert "larger than" in details
        assert metadata["grpc-retry-pushback-ms"] == "-1"

    serve(test, VerboseTranslator(), limits={"max_message_bytes": 2048})


def test_texts_are_split_unless_the_request_says_otherwise() -> None:
    async def test(stub: Stub) -> None:
        for split, expected in ((None, "b a | d c"), (True, "b a | d c"), (False, "d c | b a")):
            request = pb.TranslateRequest(texts=["a b | c d"], target_language_code="de", split_sentences=split)
            assert (await stub.Translate(request)).translations[0].hypotheses[0].text == expected

    serve(test)


def test_lists_the_models() -> None:
    async def test(stub: Stub) -> None:
        first, second = (await stub.ListModels(pb.ListModelsRequest())).models
        assert (first.name, first.max_source_length, first.parameter_count) == ("one", 50, 7_654_321)
        assert first.revision == "0123456789abcdef"
        assert [(pair.source_language_code, pair.target_language_code) for pair in first.language_pairs] == [
            ("en", "de")
        ]
        (score,) = first.scores
        assert (score.language_pair.target_language_code, score.metric, score.score) == ("de", "BLEU", 37.5)
        assert score.signature.startswith("nrefs:1|")
        assert second.name == "two"

    serve(test, FakeTranslator("one", (EN_DE,)), FakeTranslator("two"))


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (pb.TranslateRequest(texts=["a"]), Code.INVALID_ARGUMENT, "target_language_code: is empty"),
        (
            pb.TranslateRequest(texts=["a"], target_language_code="xx"),
            Code.NOT_FOUND,
            'target_language_code: nothing translates into "xx"; there is de, en',
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language_code="de", model="b"),
            Code.NOT_FOUND,
            'model: there is no "b"',
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language_code="de", search_options=pb.SearchOptions(beam_size=0)),
            Code.INVALID_ARGUMENT,
            "search_options: beam_size is 0, but must lie between 1 and 32",
        ),
        (
            pb.TranslateRequest(
                texts=["a"], target_language_code="de", search_options=pb.SearchOptions(sampling_top_p=0)
            ),
            Code.INVALID_ARGUMENT,
            "search_options: sampling_top_p is 0.0, but must be above 0",
        ),
        (
            pb.TranslateRequest(texts=["a"] * (LIMITS.max_texts + 1), target_language_code="de"),
            Code.INVALID_ARGUMENT,
            "texts: 1025 texts in one call",
        ),
        (
            pb.TranslateRequest(
                texts=["a"],
                target_language_code="de",
                search_options=pb.SearchOptions(beam_size=1, suppressed_pieces=["x"] * 1025),
            ),
            Code.INVALID_ARGUMENT,
            "search_options: suppressed_pieces has 1025 pieces, but at most 1024 are allowed",
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language_code="de", priority=9),  # type: ignore[arg-type]
            Code.INVALID_ARGUMENT,
            "priority: is 9, which has no meaning",
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language_code="de", text_format=-1),  # type: ignore[arg-type]
            Code.INVALID_ARGUMENT,
            "text_format: is -1, which has no meaning",
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language_code="de", model="\n" + "ü" * 100_000),
            Code.NOT_FOUND,
            'model: there is no " üüü',
        ),
    ],
)
def test_refuses(request_: pb.TranslateRequest, code: grpc.StatusCode, message: str) -> None:
    async def test(stub: Stub) -> None:
        found, details = await fail(stub.Translate, request_)
        assert found is code
        assert message in details
        assert "\n" not in details

    serve(test)


def test_a_full_call_is_taken() -> None:
    async def test(stub: Stub) -> None:
        texts = ["a"] * (LIMITS.max_texts - 1) + [" " * LIMITS.max_text_length]
        response = await stub.Translate(pb.TranslateRequest(texts=texts, target_language_code="de"))
        assert len(response.translations) == LIMITS.max_texts

    serve(test, FakeTranslator(num_slots=64))


def test_a_bug_is_internal_and_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def test(stub: Stub) -> None:
        code, details = await fail(stub.Translate, pb.TranslateRequest(texts=["crash"], target_language_code="de"))
        assert (code, details) == (Code.INTERNAL, "the server failed; its log has the reason")
        assert (await stub.Translate(pb.TranslateRequest(texts=["a"], target_language_code="de"))).translations

    with caplog.at_level(logging.ERROR, "dragoman.server.grpc.statuses"):
        serve(test)
    assert "ZeroDivisionError: a bug" in caplog.text


def test_an_engine_failure_is_unavailable_so_that_clients_try_again(caplog: pytest.LogCaptureFixture) -> None:
    translator = FakeTranslator()
    translator.engine.errors.append(RuntimeError("a kernel failed"))

    async def test(stub: Stub) -> None:
        code, details = await fail(stub.Translate, pb.TranslateRequest(texts=["a"], target_language_code="de"))
        assert (code, details) == (Code.UNAVAILABLE, "the decoding engine failed: RuntimeError")
        assert (await stub.Translate(pb.TranslateRequest(texts=["a"], target_language_code="de"))).translations

    with caplog.at_level(logging.ERROR, "dragoman.server.scheduling.engine_loop"):
        serve(test, translator)
    assert "a kernel failed" in caplog.text


def test_concurrent_calls_share_the_engine() -> None:
    translator = FakeTranslator()
    translator.engine.min_together = 3  # or nothing is ever translated

    async def test(stub: Stub) -> None:
        requests = [pb.TranslateRequest(texts=[f"a b {number}"], target_language_code="de") for number in range(3)]
        responses = await asyncio.gather(*(stub.Translate(request) for request in requests))
        assert [r.translations[0].hypotheses[0].text for r in responses] == ["0 b a", "1 b a", "2 b a"]

    serve(test, translator)
    assert translator.engine.together == [{0, 1, 2}] * 3


class Counting(FakeTranslator):
    """Keeps the texts that it was to prepare."""

    def prepare(
        self,
        text: str,
        direction: Direction,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: object = None,
    ) -> PreparedText:
        self.seen = (*getattr(self, "seen", ()), text)
        return super().prepare(text, direction, options, split_sentences=split_sentences, join_lines=join_lines)


def test_a_call_of_too_many_sentences_is_refused_before_all_are_prepared() -> None:
    translator = Counting()

    async def test(stub: Stub) -> None:
        texts = [f"a | b {'x' * 20_000}", "c", "d | e", "f"]
        code, details = await fail(stub.Translate, pb.TranslateRequest(texts=texts, target_language_code="de"))
        assert code is Code.INVALID_ARGUMENT
        assert details == "texts: more than 1 sentences in one call: send fewer"
        assert (await stub.Translate(pb.TranslateRequest(texts=texts[1:2], target_language_code="de"))).translations

    serve(test, translator, limits={"max_sentences": 1})
    assert [text[:5] for text in translator.seen] == ["a | b", "c"]


def test_what_is_wrong_with_a_text_does_not_harm_its_neighbours() -> None:
    async def test(stub: Stub) -> None:
        texts = ["a b", "c " * 51, "x" * (LIMITS.max_text_length + 1), "y refused", "", "d e"]
        response = await stub.Translate(pb.TranslateRequest(texts=texts, target_language_code="de"))
        assert [[h.text for h in t.hypotheses] for t in response.translations] == [["b a"], [], [], [], [""], ["e d"]]
        errors = [(t.error.code, t.error.message) for t in response.translations if t.HasField("error")]
        assert errors == [
            (3, "the text has 51 pieces, but at most 50 fit"),
            (3, "has 100001 characters, but at most 100000 are allowed"),
            (3, "the engine refuses this text"),
        ]

    serve(test)


class PickyTranslator(FakeTranslator):
    """Cannot follow any options."""

    def prepare(
        self,
        text: str,
        direction: Direction,
        options: SearchOptions,
        *,
        split_sentences: bool = True,
        protect: bool = True,
        localize_figures: bool = False,
        join_lines: bool = True,
        terms: object = None,
    ) -> PreparedText:
        raise InvalidRequestError('suppressed_pieces: the target vocabulary has no piece "q"')


def test_an_option_that_the_model_cannot_follow_is_the_request_s_fault() -> None:
    async def test(stub: Stub) -> None:
        code, details = await fail(stub.Translate, pb.TranslateRequest(texts=["a", "b"], target_language_code="de"))
        assert (code, details) == (
            Code.INVALID_ARGUMENT,
            'search_options: suppressed_pieces: the target vocabulary has no piece "q"',
        )

    serve(test, PickyTranslator())


def test_an_option_beyond_the_operator_s_bound_names_its_field() -> None:
    async def test(stub: Stub) -> None:
        request = pb.TranslateRequest(
            texts=["a"], target_language_code="de", search_options=pb.SearchOptions(beam_size=5)
        )
        code, details = await fail(stub.Translate, request)
        assert (code, details) == (
            Code.INVALID_ARGUMENT,
            "search_options: beam_size is 5, but this server allows 4 at most",
        )

    serve(test, limits={"max_beam_size": 4, "max_n_best": 4})


def test_a_full_queue_says_when_to_come_again() -> None:
    translator = FakeTranslator(num_slots=1)
    translator.engine.gate.clear()

    async def test(stub: Stub) -> None:
        running = asyncio.ensure_future(stub.Translate(pb.TranslateRequest(texts=["a"], target_language_code="de")))
        await wait_for(translator.engine.held)
        waiting = asyncio.ensure_future(stub.Translate(pb.TranslateRequest(texts=["b"] * 2, target_language_code="de")))
        code = None
        while code is not Code.RESOURCE_EXHAUSTED:  # as soon as those before have arrived
            try:
                await stub.Translate(pb.TranslateRequest(texts=["c"] * 2, target_language_code="de"), timeout=0.2)
            except grpc.aio.AioRpcError as error:
                code, metadata = error.code(), dict(error.trailing_metadata())
        assert 50 <= int(metadata["grpc-retry-pushback-ms"]) <= 30_000
        translator.engine.gate.set()
        assert len((await running).translations) == 1
        assert len((await waiting).translations) == 2

    serve(test, translator, limits={"max_waiting": 2})


def test_a_lost_replica_is_unavailable() -> None:
    async def test(stub: Stub) -> None:
        code, _ = await fail(stub.Translate, pb.TranslateRequest(texts=["lost"], target_language_code="de"))
        assert code is Code.UNAVAILABLE

    serve(test)


def test_scores_given_translations() -> None:
    async def test(stub: Stub) -> None:
        pairs = [
            pb.TextPair(source="a b", target="c d e"),
            pb.TextPair(source="a", target=" "),
            pb.TextPair(source="x" * (LIMITS.max_text_length + 1), target="y"),
            pb.TextPair(source="f", target="g"),
        ]
        request = pb.ScoreRequest(pairs=pairs, target_language_code="de")
        response = await stub.Score(request)
        assert (response.model, response.source_language_code, response.revision) == ("en-de", "en", "0123456789abcdef")
        assert [score.score for score in response.scores] == [-3.0, 0.0, 0.0, -1.0]
        assert [score.error.message for score in response.scores] == [
            "",
            "the target is blank",
            "has 100001 characters, but at most 100000 are allowed",
            "",
        ]
        assert [field.name for field, _ in response.scores[0].ListFields()] == ["score", "log_prob"]
        request.return_options.CopyFrom(pb.ReturnOptions(pieces=True, token_log_probs=True))
        score = (await stub.Score(request)).scores[0]
        assert (score.pieces, score.token_log_probs) == (["c", "d", "e"], [-1, -1, -1, 0])

    serve(test)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (pb.ScoreRequest(), "target_language_code: is empty"),
        (
            pb.ScoreRequest(target_language_code="de", source_language_code="auto"),
            "source_language_code: cannot be detected for scores",
        ),
        (
            pb.ScoreRequest(target_language_code="de", scoring_options=pb.ScoringOptions(length_penalty=float("nan"))),
            "scoring_options: length_penalty is nan",
        ),
        (pb.ScoreRequest(target_language_code="de", priority=3), "priority: is 3"),  # type: ignore[arg-type]
        (pb.ScoreRequest(target_language_code="de", pairs=[pb.TextPair()] * 1025), "pairs: 1025 texts in one call"),
    ],
)
def test_refuses_to_score(request_: pb.ScoreRequest, message: str) -> None:
    async def test(stub: Stub) -> None:
        code, details = await fail(stub.Score, request_)
        assert code is Code.INVALID_ARGUMENT
        assert details.startswith(message)

    serve(test)


def test_detects_languages() -> None:
    async def test(stub: Stub) -> None:
        texts = ["The weather is lovely this morning.", "42", "x" * (LIMITS.max_text_length + 1)]
        english, none, refused = (
            await stub.DetectLanguage(pb.DetectLanguageRequest(texts=texts, max_candidates=2))
        ).detections
        assert english.candidates[0].language_code == "en"
        assert len(english.candidates) == 2
        assert not none.candidates
        assert not none.HasField("error")
        assert refused.error.message == "has 100001 characters, but at most 100000 are allowed"
        (found,) = (await stub.DetectLanguage(pb.DetectLanguageRequest(texts=texts[:1]))).detections
        assert len(found.candidates) == 1
        for request, message in (
            (pb.DetectLanguageRequest(max_candidates=-1), "max_candidates: is -1"),
            (pb.DetectLanguageRequest(texts=["a"] * 1025), "texts: 1025 texts in one call"),
        ):
            code, details = await fail(stub.DetectLanguage, request)
            assert code is Code.INVALID_ARGUMENT
            assert details.startswith(message)

    serve(test)


def test_tells_all_about_a_model() -> None:
    translator = FakeTranslator()
    provenance = {"description": "For tests.", "data": "None.", "licence": 7}
    translator.info = replace(translator.info, provenance=provenance)

    async def test(stub: Stub) -> None:
        response = await stub.GetModel(pb.GetModelRequest(name="en-de"))
        model = response.model
        assert (model.name, model.max_source_length, model.max_target_length) == ("en-de", 50, 256)
        assert (model.description, model.data, model.license) == ("For tests.", "None.", "")
        assert model.scores[0].score == FAKE_SCORE.score
        assert model.card.startswith("# en-de\n")  # of the bundle that ships under this name
        limits = (await stub.GetServer(pb.GetServerRequest())).limits
        assert (limits.max_texts, limits.max_text_length) == (7, LIMITS.max_text_length)
        assert (limits.max_sentences, limits.max_message_bytes) == (LIMITS.max_sentences, LIMITS.max_message_bytes)
        assert not (await stub.ListModels(pb.ListModelsRequest())).models[0].card
        assert (await fail(stub.GetModel, pb.GetModelRequest()))[0] is Code.INVALID_ARGUMENT
        code, details = await fail(stub.GetModel, pb.GetModelRequest(name="de-fr"))
        assert (code, details) == (Code.NOT_FOUND, 'model: there is no "de-fr"; there is en-de')

    serve(test, translator, limits={"max_texts": 7})


def test_a_cancelled_call_gives_its_slots_back() -> None:
    translator = FakeTranslator(num_slots=1)

    async def test(stub: Stub) -> None:
        doomed = stub.Translate(pb.TranslateRequest(texts=["forever", "waits"], target_language_code="de"))
        await wait_for(translator.engine.occupied)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        answer = await stub.Translate(pb.TranslateRequest(texts=["x y"], target_language_code="de"))
        assert answer.translations[0].hypotheses[0].text == "y x"

    serve(test, translator)
    assert translator.engine.admitted == [0, 2]
    assert translator.engine.cancelled == [0]
    assert translator.engine.num_active == 0


def test_a_call_past_its_deadline_gives_its_slots_back() -> None:
    translator = FakeTranslator(num_slots=1)

    async def test(stub: Stub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Translate(pb.TranslateRequest(texts=["forever"], target_language_code="de"), timeout=0.05)
        assert caught.value.code() is Code.DEADLINE_EXCEEDED
        answer = await stub.Translate(pb.TranslateRequest(texts=["x"], target_language_code="de"))
        assert answer.translations[0].hypotheses[0].text == "x"

    serve(test, translator)
    assert translator.engine.num_active == 0
