"""Given translations scored by the engine, in its slots beside other work, equal those that the scorer scores."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from dragoman.model.bundle import find_bundle
from dragoman.model.config import Direction
from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.network.storage import load_network
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.translation.scoring.scorer import Scorer
from dragoman.translation.translator import Translator
from tests.model.decoding.engines.engines import run
from tests.model.decoding.engines.test_engine import FORBIDDEN, NETWORK
from tests.pieces import EOS_ID

EN_DE = Direction("en", "de")
OPTIONS = SearchOptions(coverage_penalty=0.2, length_penalty=0.7, return_attention=True)
PAIRS = (
    ("The dog sees the house.", "Der Hund sieht das Haus."),
    ("The tree", "Baum"),
    ("The child likes the bridge.", "Tab\there, \x01 control, unknown ☃ and ⅛, <2de> </s>"),
    ("The woman", "Der Hund sieht das Haus. Die Frau mag den Baum."),
)


def score(translator: Translator, options: SearchOptions = OPTIONS) -> list[ScoredTranslation]:
    """All pairs at once, beside translations."""
    prepared = [translator.prepare_score(source, target, EN_DE, options) for source, target in PAIRS]
    ids = itertools.count()
    requests = [request for one in prepared for request in one.requests(ids)]
    beside = translator.prepare("The dog. The tree.", EN_DE, SearchOptions(max_target_length=8)).requests(ids)
    found = run(translator.engine, [*requests, *beside])
    return [translator.finish_score(one, [found[number].hypotheses]) for number, one in enumerate(prepared)]


def assert_close(found: list[ScoredTranslation], due: list[ScoredTranslation]) -> None:
    for one, other in zip(found, due, strict=True):
        assert (one.source, one.target, one.pieces) == (other.source, other.target, other.pieces)
        assert one.source_pieces == other.source_pieces
        assert len(one.token_log_probs) == len(one.pieces) + 1
        assert one.token_log_probs == pytest.approx(other.token_log_probs, abs=1e-4)
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-3)
        assert one.attention is not None
        assert other.attention is not None
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-4)
        assert one.alignment == other.alignment


@pytest.fixture(scope="module")
def due(tiny_bundle: Path) -> list[ScoredTranslation]:
    return Scorer.load(tiny_bundle).score(
        PAIRS, "de", source_language="en", length_penalty=0.7, coverage_penalty=0.2, return_attention=True
    )


@pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")
def test_the_kernels_score_as_the_scorer_does(tiny_bundle: Path, due: list[ScoredTranslation]) -> None:
    assert_close(score(Translator.load(tiny_bundle, precision="float32")), due)


def test_torch_scores_as_the_scorer_does(tiny_bundle: Path, due: list[ScoredTranslation]) -> None:
    model = open_model([tiny_bundle])
    decoder = TorchDecoder(load_network(tiny_bundle, model.info), forbidden_ids=model.vocabulary.forbidden_ids())
    assert_close(score(Translator(model.info, model.vocabulary, Engine(decoder))), due)


def test_an_ensemble_scores_as_the_scorer_does(tiny_bundle: Path, due: list[ScoredTranslation]) -> None:
    assert_close(score(Translator.load([tiny_bundle, tiny_bundle], precision="float32")), due)


@pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")
def test_a_shortlist_is_left_aside() -> None:
    if not (find_bundle("en-de") / "shortlist.safetensors").exists():
        pytest.skip("the bundle has no shortlist")
    whole, short = (Translator.load("en-de", use_shortlist=use) for use in (False, True))
    for one, other in zip(score(short), score(whole), strict=True):
        assert one.token_log_probs == other.token_log_probs


def test_what_is_forced_may_be_forbidden_suppressed_or_not_allowed() -> None:
    engine = Engine(TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=2))
    given = (FORBIDDEN[0], FORBIDDEN[3], 20, 20, EOS_ID)
    options = SearchOptions(beam_size=1, no_repeat_ngram_size=1)
    plain = Request(0, (6, 7, 8), options, len(given), given)
    request = dataclasses.replace(plain, id=1, suppressed_ids=(20,), allowed_ids=np.array([EOS_ID, 30], np.int32))
    found = run(engine, [plain, request])
    (hypothesis,) = found[1].hypotheses
    assert hypothesis.token_ids == given[:-1]
    assert len(hypothesis.token_log_probs) == len(given)
    assert all(value < 0 for value in hypothesis.token_log_probs)  # of a prefix, what is forbidden would cost nothing
    assert hypothesis.token_log_probs == pytest.approx(found[0].hypotheses[0].token_log_probs)


def test_a_whole_translation_is_forced_whatever_the_search() -> None:
    engine = Engine(TorchDecoder(NETWORK, forbidden_ids=FORBIDDEN, max_slots=3))
    given = (20, 31, EOS_ID)
    searches = (
        SearchOptions(beam_size=4, n_best=4),
        SearchOptions(n_best=3, sampling_temperature=1.0),
        SearchOptions(min_target_length=9),
    )
    found = run(engine, [Request(number, (6, 7), options, 12, given) for number, options in enumerate(searches)])
    for finished in found.values():
        (hypothesis,) = finished.hypotheses
        assert hypothesis.token_ids == (20, 31)
        assert len(hypothesis.token_log_probs) == 3


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (" ", "Haus", "the source is blank: there is nothing to score"),
        ("house", "", "the target is blank"),
        ("house " * 63, "Haus", r"the source has \d+ pieces, but the model takes 62 at most"),
        ("house", "Haus " * 64, r"the target has \d+ pieces, but the model takes 63 at most"),
    ],
)
def test_what_cannot_be_scored(tiny_bundle: Path, source: str, target: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Translator.load(tiny_bundle, max_slots=1).prepare_score(source, target, EN_DE, OPTIONS)


def test_what_does_not_fit_the_engine_is_told_before(tiny_bundle: Path) -> None:
    translator = Translator.load(tiny_bundle, max_slots=1, max_cached_positions=10)
    with pytest.raises(InvalidInputError, match="cached positions, but the engine has 10"):
        translator.prepare_score("The dog sees the house.", "Der Hund sieht das Haus.", EN_DE, OPTIONS)


def test_the_longest_pair_is_scored(tiny_bundle: Path) -> None:
    translator = Translator.load(tiny_bundle, max_slots=1)
    house = translator.vocabulary.target.encode("Haus")
    target = " ".join(["Haus"] * (63 // len(house)))
    prepared = translator.prepare_score("tree", target, EN_DE, OPTIONS)
    (finished,) = run(translator.engine, prepared.requests(itertools.count())).values()
    scored = translator.finish_score(prepared, [finished.hypotheses])
    assert len(scored.token_log_probs) == len(scored.pieces) + 1 == len(translator.vocabulary.target.encode(target)) + 1


def test_a_model_without_numbers_is_told(tiny_bundle: Path) -> None:
    translator = Translator.load(tiny_bundle, max_slots=1)
    prepared = translator.prepare_score("tree", "Baum", EN_DE, OPTIONS)
    with pytest.raises(DragomanError, match="the model has no probabilities for this pair"):
        translator.finish_score(prepared, [()])
