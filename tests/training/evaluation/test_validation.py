"""BLEU on the dev set: the score of what the bundle itself translates, over the sentences that it can take."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.bundle import Storage, read_config, read_vocabulary, write_bundle
from dragoman.model.config import Direction
from dragoman.model.decoding.loading import Precision
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.storage import load_network, pack_weights
from dragoman.training.config import ValidationConfig
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.ranking import TOO_MUCH
from dragoman.training.evaluation.validation import Validator, weighted_mean, with_limits
from dragoman.translation.scoring.scorer import Scorer
from dragoman.translation.translator import Translator

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
SOURCES = ["The dog sees the house.", "The woman likes the tree.", "The child looks for the bridge."]
TARGETS = ["Der Hund sieht das Haus.", "Die Frau mag den Baum.", "Das Kind sucht die Brücke."]
TOO_LONG = "The dog sees the house. " * 40


def validator(bundle: Path, dev: list[ParallelText], **options: Any) -> Validator:
    info = read_config(bundle)
    return Validator(ValidationConfig(**options), info, read_vocabulary(bundle, info), dev)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
@pytest.mark.parametrize("storage", ["int8", "float16", "float32"])
def test_what_is_scored_is_what_the_bundle_translates_when_it_is_served(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: Storage, precision: Precision
) -> None:
    scored: list[tuple[list[str], list[str]]] = []

    def score(hypotheses: list[str], references: list[str], *, tokenize: str) -> float:
        assert tokenize == "none"
        scored.append((hypotheses, references))
        return 10.0 * len(scored)

    monkeypatch.setattr("dragoman.training.evaluation.validation.bleu_score", score)
    dev = [ParallelText(EN_DE, SOURCES, TARGETS), ParallelText(DE_EN, TARGETS, SOURCES)]
    network = load_network(tiny_bundle, read_config(tiny_bundle))
    info = replace(read_config(tiny_bundle), storage=storage)
    bundle = tmp_path / "bundle"
    write_bundle(bundle, info, read_vocabulary(tiny_bundle, info), pack_weights(network, storage), card="")

    values = validator(bundle, dev, beam_size=3, tokenize="none", precision=precision)(network)
    assert {name: value for name, value in values.items() if name.startswith("bleu")} == {
        "bleu en→de": 10.0,
        "bleu de→en": 20.0,
        "bleu": 15.0,
    }

    search = SearchOptions(beam_size=3)
    translator = Translator.load(bundle, precision=precision)
    for (hypotheses, references), text in zip(scored, dev, strict=True):
        translations = translator.stream(text.source, text.direction, search)
        assert hypotheses == [translation.text for translation in translations]
        assert references == text.target


def test_bleu_of_a_random_network_is_low(tiny_bundle: Path) -> None:
    network = load_network(tiny_bundle, read_config(tiny_bundle))
    scores = validator(tiny_bundle, [ParallelText(EN_DE, SOURCES, TARGETS)])(network)
    assert 0.0 <= scores["bleu en→de"] < 10.0  # random weights


def test_sentences_that_the_model_cannot_take_are_left_out(tiny_bundle: Path) -> None:
    sources = ["", SOURCES[0], TOO_LONG, SOURCES[1], " \t", SOURCES[2]]
    targets = ["nichts", TARGETS[0], "lang", " ", "nichts", TARGETS[2]]
    [usable] = validator(tiny_bundle, [ParallelText(EN_DE, sources, targets)]).dev
    assert usable == ParallelText(EN_DE, [SOURCES[0], SOURCES[2]], [TARGETS[0], TARGETS[2]])


def test_the_first_usable_sentences_count(tiny_bundle: Path) -> None:
    text = ParallelText(EN_DE, ["", *SOURCES], ["", *TARGETS])
    [usable] = validator(tiny_bundle, [text], max_sentences=2).dev
    assert usable == ParallelText(EN_DE, SOURCES[:2], TARGETS[:2])


def test_a_dev_set_without_a_usable_sentence_is_refused_before_training(tiny_bundle: Path) -> None:
    dev = [ParallelText(EN_DE, SOURCES, TARGETS), ParallelText(DE_EN, [TOO_LONG, ""], ["long", "nothing"])]
    with pytest.raises(
        InvalidInputError, match=r"data\.dev has no sentence for de→en: all are blank or have more than"
    ):
        validator(tiny_bundle, dev)


def test_sets_weigh_as_they_are_told_however_many_directions_they_have() -> None:
    scores = [("general", 10.0), ("general", 30.0), ("domain", 50.0)]
    assert weighted_mean(scores, {"general": 1.0, "domain": 1.0}) == 35.0
    assert weighted_mean(scores, {"general": 3.0, "domain": 1.0}) == 27.5
    assert weighted_mean(scores, {"general": 0.0, "domain": 0.5}) == 50.0


def test_each_set_has_its_own_scores_and_hypotheses(tiny_bundle: Path) -> None:
    network = load_network(tiny_bundle, read_config(tiny_bundle))
    dev = [
        ParallelText(EN_DE, SOURCES, TARGETS, "general"),
        ParallelText(DE_EN, TARGETS, SOURCES, "general"),
        ParallelText(EN_DE, SOURCES[:1], TARGETS[:1], "domain"),
    ]
    validate = validator(tiny_bundle, dev)
    values = validate(network)
    labels = ["general en→de", "general de→en", "domain en→de"]
    assert list(values) == [*(f"bleu {label}" for label in labels), "bleu", *(f"loss {label}" for label in labels)]
    assert list(validate.hypotheses) == labels
    assert [len(texts) for texts in validate.hypotheses.values()] == [3, 3, 1]


def test_the_loss_is_the_likelihood_of_the_references_a_piece(tiny_bundle: Path) -> None:
    info = read_config(tiny_bundle)
    network = load_network(tiny_bundle, info).eval()
    loss = validator(tiny_bundle, [ParallelText(EN_DE, SOURCES, TARGETS)])(network)["loss en→de"]

    scorer = Scorer.load(tiny_bundle, precision="float32")
    scored = scorer.score(zip(SOURCES, TARGETS, strict=True), to="de")
    total = -sum(one.log_prob for one in scored)
    num_pieces = sum(len(one.token_log_probs) for one in scored)
    assert loss == pytest.approx(total / num_pieces, rel=1e-3)


def test_the_hypotheses_of_the_last_call_are_kept(tiny_bundle: Path) -> None:
    network = load_network(tiny_bundle, read_config(tiny_bundle))
    validate = validator(tiny_bundle, [ParallelText(EN_DE, SOURCES, TARGETS), ParallelText(DE_EN, TARGETS, SOURCES)])
    assert validate.hypotheses == {}
    validate(network)

    translator = Translator.load(tiny_bundle)
    for direction, sources in ((EN_DE, SOURCES), (DE_EN, TARGETS)):
        expected = [translation.text for translation in translator.stream(sources, direction, validate.search)]
        assert validate.hypotheses[str(direction)] == expected


def test_a_set_that_loses_more_than_it_may_costs_more_than_others_gain() -> None:
    first = {"bleu general en→de": 40.0, "bleu domain en→de": 20.0, "bleu": 30.0}
    within = {"bleu general en→de": 39.6, "bleu domain en→de": 25.0, "bleu": 32.3}
    beyond = {"bleu general en→de": 38.5, "bleu domain en→de": 30.0, "bleu": 34.25}
    limits = {"general": 0.5}
    assert with_limits(within, first, limits) == within
    assert with_limits(beyond, first, limits) == beyond | {
        "bleu": pytest.approx(34.25 - 10 * 1.0),
        TOO_MUCH: pytest.approx(1.0),
    }
    assert with_limits(beyond, first, {}) == beyond
