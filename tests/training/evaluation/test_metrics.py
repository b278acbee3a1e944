"""Scores against golden values from sacreBLEU's own command line, and what must hold for any text."""

import json
import logging
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.training.evaluation.metrics import (
    ScoreReport,
    SentenceBleu,
    bleu_score,
    format_report,
    report_to_json,
    score_translations,
    silence_sacrebleu,
)

REFERENCES = [
    "The cat sat on the mat.",
    "He reads an old book in the garden.",
    "It is raining today.",
    "We will see each other tomorrow, I hope.",
]
HYPOTHESES = [
    "The cat sat on the mat.",
    "He reads an old book at the garden.",
    "Today it rains.",
    "We see us tomorrow, I hope.",
]
BASELINE = [
    "A cat sits on a mat.",
    "He is reading an old book in the garden.",
    "It is raining today.",
    "We will see each other tomorrow I hope.",
]
METRICS = ("bleu", "chrf", "ter")

texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=6)


def scores_of(report: ScoreReport) -> list[float]:
    return [report.bleu.score, report.chrf.score, report.ter.score]


def test_scores_equal_those_of_the_command_line() -> None:
    # sacrebleu references -i hypotheses -m bleu chrf ter -w 6
    report = score_translations(HYPOTHESES, REFERENCES)

    assert report.num_sentences == 4
    assert scores_of(report) == pytest.approx([57.196361, 64.881895, 30.769231], abs=1e-6)
    assert report.bleu.comparison is None


def test_each_reference_counts() -> None:
    # sacrebleu references baseline -i hypotheses -m bleu chrf ter -w 6
    report = score_translations(HYPOTHESES, REFERENCES, BASELINE)

    assert scores_of(report) == pytest.approx([59.276004, 64.881895, 30.188679], abs=1e-6)
    assert (report.num_references, report.bleu.signature[:8]) == (2, "nrefs:2|")
    assert format_report(report).startswith("4 sentences, 2 references each\n")
    with pytest.raises(InvalidInputError, match="4 hypotheses, but 3 references"):
        score_translations(HYPOTHESES, REFERENCES, BASELINE[:3])


def test_signatures_are_those_of_sacrebleu() -> None:
    report = score_translations(HYPOTHESES, REFERENCES)

    assert report.bleu.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.")
    assert report.chrf.signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.")
    assert report.ter.signature.startswith("nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.")


def test_the_tokenizer_of_bleu_can_be_chosen() -> None:
    # sacrebleu references -i hypotheses -m bleu -tok none -w 6 -b
    report = score_translations(HYPOTHESES, REFERENCES, tokenize="none")

    assert report.bleu.score == pytest.approx(51.640446, abs=1e-6)
    assert "tok:none" in report.bleu.signature
    assert report.ter.score == pytest.approx(30.769231, abs=1e-6)


def test_bleu_score_is_the_bleu_of_the_report() -> None:
    assert bleu_score(HYPOTHESES, REFERENCES) == score_translations(HYPOTHESES, REFERENCES).bleu.score


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score"),
    [
        ("The cat sat on the mat.", "The cat sat on the mat.", 100),
        ("the cat", "the cat sat", 100 * math.exp(1 - 3 / 2)),  # no trigrams to match, but it is too short
        ("the dog", "the cat", 50),  # one word of two, and half a match in place of no bigram of one: √(½ · ½)
        ("the the the cat", "the cat", 100 * (2 / 4 * 1 / 3 * 1 / (2 * 2) * 1 / 4) ** 0.25),
        ("dog", "the cat", 0),
        ("", "the cat", 0),
    ],
)
def test_sentence_bleu(hypothesis: str, reference: str, score: float) -> None:
    assert SentenceBleu().score(hypothesis, reference) == pytest.approx(score)


def test_paired_bootstrap_equals_the_command_line() -> None:
    # sacrebleu references -i baseline hypotheses -m bleu chrf ter --paired-bs -w 6 -f text
    report = score_translations(HYPOTHESES, REFERENCES, baseline=BASELINE)

    assert scores_of(report) == scores_of(score_translations(HYPOTHESES, REFERENCES))
    assert "bs:1000|seed:12345" in report.bleu.signature
    comparisons = [score.comparison for score in (report.bleu, report.chrf, report.ter)]
    assert [c.baseline_score for c in comparisons if c] == pytest.approx([62.202266, 76.597539, 23.076923], abs=1e-6)
    assert [c.difference for c in comparisons if c] == pytest.approx([-5.005905, -11.715644, 7.692308], abs=1e-6)
    assert [c.p_value for c in comparisons if c] == pytest.approx([0.292707, 0.219780, 0.243756], abs=1e-6)
    assert report.bleu.comparison is not None
    assert report.bleu.comparison.confidence_interval == pytest.approx((28.524594, 84.518761), abs=1e-4)
    assert report.bleu.comparison.baseline_confidence_interval == pytest.approx((34.183752, 87.517914), abs=1e-4)


def test_a_system_does_not_differ_from_itself() -> None:
    report = score_translations(HYPOTHESES, REFERENCES, baseline=HYPOTHESES)

    for score in (report.bleu, report.chrf, report.ter):
        assert score.comparison is not None
        assert score.comparison.difference == 0.0
        assert score.comparison.p_value == 1.0
        assert score.comparison.confidence_interval == score.comparison.baseline_confidence_interval


def test_a_clear_difference_is_significant() -> None:
    references = [f"The {number} men see {number} old dogs in the garden." for number in range(40)]
    baseline = [reference.replace("old dogs", "cats") for reference in references]

    comparison = score_translations(references, references, baseline=baseline).bleu.comparison

    assert comparison is not None
    assert comparison.difference > 10
    assert comparison.p_value < 0.01


@given(texts)
@settings(deadline=None)
def test_the_references_themselves_are_free_of_errors(references: list[str]) -> None:
    assert score_translations(references, references).ter.score == 0.0


@given(
    st.lists(st.lists(st.sampled_from(["dog", "Hund", "é", "日本"]), min_size=4, max_size=8), min_size=1, max_size=6)
)
@settings(deadline=None)
def test_the_references_themselves_score_100(sentences: list[list[str]]) -> None:
    references = [" ".join(words) for words in sentences]  # at least four words: shorter texts have no 4-grams to match
    report = score_translations(references, references)

    assert scores_of(report) == pytest.approx([100.0, 100.0, 0.0])
    assert bleu_score(references, references) == pytest.approx(100.0)


@given(texts)
@settings(deadline=None)
def test_scores_lie_in_their_range_and_do_not_hang_on_order(references: list[str]) -> None:
    hypotheses = references[::-1]
    bleu, chrf, ter = scores_of(score_translations(hypotheses, references))

    assert 0.0 <= bleu <= 100.0 + 1e-9
    assert 0.0 <= chrf <= 100.0 + 1e-9
    assert ter >= 0.0
    assert scores_of(score_translations(hypotheses[::-1], references[::-1])) == pytest.approx([bleu, chrf, ter])


@pytest.mark.parametrize("score", [bleu_score, score_translations])
def test_sides_of_different_length_are_refused_with_both_counts(score: object) -> None:
    assert callable(score)
    with pytest.raises(InvalidInputError, match="3 hypotheses, but 4 references"):
        score(HYPOTHESES[:3], REFERENCES)


@pytest.mark.parametrize("score", [bleu_score, score_translations])
def test_nothing_to_score_is_refused(score: object) -> None:
    assert callable(score)
    with pytest.raises(InvalidInputError, match="no sentences"):
        score([], [])


def test_a_baseline_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="2 baseline hypotheses, but 4 references"):
        score_translations(HYPOTHESES, REFERENCES, baseline=BASELINE[:2])


def test_an_unknown_tokenizer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"unknown tokenizer '13b'.*13a"):
        score_translations(HYPOTHESES, REFERENCES, tokenize="13b")


def test_json_has_full_scores_and_survives_a_round_trip() -> None:
    report = score_translations(HYPOTHESES, REFERENCES)
    document = report_to_json(report)

    assert json.loads(json.dumps(document)) == document
    assert list(document) == ["num_sentences", "num_references", *METRICS]
    assert document["bleu"] == {"score": report.bleu.score, "signature": report.bleu.signature}


def test_json_has_the_comparison_where_there_is_a_baseline() -> None:
    document = report_to_json(score_translations(HYPOTHESES, REFERENCES, baseline=BASELINE))

    assert json.loads(json.dumps(document)) == document
    for metric in METRICS:
        assert {"baseline_score", "difference", "p_value", "confidence_interval"} < set(document[metric])


def test_text_rounds_scores_and_keeps_signatures() -> None:
    plain = format_report(score_translations(HYPOTHESES, REFERENCES)).splitlines()
    compared = format_report(score_translations(HYPOTHESES, REFERENCES, baseline=BASELINE)).splitlines()

    assert plain[0] == "4 sentences"
    assert plain[1].startswith("BLEU  57.2  nrefs:1|case:mixed|eff:no|tok:13a|")
    assert compared[1].startswith("BLEU  57.2 (28.5 to 84.5)  baseline 62.2  difference -5.0  p = 0.293  nrefs:1|")
    assert compared[3].startswith("TER   30.8 ")


def test_only_a_command_silences_sacrebleu() -> None:
    code = "import logging, dragoman.training.evaluation.metrics; print(logging.getLogger('sacrebleu').level)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{logging.NOTSET}\n"


def test_sacrebleu_stays_quiet(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    silence_sacrebleu()
    tokenized = ["The dog sleeps ."] * 200  # sacreBLEU warns of text that looks tokenized already
    with caplog.at_level(logging.INFO):
        score_translations(tokenized, tokenized, baseline=tokenized)

    assert caplog.records == []
    assert capsys.readouterr() == ("", "")
