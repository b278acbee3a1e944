"""Decoding for minimum Bayes risk: which of the hypotheses is the consensus, and what the command makes of files."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.training.evaluation.consensus import (
    FoundHypothesis,
    FoundTranslation,
    choose_consensus,
    hypothesis_weights,
)
from dragoman.training.evaluation.metrics import SentenceBleu
from tests.commands.running import Run, assert_refused, run, write_lines

__all__ = ["run"]  # a fixture

OUTLIER = "somebody holds an umbrella"
NEAR = ["a man walks a dog", "a man walks the dog", "a man walks his dog"]


def found(*texts: str, source: str = "x", scores: list[float] | None = None) -> str:
    pairs = zip(texts, scores or [-0.1 * place for place in range(len(texts))], strict=True)
    return json.dumps({"source": source, "hypotheses": [{"text": text, "score": score} for text, score in pairs]})


def translation(**scores: float) -> FoundTranslation:
    hypotheses = [FoundHypothesis(text=text, score=score) for text, score in scores.items()]
    return FoundTranslation(source="x", hypotheses=hypotheses)


def test_weights_are_a_softmax_of_each_list_and_systems_count_alike() -> None:
    systems = [translation(a=math.log(3), b=0.0), translation(b=-700.0)]
    assert hypothesis_weights(systems) == pytest.approx({"a": 3 / 8, "b": 1 / 8 + 1 / 2})


def test_very_unlikely_hypotheses_do_not_underflow() -> None:
    assert hypothesis_weights([translation(a=-5000.0, b=-5001.0)])["a"] == pytest.approx(1 / (1 + math.exp(-1)))


def test_a_system_that_did_not_translate_a_text_does_not_count() -> None:
    untranslated = translation(x=0.0)
    assert hypothesis_weights([untranslated, translation(a=-1.0)]) == {"a": 1}
    assert hypothesis_weights([untranslated, untranslated]) == {"x": 1}
    assert set(hypothesis_weights([translation(x=-0.1), translation(a=-1.0)])) == {"x", "a"}  # names stay as they are


@given(st.dictionaries(st.text("ab", max_size=4), st.floats(0.01, 1), min_size=1, max_size=6))
def test_where_only_the_very_same_text_is_good_the_weightiest_is_chosen(weights: dict[str, float]) -> None:
    chosen = choose_consensus(weights, lambda text, other: float(text == other))
    assert weights[chosen] == max(weights.values())


def test_hypotheses_are_held_against_the_others_as_references_and_the_first_of_equals_is_chosen() -> None:
    short, long = "the dog runs", "the dog runs home now today"  # all of the short one is in the long one
    assert choose_consensus({long: 0.5, short: 0.5}, SentenceBleu().score) == short
    assert choose_consensus({"b": 0.5, "a": 0.5}, SentenceBleu().score) == "b"


def test_the_likeliest_gives_way_to_what_the_others_agree_on() -> None:
    weights = {OUTLIER: 0.28, NEAR[0]: 0.24, NEAR[1]: 0.24, NEAR[2]: 0.24}
    chosen = choose_consensus(weights, SentenceBleu().score)
    assert chosen in NEAR
    assert choose_consensus({OUTLIER: 0.9, NEAR[0]: 0.1}, SentenceBleu().score) == OUTLIER


def test_the_command_combines_systems_line_by_line(run: Run, tmp_path: Path) -> None:
    first = write_lines(tmp_path / "a.jsonl", found(OUTLIER, NEAR[0]), found("two\nlines", source="y"))
    second = write_lines(tmp_path / "b.jsonl", found(NEAR[1], NEAR[2]), found("two\nlines", source="y"))
    outcome = run("combine", first, second)
    assert outcome.status == 0, outcome
    chosen, both = outcome.output.splitlines()
    assert chosen in NEAR
    assert both == "two lines"
    output = tmp_path / "out.txt"
    assert run("combine", first, second, "--output", output).status == 0
    assert output.read_text() == outcome.output
    assert_refused(run("combine", first, second, "--output", output), "out.txt: exists already")
    assert run("combine", first, "--output", output, "--overwrite").status == 0
    assert output.read_text().splitlines() == [OUTLIER, "two lines"]  # of two, which agree on nothing, the likelier


def test_bleu_is_that_of_the_tokenizer(run: Run, tmp_path: Path) -> None:
    """The second shares characters with both others, but no word."""
    scores = [-1.0, -1.1, -1.2]
    lines = write_lines(tmp_path / "a.jsonl", found("狗看到了房子", "狗看到了屋子", "猫看到了屋子", scores=scores))
    assert run("combine", lines).output.splitlines() == ["狗看到了房子"]
    assert run("combine", lines, "--tokenize", "zh").output.splitlines() == ["狗看到了屋子"]


def test_a_list_of_one_beside_longer_ones_is_told(run: Run, tmp_path: Path) -> None:
    blank, untranslated = found("", source="", scores=[0.0]), found("x", scores=[0.0])
    many = write_lines(tmp_path / "a.jsonl", found(*NEAR), found(*NEAR), blank, found(*NEAR))
    one = write_lines(tmp_path / "b.jsonl", found(OUTLIER), found(*NEAR), blank, untranslated)
    outcome = run("combine", many, one)
    assert outcome.status == 0
    assert "in 1 of 4 texts one system has a single hypothesis" in outcome.errors
    assert "--n-best" in outcome.errors
    assert run("combine", one).errors == run("combine", many, many).errors == ""


def test_what_a_bundle_finds_is_combined(run: Run, tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "in.de", "Wo wohnst du?", "Das Haus ist groß. Der Baum ist klein.", "")
    hypotheses = tmp_path / "found.jsonl"
    translate = ["translate", "--model", "en-de", "--from", "de", "--to", "en", "--input", texts]
    n_best = ["--json", "--n-best", "4", "--beam-size", "4"]
    assert run(*translate, "--output", hypotheses, *n_best).status == 0
    outcome = run("combine", hypotheses)
    assert outcome.status == 0, outcome
    for line, chosen in zip(hypotheses.read_text().splitlines(), outcome.output.split("\n"), strict=False):
        assert chosen in [hypothesis["text"] for hypothesis in json.loads(line)["hypotheses"]]
    assert len(outcome.output.splitlines()) == 3


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Hallo."], ["b.jsonl, line 1: is nothing that dragoman translate --json writes: Invalid JSON"]),
        ([json.dumps({"source": "x"})], ["b.jsonl, line 1: is nothing that", ": hypotheses: Field required"]),
        ([json.dumps({"source": "x", "hypotheses": [{"text": "a"}]})], [": hypotheses.0.score: Field required"]),
        ([found()], ["b.jsonl, line 1: is nothing that", "at least 1 item"]),
        ([found("a", scores=[math.nan])], ["b.jsonl, line 1: is nothing that"]),
        ([found("a", source="another")], ["b.jsonl, line 1: translates another text than", "a.jsonl does there"]),
        ([], ["b.jsonl ends after 0 lines, but", "a.jsonl has more"]),
        ([found("a"), found("b")], ["a.jsonl ends after 1 lines, but", "b.jsonl has more"]),
    ],
)
def test_what_cannot_be_combined_is_named(run: Run, tmp_path: Path, lines: list[str], words: list[str]) -> None:
    first = write_lines(tmp_path / "a.jsonl", found("a"))
    second = write_lines(tmp_path / "b.jsonl", *lines)
    output = tmp_path / "out.txt"
    assert_refused(run("combine", first, second, "--output", output), *words)
    assert not output.exists()


def test_what_is_wrong_further_down_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    first = write_lines(tmp_path / "a.jsonl", found("a"), found("b"))
    assert_refused(run("combine", first, write_lines(tmp_path / "b.jsonl", found("a"), "{}")), "b.jsonl, line 2: is")
    other = write_lines(tmp_path / "c.jsonl", found("a"), found("b", source="y"))
    assert_refused(run("combine", first, other), "c.jsonl, line 2: translates another text than", "a.jsonl does there")


def test_files_and_tokenizers_that_are_not_there_are_named(run: Run, tmp_path: Path) -> None:
    first = write_lines(tmp_path / "a.jsonl", found("a"))
    assert_refused(run("combine", first, tmp_path / "none.jsonl"), "none.jsonl: no such file")
    assert_refused(run("combine", first, "--tokenize", "klingon"), "unknown tokenizer 'klingon'")
