"""Scoring a bundle on a test set, and what stands in the bundle afterwards."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.model.bundle import read_config
from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.training.card import model_card
from dragoman.training.evaluation.metrics import MetricScore, ScoreReport
from dragoman.training.evaluation.test_set import EvaluationSet, record_scores
from dragoman.translation.translator import Translator

SOURCES = ["The dog sees the house.", "", "The woman likes the tree."]
TOO_LONG = "The dog sees the house. " * 40
GREEDY = SearchOptions(beam_size=1)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


def make_test_set(tmp_path: Path, sources: list[str] | None = None) -> EvaluationSet:
    sources = SOURCES if sources is None else sources
    return EvaluationSet(
        [write(tmp_path / "test.de", ["Übersetzung"] * len(sources))], write(tmp_path / "test.en", sources)
    )


def test_every_source_is_translated_in_its_place(tmp_path: Path, bundle: Path) -> None:
    translations = make_test_set(tmp_path).translate(str(bundle), "en", "de", GREEDY)

    expected = Translator.load(bundle).translate(SOURCES, to="de", source_language="en", beam_size=1)
    assert translations == [" ".join(translation.text.splitlines()) for translation in expected]
    assert translations[1] == ""  # a blank line translates to itself
    assert translations[0]


def test_references_and_hypotheses_are_read_line_by_line(tmp_path: Path) -> None:
    test_set = EvaluationSet([write(tmp_path / "test.de", ["eins", "zwei\u2028drei"])])
    assert test_set.references == [["eins", "zwei\u2028drei"]]
    assert test_set.read_hypotheses(write(tmp_path / "made.de", ["one", ""])) == ["one", ""]


def test_a_sentence_that_is_too_long_is_told_with_file_and_line(tmp_path: Path, bundle: Path) -> None:
    test_set = make_test_set(tmp_path, [*SOURCES, TOO_LONG, *SOURCES])
    with pytest.raises(InvalidInputError, match=r"test\.en, line 4: the text has \d+ pieces, but the model takes 62"):
        test_set.translate(str(bundle), "en", "de", GREEDY, split_sentences=False)
    assert len(test_set.translate(str(bundle), "en", "de", GREEDY)) == 2 * len(SOURCES) + 1  # in parts it fits


def test_files_of_different_length_are_told_with_both_counts(tmp_path: Path, bundle: Path) -> None:
    test_set = make_test_set(tmp_path)
    write(tmp_path / "test.en", SOURCES[:2])
    with pytest.raises(InvalidInputError, match=r"test\.en has 2 lines, but .*test\.de has 3"):
        test_set.translate(str(bundle), "en", "de", GREEDY)
    with pytest.raises(InvalidInputError, match=r"made\.de has 4 lines, but .*test\.de has 3"):
        test_set.read_hypotheses(write(tmp_path / "made.de", ["x"] * 4))


def test_files_that_are_missing_empty_or_broken_are_named(tmp_path: Path) -> None:
    path = tmp_path / "test.de"
    with pytest.raises(NotFoundError, match=r"test\.de: no such file"):
        EvaluationSet([path])
    with pytest.raises(InvalidInputError, match=r"test\.de: there is no sentence in it"):
        EvaluationSet([write(path, [])])
    path.write_bytes(b"eins\n\xff\n")
    with pytest.raises(InvalidInputError, match=r"test\.de, line 2: invalid UTF-8"):
        EvaluationSet([path])


def test_what_cannot_be_translated_is_told(tmp_path: Path, bundle: Path) -> None:
    test_set = make_test_set(tmp_path)
    with pytest.raises(NotFoundError, match='"tiny" does not translate from "en" to "fr"; it knows en→de, de→en'):
        test_set.translate(str(bundle), "en", "fr", GREEDY)
    with pytest.raises(NotFoundError, match='there is no bundle "nowhere"'):
        test_set.translate("nowhere", "en", "de", GREEDY)
    with pytest.raises(InvalidInputError, match="its source sentences are needed: --source FILE"):
        EvaluationSet([test_set.reference]).translate(str(bundle), "en", "de", GREEDY)


def report(bleu: float) -> ScoreReport:
    return ScoreReport(
        num_sentences=3,
        bleu=MetricScore(score=bleu, signature="nrefs:1|tok:13a"),
        chrf=MetricScore(score=50.126, signature="nrefs:1|nc:6"),
        ter=MetricScore(score=40.0, signature="nrefs:1|case:lc"),
    )


def test_recorded_scores_replace_older_ones_and_rewrite_the_card(bundle: Path) -> None:
    before = read_config(bundle)
    record_scores(str(bundle), "en", "de", "devtest", report(30.0), GREEDY)
    record_scores(str(bundle), "de", "en", "devtest", report(40.0), GREEDY)
    folder = record_scores(str(bundle), "en", "de", "devtest", report(35.128), GREEDY)

    assert folder == bundle
    config = read_config(bundle)
    devtest = [score for score in config.scores if score.test_set == "devtest"]
    assert [(str(score.direction), score.metric, score.score) for score in devtest] == [
        ("de→en", "BLEU", 40.0),
        ("de→en", "TER", 40.0),
        ("de→en", "chrF", 50.13),
        ("en→de", "BLEU", 35.13),
        ("en→de", "TER", 40.0),
        ("en→de", "chrF", 50.13),
    ]
    assert devtest[0].signature == "nrefs:1|tok:13a"
    assert [score for score in config.scores if score.test_set != "devtest"] == list(before.scores)
    assert replace(config, scores=()) == replace(before, scores=())

    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert card == model_card(config)
    assert "| en→de | devtest | BLEU | 35.13 |" in card
    assert "30.00" not in card
    Translator.load(bundle)  # still a whole bundle


def test_the_source_language_may_be_left_out(bundle: Path) -> None:
    record_scores(str(bundle), None, "en", "devtest", report(30.0), GREEDY)
    assert read_config(bundle).scores[0].direction == Direction("de", "en")


def test_scores_of_an_unknown_direction_change_nothing(bundle: Path) -> None:
    before = (bundle / "config.json").read_bytes()
    with pytest.raises(DragomanError, match='does not translate to "fr"'):
        record_scores(str(bundle), None, "fr", "devtest", report(30.0), GREEDY)
    assert (bundle / "config.json").read_bytes() == before
