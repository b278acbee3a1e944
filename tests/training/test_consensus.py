"""Decoding for minimum Bayes risk: which of the hypotheses is the consensus, and what the command makes of files."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_command_line import Run, assert_refused, run, write_lines
from training.consensus import FoundHypothesis, choose_consensus, hypothesis_probabilities
from training.metrics import SentenceBleu

__all__ = ["run"]  # a fixture

OUTLIER = "somebody holds an umbrella"
NEAR = ["a man walks a dog", "a man walks the dog", "a man walks his dog"]


def found(*texts: str, source: str = "x", scores: list[float] | None = None) -> str:
    pairs = zip(texts, scores or [-0.1 * place for place in range(len(texts))], strict=True)
    return json.dumps({"source": source, "hypotheses": [{"text": text, "score": score} for text, score in pairs]})


def test_probabilities_are_a_softmax_of_each_list_and_systems_count_alike() -> None:
    first = [FoundHypothesis(text="a", score=math.log(3)), FoundHypothesis(text="b", score=0.0)]
    second = [FoundHypothesis(text="b", score=-700.0)]
    assert hypothesis_probabilities([first, second]) == pytest.approx({"a": 3 / 8, "b": 1 / 8 + 1 / 2})


def test_very_unlikely_hypotheses_do_not_underflow() -> None:
    hypotheses = [FoundHypothesis(text="a", score=-5000.0), FoundHypothesis(text="b", score=-5001.0)]
    assert hypothesis_probabilities([hypotheses])["a"] == pytest.approx(1 / (1 + math.exp(-1)))


@given(st.dictionaries(st.text("ab", max_size=4), st.floats(0.01, 1), min_size=1, max_size=6))
def test_where_only_the_very_same_text_is_good_the_likeliest_is_chosen(probabilities: dict[str, float]) -> None:
    chosen = choose_consensus(probabilities, lambda text, other: float(text == other))
    assert probabilities[chosen] == max(probabilities.values())


def test_the_likeliest_gives_way_to_what_the_others_agree_on() -> None:
    probabilities = {OUTLIER: 0.28, NEAR[0]: 0.24, NEAR[1]: 0.24, NEAR[2]: 0.24}
    chosen = choose_consensus(probabilities, SentenceBleu().score)
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
        (["Hallo."], ["line 1 of", "b.jsonl is nothing that dragoman translate --json writes", "Invalid JSON"]),
        ([json.dumps({"source": "x"})], ["line 1 of", "b.jsonl is nothing that", "Field required"]),
        ([found()], ["line 1 of", "b.jsonl is nothing that", "at least 1 item"]),
        ([found("a", scores=[math.nan])], ["line 1 of", "b.jsonl is nothing that"]),
        ([found("a", source="another")], ["line 1 of", "b.jsonl translates another text than that of", "a.jsonl"]),
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
    assert_refused(run("combine", first, tmp_path / "none.jsonl"), "none.jsonl: no such file")
    assert_refused(run("combine", first, "--tokenize", "klingon"), "unknown tokenizer 'klingon'")
