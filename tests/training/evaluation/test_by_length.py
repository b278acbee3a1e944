"""Scores by length: each text in one group, and each group's BLEU that of its texts alone."""

from dragoman.training.evaluation.by_length import format_rows, score_by_length
from dragoman.training.evaluation.metrics import bleu_score


def test_each_text_is_in_the_group_of_its_length() -> None:
    lengths = [0, 1, 10, 11, 20, 21, 40, 41, 99]
    texts = [f"text number {number} has some words" for number in range(9)]
    rows = score_by_length(lengths, texts, texts)
    assert [(row.least, row.most, row.num_texts) for row in rows] == [
        (1, 10, 3),
        (11, 20, 2),
        (21, 30, 1),
        (31, 40, 1),
        (41, None, 2),
    ]
    assert all(round(row.bleu) == round(row.chrf) == 100 for row in rows)


def test_bleu_is_that_of_the_group() -> None:
    references = ["the dog sees the house", "a small tree stands there", "the child likes the bridge a lot"]
    hypotheses = ["the dog sees a house", "a small tree stands there", "the child likes bridges"]
    rows = score_by_length([5, 12, 6], hypotheses, references)
    assert rows[0].bleu == bleu_score([hypotheses[0], hypotheses[2]], [references[0], references[2]])
    assert format_rows(rows).splitlines()[2].split() == ["11–20", "1", "100.0", "100.0"]
