"""The model card: what stands in the configuration, written for people."""

from typing import Any

from dragoman.model.bundle import BundleConfig, BundleScore
from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.training.card import model_card


def bundle_config(**values: Any) -> BundleConfig:
    defaults = {
        "name": "toy",
        "directions": (Direction("en", "de"), Direction("de", "en")),
        "architecture": ArchitectureConfig(d_model=32, num_heads=4, d_key=8, d_value=6, d_ff=64),
        "vocabulary": VocabularyShape(source_size=8000, target_size=8000, joint=True),
        "storage": "int8",
        "num_parameters": 1_234_567,
    }
    return BundleConfig(**{**defaults, **values})


def test_the_card_tells_what_the_configuration_knows() -> None:
    provenance = {
        "description": "For everyday sentences.",
        "data": "Sentences of tatoeba.org, CC BY 2.0 FR.",
        "licence": "Apache-2.0",
        "sentence_pairs": 323_992,
        "updates": 9000,
        "target_tokens": 28_000_000,
        "hours": 1.5,
        "averaged_checkpoints": [8500, 9000],
        "date": "2026-01-02",
    }
    lines = model_card(bundle_config(provenance=provenance)).splitlines()

    assert lines[0] == "# toy"
    for line in (
        "For everyday sentences.",
        "Directions: en→de, de→en.",
        "Sentences of tatoeba.org, CC BY 2.0 FR.",
        "323,992 pairs after encoding, all directions together.",
        "Apache-2.0",
        "| parameters | 1,234,567, stored as int8 |",
        "| d_model, d_ff, heads | 32, 64, 4 of d_key 8, d_value 6 |",
        "| vocabulary | 8,000 SentencePiece pieces, joint |",
        "| trained for | 9,000 updates, 28,000,000 target pieces, 1.5 hours |",
        "| averaged checkpoints | 8500, 9000 |",
        "| date | 2026-01-02 |",
    ):
        assert line in lines


def test_a_blend_tells_the_initial_bundle_s_share() -> None:
    begun = {"run": {"initialization": {"bundle": "en-de"}}, "initial_share": 0.3}
    lines = model_card(bundle_config(provenance=begun)).splitlines()
    assert "| began with | en-de |" in lines
    assert "| share of those weights | 30% |" in lines


def test_a_mean_of_bundles_tells_whose() -> None:
    provenance = {"mean_of": [{"bundle": "a", "revision": "01"}, {"bundle": "runs/b/best", "revision": "02"}]}
    lines = model_card(bundle_config(provenance=provenance)).splitlines()
    assert "| mean of the weights of | a, runs/b/best |" in lines
    assert not any("trained for" in line for line in lines)


def test_scores_stand_with_their_signatures() -> None:
    score = BundleScore(
        direction=Direction("en", "de"), test_set="devtest", metric="BLEU", score=35.127, signature="nrefs:1|case:mixed"
    )
    card = model_card(bundle_config(scores=(score,)))

    assert "| en→de | devtest | BLEU | 35.13 | 4, 1.0 | `nrefs:1\\|case:mixed` |" in card.splitlines()
    assert "Not measured" not in card


def test_a_bundle_that_knows_nothing_of_itself_says_so() -> None:
    architecture = ArchitectureConfig(d_model=32, num_heads=4, d_key=8, d_value=6, d_ff=64, tied_embeddings="target")
    vocabulary = VocabularyShape(source_size=500, target_size=600, joint=False)
    card = model_card(bundle_config(architecture=architecture, vocabulary=vocabulary))

    assert "A translation model trained with Dragoman." in card
    assert "Not stated." in card
    assert "Licence: not stated." in card
    assert "Not measured yet" in card
    assert "| averaged checkpoints | none |" in card
    assert "| vocabulary | 500 source and 600 target SentencePiece pieces |" in card
