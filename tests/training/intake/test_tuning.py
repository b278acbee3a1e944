"""The recipe of `dragoman tune`."""

from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.model.bundle import SHIPPED_BUNDLES, BundleConfig, read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.training.intake.tuning import (
    BATCH_TOKENS,
    BLIND_SHARES,
    MAX_UPDATES,
    MIN_UPDATES,
    SHARES,
    Corpus,
    choose_directions,
    measure_corpus,
    plan_tuning,
)

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")


def of(num_pairs: int, pieces: float = 20.0) -> Corpus:
    return Corpus({"en": Path("text.en"), "de": Path("text.de")}, num_pairs, pieces)


def share_of_own(num_pairs: int, pieces: float, general: Corpus | None, *directions: Direction) -> float:
    """Of the pieces of an epoch."""
    plan = plan_tuning(of(num_pairs, pieces), general, directions)
    domain, own = num_pairs * pieces * plan.repeats[0], plan.num_own * plan.own.pieces * plan.repeats[1]
    return own / (own + domain)


@pytest.mark.parametrize("directions", [(EN_DE,), (EN_DE, DE_EN)], ids=["one", "both"])
@pytest.mark.parametrize("general", [None, of(1_500, 10.0), of(100_000, 12.0)], ids=["none", "little", "much"])
@pytest.mark.parametrize("num_pairs", [100, 1_000, 5_000, 50_000, 3_000_000])
def test_about_half_of_the_text_is_the_bundle_s_own(
    num_pairs: int, general: Corpus | None, directions: tuple[Direction, ...]
) -> None:
    assert share_of_own(num_pairs, 20.0, general, *directions) == pytest.approx(0.5, abs=0.1)


def test_more_text_is_learnt_from_for_longer_within_bounds() -> None:
    updates = [plan_tuning(of(count), None, [EN_DE]).updates for count in (100, 5_000, 10_000, 20_000, 1_000_000)]
    assert updates == sorted(updates)
    assert (updates[0], updates[-1]) == (MIN_UPDATES, MAX_UPDATES)
    assert plan_tuning(of(10_000), None, [EN_DE, DE_EN]).updates == updates[3]
    assert plan_tuning(of(100), None, [EN_DE], updates=7).updates == 7


def test_no_more_is_translated_than_the_run_can_learn_from() -> None:
    plan = plan_tuning(of(1_000_000), of(1_000_000, 16.0), [EN_DE, DE_EN])
    assert 2 * 16 * plan.num_own == pytest.approx(plan.updates * BATCH_TOKENS / 2, rel=0.01)


def test_general_text_is_translated_if_there_is_enough_and_chooses_the_share() -> None:
    domain = of(5_000)
    plans = [plan_tuning(domain, general, [EN_DE]) for general in (None, of(200), of(5_000, 10.0))]
    assert [plan.own is domain for plan in plans] == [True, True, False]
    assert [plan.shares for plan in plans] == [BLIND_SHARES, SHARES, SHARES]


def many(*directions: Direction) -> BundleConfig:
    shipped = read_config(SHIPPED_BUNDLES / "en-de")
    return replace(shipped, name="many", directions=directions)


def test_a_bundle_of_two_languages_needs_no_directions() -> None:
    info = many(EN_DE, DE_EN)
    assert choose_directions(info, None, None) == (EN_DE, DE_EN)
    assert choose_directions(info, None, "German") == (EN_DE,)
    assert choose_directions(info, "DE", None) == (DE_EN,)


def test_a_bundle_of_more_languages_needs_them() -> None:
    info = many(EN_DE, Direction("en", "fr"), Direction("fr", "de"))
    assert choose_directions(info, "en", "fr") == (Direction("en", "fr"),)
    for source, target in ((None, None), ("en", None), (None, "de")):
        with pytest.raises(InvalidInputError, match="choose one by --from LANGUAGE and --to LANGUAGE"):
            choose_directions(info, source, target)
    with pytest.raises(InvalidInputError, match="no direction from de to en: en→de, en→fr, fr→de"):
        choose_directions(info, "de", "en")


def test_a_corpus_is_measured_on_its_longer_side(tmp_path: Path) -> None:
    folder = SHIPPED_BUNDLES / "en-de"
    vocabulary = read_vocabulary(folder, read_config(folder))
    files = {"en": tmp_path / "a.en", "de": tmp_path / "a.de"}
    files["en"].write_text("The dog.\n" * 3, encoding="utf-8")
    files["de"].write_text("Der Hund ist nicht da, sondern dort.\n" * 3, encoding="utf-8")
    corpus = measure_corpus(files, vocabulary)
    assert corpus.num_pairs == 3
    assert corpus.pieces == len(vocabulary.source.encode("Der Hund ist nicht da, sondern dort.")) + 1
