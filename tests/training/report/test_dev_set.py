"""Scores with intervals, by length, and what the sentences are like: against numbers worked out by hand."""

import pytest
from sacrebleu.metrics.bleu import BLEU

from dragoman.model.config import Direction
from dragoman.training.report.dev_set import TranslatedText, length_rows, score_rows, text_row


def text(source: list[str], reference: list[str], hypothesis: list[str]) -> TranslatedText:
    return TranslatedText(
        direction=Direction("en", "de"),
        source=tuple(source),
        reference=tuple(reference),
        hypothesis=tuple(hypothesis),
    )


def test_scores_and_intervals_are_those_of_sacrebleu() -> None:
    references = [f"der {word} sieht den alten Baum am Fluss {number}" for number, word in enumerate("abcdefgh")]
    hypotheses = [reference.replace("alten", "neuen") if n % 2 else reference for n, reference in enumerate(references)]
    bleu, chrf, ter = score_rows(text(references, references, hypotheses))
    expected = BLEU(force=True).corpus_score(hypotheses, [references], n_bootstrap=1000)
    assert bleu.score == pytest.approx(expected.score)
    assert bleu.low == pytest.approx(expected._mean - expected._ci)
    assert bleu.high == pytest.approx(expected._mean + expected._ci)
    assert bleu.low < bleu.score < bleu.high < 100
    assert (bleu.direction, bleu.num_sentences, bleu.metric) == ("en→de", 8, "BLEU")
    assert [row.metric for row in (chrf, ter)] == ["chrF", "TER"]
    assert chrf.low < chrf.score < chrf.high
    assert ter.low < ter.score < ter.high


def test_intervals_stay_within_what_a_score_can_be() -> None:
    references = ["eins zwei drei vier fünf", "sechs sieben acht neun zehn", "elf zwölf dreizehn vierzehn fünfzehn"]
    bleu, chrf, ter = score_rows(text(references, references, [*references[:-1], "elf zwölf"]))
    for row in (bleu, chrf):
        assert 0 <= row.low < row.score < 100
        assert row.high == 100  # sacreBLEU's normal approximation goes beyond
    assert ter.low == 0
    assert ter.low < ter.score < ter.high


def test_sentences_are_grouped_by_the_length_of_their_source() -> None:
    sources = [" ".join(["x"] * length) for length in (1, 9, 10, 39, 40, 100)]
    rows = length_rows(text(sources, sources, [*sources[:-1], "nothing"]))
    assert [(row.words, row.num_sentences) for row in rows] == [
        ("1 to 9", 2),
        ("10 to 19", 1),
        ("30 to 39", 1),
        ("40 or more", 2),
    ]
    assert rows[1].bleu == pytest.approx(100)
    assert rows[3].bleu < 100


def test_bleu_is_that_of_the_tokenizer() -> None:
    near = text(["a dog sees the house"], ["狗看到了房子"], ["狗看到了屋子"])
    assert score_rows(near)[0].score == 0  # one word, which is another
    assert score_rows(near, "zh")[0].score > 40
    assert "tok:zh" in score_rows(near, "zh")[0].signature
    assert length_rows(near, "zh")[0].bleu > 40


def test_what_the_sentences_are_like() -> None:
    row = text_row(text(["a b", "a b c d", "x"], ["e f", "g h i", "y"], ["e f", "a b c d", "y y y"]))
    assert row.source == pytest.approx((7 / 3, 1, 4))
    assert row.reference == (2, 1, 3)
    assert row.hypothesis == (3, 2, 4)
    assert row.ratio == pytest.approx(9 / 6)
    assert (row.num_sentences, row.num_exact, row.num_copied) == (3, 1, 1)
