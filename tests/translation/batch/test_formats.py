"""Translations and scores as lines."""

import json
from dataclasses import replace

import numpy as np

from dragoman.model.errors import InvalidInputError
from dragoman.translation.batch.formats import (
    one_line,
    score_to_json,
    score_to_tsv,
    translation_to_json,
    translation_to_tsv,
    warnings_to_lines,
)
from dragoman.translation.results import Hypothesis, Translation, TranslationWarning
from dragoman.translation.scoring.scored import ScoredTranslation

ATTENTION = np.array([[0.123456, 0.5, 0.25], [1, 0, 0]], np.float32)
SCORED = ScoredTranslation(
    source='a "house"',
    target="Haus",
    score=-0.12345678,
    log_prob=-0.25,
    source_pieces=("<2de>", "▁house", "</s>"),
    pieces=("▁Haus",),
    token_log_probs=(-0.2, -0.05),
    attention=ATTENTION,
    alignment=((0, 0), (1, 0)),
)
ERROR = InvalidInputError("line 3: the source is blank")


def test_translations_as_json_say_what_is_known() -> None:
    hypothesis = Hypothesis("Häuser", -0.1234567, ("▁Häuser",), (-0.25, -0.125), ATTENTION, ((0, 0),))
    translation = Translation("houses", (hypothesis, Hypothesis("Haus", 0.0)), ("<2de>", "▁houses"))
    line = translation_to_json(translation, attention=True)
    assert "\n" not in line
    assert "Häuser" in line
    assert json.loads(line) == {
        "source": "houses",
        "source_pieces": ["<2de>", "▁houses"],
        "hypotheses": [
            {
                "text": "Häuser",
                "score": -0.123457,
                "pieces": ["▁Häuser"],
                "token_log_probs": [-0.25, -0.125],
                "alignment": [[0, 0]],
                "attention": [[0.1235, 0.5, 0.25], [1, 0, 0]],
            },
            {"text": "Haus", "score": 0.0},
        ],
    }
    without_attention = json.loads(translation_to_json(translation))
    assert set(without_attention) == {"source", "hypotheses"}
    assert set(without_attention["hypotheses"][0]) == {"text", "score", "pieces", "token_log_probs", "alignment"}


def test_a_blank_or_unencodable_text_is_json_all_the_same() -> None:
    assert json.loads(translation_to_json(Translation("", (Hypothesis("", 0.0),)))) == {
        "source": "",
        "hypotheses": [{"text": "", "score": 0.0}],
    }
    translation_to_json(Translation("\ud800", (Hypothesis("x", 0.0),))).encode()


def test_translations_as_tsv_have_a_line_for_a_hypothesis() -> None:
    translation = Translation("s", (Hypothesis("a\tb\nc\u2028d", -0.5), Hypothesis("e", -1.0)))
    assert translation_to_tsv(7, translation) == "7\t-0.500000\ta b c d\n7\t-1.000000\te"


def test_scores_as_json() -> None:
    assert json.loads(score_to_json(SCORED, attention=True)) == {
        "source": 'a "house"',
        "target": "Haus",
        "score": -0.123457,
        "log_prob": -0.25,
        "source_pieces": ["<2de>", "▁house", "</s>"],
        "pieces": ["▁Haus"],
        "token_log_probs": [-0.2, -0.05],
        "alignment": [[0, 0], [1, 0]],
        "attention": [[0.1235, 0.5, 0.25], [1, 0, 0]],
    }
    assert json.loads(score_to_json(ERROR)) == {"error": "line 3: the source is blank"}
    assert {"attention", "source_pieces"}.isdisjoint(json.loads(score_to_json(SCORED)))
    plain = json.loads(score_to_json(replace(SCORED, attention=None, alignment=()), attention=True))
    assert {"attention", "alignment"}.isdisjoint(plain)


def test_scores_as_tsv_always_have_the_same_fields() -> None:
    assert score_to_tsv(SCORED, pieces=False, alignment=False) == "-0.123457\t-0.250000"
    assert score_to_tsv(SCORED, pieces=False, alignment=True) == "-0.123457\t-0.250000\t0-0 1-0"
    assert score_to_tsv(SCORED, pieces=True, alignment=True) == (
        "-0.123457\t-0.250000\t▁Haus\t-0.200000 -0.050000\t0-0 1-0"
    )
    for pieces in (False, True):
        for alignment in (False, True):
            fields = score_to_tsv(SCORED, pieces=pieces, alignment=alignment).split("\t")
            empty = score_to_tsv(ERROR, pieces=pieces, alignment=alignment).split("\t")
            assert empty == [""] * len(fields)


def test_one_line() -> None:
    assert one_line("a\r\nb\tc") == "a b c"


WARNED = Translation(
    "I paid 333 euros.\nAnd nothing else, although that was not at all what he had asked me for.",
    (
        Hypothesis(
            "Ich habe 33 Euro bezahlt.\nUnd",
            -0.5,
            quality=0.123456,
            warnings=(
                TranslationWarning("figure_differs", (7, 10), (0, 25)),
                TranslationWarning("much_shorter", (18, 85), (26, 29)),
            ),
        ),
    ),
)


def test_warnings_and_quality_are_in_the_json() -> None:
    (hypothesis,) = json.loads(translation_to_json(WARNED))["hypotheses"]
    assert hypothesis["quality"] == 0.123
    assert hypothesis["warnings"] == [
        {"kind": "figure_differs", "source": [7, 10], "target": [0, 25]},
        {"kind": "much_shorter", "source": [18, 85], "target": [26, 29]},
    ]


def test_warnings_are_lines_for_people() -> None:
    assert warnings_to_lines(WARNED) == [
        'figure differs: "333" -> "Ich habe 33 Euro bezahlt."',
        'much shorter: "And nothing else, although that was not at all what he had…" -> "Und"',
    ]
    assert warnings_to_lines(Translation("a", (Hypothesis("b", 0.0),))) == []
