"""`dragoman score`."""

import json
from pathlib import Path

import pytest

from tests.commands.running import Run, assert_refused, write_lines


@pytest.fixture
def pair_files(tmp_path: Path) -> tuple[Path, Path]:
    source = write_lines(tmp_path / "pairs.en", "The dog sees the house.", "tree")
    return source, write_lines(tmp_path / "pairs.de", "Der Hund sieht das Haus.", "Baum")


def test_score_gives_a_line_for_a_pair(run: Run, tiny_bundle: Path, pair_files: tuple[Path, Path]) -> None:
    source, target = pair_files
    command = ["score", tiny_bundle, "--from", "en", "--to", "de", "--source", source, "--target", target]
    rows = [line.split("\t") for line in run(*command).output.splitlines()]
    (first, second) = [[float(value) for value in row] for row in rows]
    assert first[1] < second[1] < 0  # the longer one is the less likely
    assert first[0] > first[1]
    plain = run(*command, "--length-penalty", "0").output.splitlines()[0].split("\t")
    assert plain == [rows[0][1], rows[0][1]]

    whole = run(*command, "--pieces", "--alignment").output.splitlines()[0].split("\t")
    assert whole[:2] == rows[0]
    assert "".join(whole[2].split(" ")) == "▁Der▁Hund▁sieht▁das▁Haus."
    log_probs = [float(value) for value in whole[3].split(" ")]
    assert len(log_probs) == len(whole[2].split(" ")) + 1
    assert sum(log_probs) == pytest.approx(first[1], abs=1e-4)
    assert {pair.split("-")[1] for pair in whole[4].split(" ")} == set("01234")


def test_score_writes_a_file(run: Run, tiny_bundle: Path, pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = pair_files
    output = tmp_path / "scores.jsonl"
    command = ["score", tiny_bundle, "--from", "en", "--to", "de", "--source", source, "--target", target]
    command += ["--output", output]
    outcome = run(*command, "--json", "--attention")
    assert (outcome.status, outcome.output, outcome.errors) == (0, "", "")
    first, second = map(json.loads, output.read_text().splitlines())
    assert (first["source"], second["target"]) == ("The dog sees the house.", "Baum")
    assert len(first["attention"]) == len(first["token_log_probs"]) == len(first["pieces"]) + 1
    assert first["alignment"]
    assert_refused(run(*command), "scores.jsonl: exists already")
    assert run(*command, "--overwrite").status == 0
    assert len(output.read_text().splitlines()[0].split("\t")) == 2


def test_score_agrees_with_the_search(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    """For the hypotheses that the model's own pieces spell when they are read anew."""
    texts = [f"{noun} {verb}" for noun in ("the dog", "the woman", "a tree") for verb in ("sees", "likes", "looks")]
    search = ["translate", "--model", tiny_bundle, "--to", "de", "--precision", "float32", "--json", "--no-split"]
    found = [json.loads(line) for line in run(*search, *texts).output.splitlines()]
    best = [translation["hypotheses"][0] for translation in found]
    source = write_lines(tmp_path / "in.en", *texts)
    target = write_lines(tmp_path / "out.de", *(hypothesis["text"] for hypothesis in best))
    command = ["score", tiny_bundle, "--from", "en", "--to", "de", "--source", source, "--target", target, "--json"]
    num_compared = 0
    for line, hypothesis in zip(run(*command).output.splitlines(), best, strict=True):
        scored = json.loads(line)
        if scored["pieces"] == hypothesis["pieces"]:
            num_pieces = len(hypothesis["token_log_probs"])  # without the end of sentence, if it was cut off
            assert scored["token_log_probs"][:num_pieces] == pytest.approx(hypothesis["token_log_probs"], abs=1e-3)
            num_compared += 1
    assert num_compared


def test_score_names_what_it_cannot_score(
    run: Run, tiny_bundle: Path, pair_files: tuple[Path, Path], tmp_path: Path
) -> None:
    source, target = pair_files
    command = ["score", tiny_bundle, "--from", "en", "--to", "de", "--source", source, "--target", target]
    assert_refused(run(*command, "--attention"), "--attention needs --json")
    assert_refused(run(*command, "--length-penalty", "-1"), "length_penalty is -1.0")
    assert_refused(run(*command[:-4], "--source", source, "--target", tmp_path / "none"), "none: no such file")
    write_lines(target, "Der Hund sieht das Haus.")
    assert_refused(run(*command), "pairs.en has 2 lines, but", "pairs.de has 1")
    write_lines(target, "Der Hund sieht das Haus.", " ")
    assert_refused(run(*command, "--output", tmp_path / "out"), "line 2 of", "the target is blank")
    assert not (tmp_path / "out").exists()
    write_lines(target, "Haus " * 200, "Baum")
    outcome = run(*command, "--keep-going", "--alignment")
    assert outcome.status == 0
    assert outcome.output.splitlines()[0] == "\t\t"
    assert len(outcome.output.splitlines()[1].split("\t")) == 3
    assert outcome.errors == "pairs without a score, blank or too long: 1\n"
    outcome = run(*command, "--keep-going", "--json")
    assert "line 1 of" in json.loads(outcome.output.splitlines()[0])["error"]
