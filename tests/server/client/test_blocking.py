"""The clients against a real server."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import get_args

import numpy as np
import pytest

from dragoman.model.decoding.request import TokenHypothesis
from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, SearchArguments, SearchOptions
from dragoman.model.errors import InvalidInputError, InvalidRequestError, InvalidTextError, NotFoundError
from dragoman.server.client import (
    Client,
    LanguageCandidate,
    LiveTranslation,
    ModelChangedError,
    ModelDescription,
    ModelScore,
    ServerError,
    TextError,
)
from dragoman.server.client.results import read_translation
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning, WarningKind
from dragoman.v1 import translation_pb2 as pb
from tests.server.fakes import DE_EN, EN_DE, FAKE_SCORE, FakeTranslator, reverse_words, running_server


@pytest.fixture
def translator() -> FakeTranslator:
    return FakeTranslator(num_slots=16)


@pytest.fixture
def address(translator: FakeTranslator) -> Iterator[str]:
    with running_server(translator) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def test_translates_one_text_or_several(client: Client) -> None:
    (translation,) = client.translate("a b c", to="de")
    assert (translation.source, translation.text, translation.score) == ("a b c", "c b a", 0.0)
    assert [t.text for t in client.translate(["a b", "", "c d"], to="de")] == ["b a", "", "d c"]
    assert client.translate([], to="de") == []


def test_passes_all_options_on(client: Client) -> None:
    (translation,) = client.translate(
        "a b",
        to="en",
        source_language="de",
        model="en-de",
        beam_size=3,
        n_best=2,
        length_penalty=0.5,
        max_target_length=9,
    )
    assert [h.text for h in translation.hypotheses] == ["b a", "b a !"]
    with pytest.raises(InvalidInputError, match="length_penalty is 11"):
        client.translate("a", to="de", length_penalty=11)


class EchoingTranslator(FakeTranslator):
    """Tells the options that it got as the translation, and attention where that is asked for."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        attention = np.array([[0.25, 0.75]], np.float32) if prepared.options.return_attention else None
        options = json.dumps(asdict(prepared.options), separators=(",", ":"))  # one word, as its piece is
        hypothesis = Hypothesis(options, -1.0, ("▁x",), (-0.5, -0.25), attention, ((0, 0),))
        return Translation(prepared.text, (hypothesis,), ("▁a", "</s>"))


SEARCH: SearchArguments = {
    "beam_size": 6,
    "n_best": 2,
    "length_penalty": 0.5,
    "length_normalization": "average",
    "coverage_penalty": 0.25,
    "min_target_length": 3,
    "max_target_length": 20,
    "no_repeat_ngram_size": 4,
    "target_prefix": "Das",
    "suppressed_pieces": ("▁der",),
    "sampling_temperature": 0.5,
    "sampling_top_k": 5,
    "sampling_top_p": 0.75,
    "seed": 9,
    "max_retries": 1,
    "fusion_weight": 0.5,
    "return_attention": True,
}


def test_every_search_option_arrives() -> None:
    assert set(SEARCH) == set(SEARCH_OPTION_NAMES)
    with running_server(EchoingTranslator()) as address, Client(address) as client:
        (changed,) = client.translate("a", to="de", **SEARCH)
        (default,) = client.translate("a", to="de")
    assert json.loads(changed.text) == {**SEARCH, "suppressed_pieces": ["▁der"]}
    assert json.loads(default.text) == {**asdict(SearchOptions()), "suppressed_pieces": []}


def test_hypotheses_come_with_what_is_asked_for() -> None:
    with running_server(EchoingTranslator()) as address, Client(address) as client:
        (bare,) = client.translate("a", to="de")
        (full,) = client.translate(
            "a", to="de", return_pieces=True, return_token_log_probs=True, return_alignment=True, return_attention=True
        )
    (hypothesis,) = bare.hypotheses
    assert (hypothesis.pieces, hypothesis.token_log_probs, hypothesis.attention) == ((), (), None)
    assert (hypothesis.alignment, bare.source_pieces) == ((), ())
    (hypothesis,) = full.hypotheses
    assert (hypothesis.pieces, hypothesis.token_log_probs) == (("▁x",), (-0.5, -0.25))
    assert hypothesis.attention is not None
    assert hypothesis.attention.tolist() == [[0.25, 0.75]]
    assert (hypothesis.alignment, full.source_pieces) == (((0, 0),), ("▁a", "</s>"))


WARNINGS = (
    TranslationWarning("figure_differs", (0, 1), (2, 3)),
    *(TranslationWarning(kind, (4, 5), (6, 7)) for kind in get_args(WarningKind)),
)


class DoubtfulTranslator(FakeTranslator):
    """Warns of everything."""

    def finish(self, prepared: PreparedText, found: Sequence[Sequence[TokenHypothesis]]) -> Translation:
        hypotheses = Hypothesis("x", -1.0, warnings=WARNINGS, quality=0.25), Hypothesis("y", -2.0, quality=0.0)
        return Translation(prepared.text, hypotheses)


def test_warnings_and_quality_arrive() -> None:
    with running_server(DoubtfulTranslator()) as address, Client(address) as client:
        (translation,) = client.translate("a", to="de", n_best=2)
        (streamed,) = client.translate_stream(["a"], to="de", n_best=2)
    for one in (translation, streamed):
        assert (one.warnings, one.quality) == (WARNINGS, 0.25)
        assert (one.hypotheses[1].warnings, one.hypotheses[1].quality) == ((), 0.0)


def test_a_warning_that_only_the_server_knows_is_left_out() -> None:
    message = pb.Translation(hypotheses=[pb.Hypothesis(text="x", warnings=[pb.TranslationWarning()])])
    message.hypotheses[0].warnings.add(kind=99)
    translation = read_translation("a", message)
    assert (translation.warnings, translation.quality) == ((), None)


def test_texts_are_split_unless_the_caller_says_otherwise(client: Client) -> None:
    assert client.translate("a b | c d", to="de")[0].text == "b a | d c"
    assert client.translate("a b | c d", to="de", split_sentences=False)[0].text == "d c | b a"


def test_an_unknown_argument_is_a_mistake_of_the_program(client: Client) -> None:
    with pytest.raises(TypeError, match="unknown arguments: beamsize"):
        client.translate("a", to="de", beamsize=3)  # type: ignore[call-arg]


DESCRIPTION = ModelDescription(
    "en-de",
    "0123456789abcdef",
    (EN_DE, DE_EN),
    50,
    7_654_321,
    (ModelScore(EN_DE, "devtest", "BLEU", 37.5, FAKE_SCORE.signature),),
    max_target_length=256,
    state="loaded",
)


def test_lists_the_models(client: Client) -> None:
    assert client.list_models() == [DESCRIPTION]


def test_tells_all_about_a_model(client: Client) -> None:
    found = client.get_model("en-de")
    assert replace(found, card="") == DESCRIPTION
    assert found.card.startswith("# en-de")
    with pytest.raises(NotFoundError, match='there is no "other"'):
        client.get_model("other")
    with pytest.raises(InvalidInputError, match="cannot be encoded"):
        client.get_model("\ud800")


def test_describes_the_server(client: Client) -> None:
    server = client.get_server()
    assert (server.limits.max_texts, server.limits.max_text_length) == (1024, 100_000)
    assert server.features == {"html", "language-detection", "terms"}


def test_a_text_at_fault_is_told_from_its_neighbours(client: Client) -> None:
    first, second, third = client.translate_each(["a b", "refused", "c d"], to="de")
    assert (first.text, third.text) == ("b a", "d c")  # type: ignore[union-attr]
    assert second == TextError("refused", "the engine refuses this text", 3)


def test_scores_given_translations(client: Client) -> None:
    pairs = [("a b", "c d e"), ("f", "g")]
    first, second = client.score(pairs, to="de", length_penalty=0.5, return_pieces=True, priority="interactive")
    assert (first.source, first.target, first.score, first.log_prob) == ("a b", "c d e", -3.0, -3.0)
    assert (first.pieces, second.pieces) == (("c", "d", "e"), ("g",))
    good, bad = client.score_each([("a", "b"), ("c", " ")], to="de")
    assert (good.score, bad) == (-1.0, TextError("c", "the target is blank", 3))  # type: ignore[union-attr]
    with pytest.raises(InvalidTextError, match="text 1: the target is blank"):
        client.score([("a", "b"), ("c", " ")], to="de")
    with pytest.raises(TypeError, match="unknown arguments: split_sentences"):
        client.score(pairs, to="de", split_sentences=False)  # type: ignore[call-arg]


def test_detects_languages(client: Client) -> None:
    ((english, _), none) = client.detect_language(["The weather is lovely this morning.", "42"], max_candidates=2)
    assert isinstance(english, LanguageCandidate)
    assert english.language == "en"
    assert 0.9 < english.confidence <= 1
    assert none == []
    with pytest.raises(InvalidTextError, match="text 0: has 100001 characters"):
        client.detect_language("x" * 100_001)
    with pytest.raises(InvalidInputError, match="max_candidates: is -1"):
        client.detect_language("x", max_candidates=-1)


def test_watches_a_translation(client: Client, translator: FakeTranslator) -> None:
    *partial, last = client.translate_live("a b c", to="de")
    assert (last.stable_text, last.unstable_text, last.text) == ("c b a", "", "c b a")
    assert last.translation is not None
    assert last.translation.source == "a b c"
    assert all(isinstance(one, LiveTranslation) and one.translation is None for one in partial)
    with pytest.raises(InvalidInputError, match="text: the text has 60 pieces"):
        list(client.translate_live("b " * 60, to="de"))
    watched = client.translate_live("a forever", to="de")
    next(watched)
    watched.close()
    assert client.translate(["b"] * 16, to="de")[0].text == "b"


def test_the_server_s_refusals_are_the_house_s_errors(client: Client) -> None:
    with pytest.raises(InvalidTextError, match=r"^text 1: the text has 60 pieces"):
        client.translate(["a", "b " * 60], to="de")
    with pytest.raises(NotFoundError, match='there is no "other"'):
        client.translate("a", to="de", model="other")
    with pytest.raises(NotFoundError, match="nothing translates into"):
        client.translate("a", to="xx")


@pytest.mark.parametrize("request_", [{"texts": "\ud800"}, {"texts": "a", "beam_size": 2**40}])
def test_what_cannot_be_encoded_is_invalid_input(client: Client, request_: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="the request cannot be encoded"):
        client.translate(**request_, to="de")  # type: ignore[arg-type]


def test_a_priority_that_does_not_exist(client: Client) -> None:
    with pytest.raises(InvalidInputError, match=r'^priority is "high", but must be "interactive" or "batch"$'):
        client.translate("one", to="de", priority="high")  # type: ignore[arg-type]


def test_a_server_that_does_not_answer_in_time(address: str) -> None:
    with (
        Client(address, timeout=0.05) as client,
        pytest.raises(ServerError, match=r"gave no answer within 0.05 seconds$"),
    ):
        client.translate("forever", to="de")


def test_a_server_that_fails(client: Client) -> None:
    with pytest.raises(ServerError, match=r"answered INTERNAL: the server failed; its log has the reason$"):
        client.translate("crash", to="de")


def test_nobody_there() -> None:
    with Client("127.0.0.1:1") as client:
        with pytest.raises(ServerError, match=r"^the server at 127.0.0.1:1 is unavailable: [^\n]*$"):
            client.translate("a", to="de")
        with pytest.raises(ServerError, match="is unavailable"):
            client.list_models()
        with pytest.raises(ServerError, match="is unavailable"):
            list(client.translate_stream(["a"], to="de"))


def test_streams_keep_the_order(client: Client) -> None:
    texts = [" ".join("abcdefgh"[: 1 + (5 * i) % 8]) + f" {i}" for i in range(300)]
    translations = list(client.translate_stream(iter(texts), to="de", window=21))
    assert [t.source for t in translations] == texts
    assert [t.text for t in translations] == [reverse_words(text) for text in texts]
    assert list(client.translate_stream([], to="de")) == []


def test_streams_read_no_further_than_they_must(client: Client) -> None:
    num_read = 0

    def texts() -> Iterator[str]:
        nonlocal num_read
        while True:
            num_read += 1
            yield "a b"

    stream = client.translate_stream(texts(), to="de", window=10)
    assert num_read == 0
    for number in range(11):
        assert next(stream).text == "b a"
        assert num_read <= number + 11
    stream.close()


def test_streams_have_several_texts_in_flight(client: Client, translator: FakeTranslator) -> None:
    translator.engine.min_together = 8  # or nothing is ever translated
    assert len(list(client.translate_stream(["a b"] * 8, to="de"))) == 8


def test_closing_a_stream_cancels_its_call(address: str, translator: FakeTranslator) -> None:
    with Client(address) as client:
        stream = client.translate_stream(["a"] * 4 + ["forever"] * 4, to="de")
        next(stream)
        stream.close()
        assert client.translate(["b"] * 16, to="de")[0].text == "b"


def test_results_that_are_found_first_come_first(client: Client) -> None:
    stream = client.translate_unordered(["forever", "a b", "refused"], to="de")
    found = dict([next(stream), next(stream)])
    assert found[1].text == "b a"  # type: ignore[union-attr]
    assert found[2] == TextError("refused", "the engine refuses this text", 3)
    stream.close()


def test_a_stream_tells_where_a_text_was_refused(client: Client) -> None:
    texts = ["a"] * 5 + ["b " * 60, "c"]
    with pytest.raises(InvalidInputError, match=r"^text 5: the text has 60 pieces") as caught:
        list(client.translate_stream(texts, to="de"))
    assert isinstance(caught.value, InvalidTextError)
    assert (caught.value.index, caught.value.reason) == (5, "the text has 60 pieces, but at most 50 fit")


def test_a_stream_blames_no_text_for_what_concerns_all(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match=r"^search_options: beam_size is 0"):
        list(client.translate_stream(["a"], to="de", beam_size=0))


def test_a_stream_can_be_tied_to_known_weights(client: Client, translator: FakeTranslator) -> None:
    known = {model.name: model.revision for model in client.list_models()}
    assert len(list(client.translate_stream(["a"], to="de", revisions=known | {"other": "0" * 16}))) == 1
    translator.revision = ""  # a server that does not know it
    assert len(list(client.translate_stream(["a"], to="de", revisions=known))) == 1
    translator.revision = "fedcba9876543210"
    with pytest.raises(ModelChangedError, match="instead of "):
        next(client.translate_stream(["a"], to="de", revisions=known))
    with pytest.raises(ModelChangedError, match="instead of any other"):
        next(client.translate_stream(["a"], to="de", revisions={}))


def test_the_client_imports_no_torch() -> None:
    modules = "dragoman.server.client, dragoman.server.app, dragoman.translation.batch.job"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
