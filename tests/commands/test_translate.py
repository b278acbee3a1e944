"""`dragoman translate` without a server."""

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.commands.running import LONG, Run, assert_refused, write_lines


def test_translate_gives_a_line_for_a_text(run: Run, tiny_bundle: Path) -> None:
    outcome = run("translate", "--model", tiny_bundle, "--to", "de", "a small house", "  ", "😀 Ünïcode \x07 מעורב")
    lines = outcome.output.splitlines()
    assert len(lines) == 3
    assert lines[1].strip() == ""
    assert lines[0]
    assert lines[2]


def test_translate_file_goes_on_after_its_input_is_mended(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    lines = [f"sentence {number}" for number in range(50)]
    source, output = tmp_path / "in.en", tmp_path / "out.de"
    command = ["translate", "--model", tiny_bundle, "--to", "de", "--no-split", "--input", source, "--output", output]
    write_lines(source, *lines[:30], LONG, *lines[31:])
    assert_refused(run(*command), "in.en, line 31: the text has")
    assert not output.exists()
    write_lines(source, *lines)
    outcome = run(*command)
    assert outcome.status == 0, outcome
    assert "50 lines translated, 30 of them before" in outcome.errors
    expected = run("translate", "--model", tiny_bundle, "--to", "de", "--no-split", *lines).output
    assert output.read_text() == expected

    assert_refused(run(*command), "out.de", "exists")
    assert output.read_text() == expected
    assert run(*command, "--overwrite").status == 0

    packed = tmp_path / "in.en.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    other = tmp_path / "other.de"
    assert run(*command[:-3], packed, "--output", other).status == 0
    assert other.read_text() == expected


def test_shards_are_translated_apart_and_joined(
    run: Run, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, whole, output = tmp_path / "in.en", tmp_path / "whole.de", tmp_path / "out.de"
    write_lines(source, *(f"sentence {number}" for number in range(20)))
    command = ["translate", "--model", tiny_bundle, "--to", "de", "--input", source, "--output"]
    assert run(*command, whole).status == 0
    assert_refused(run(*command, output, "--shard", "4/3"), "shard 4 of 3")
    assert_refused(run("translate", "--shard", "1/3", "hello"), "--shard needs --input FILE and --output FILE")
    for index in range(2):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        outcome = run(*command, output, "--shard", "auto/3")
        assert outcome.status == 0, outcome
        assert f"out.de-0000{index + 1}-of-00003: " in outcome.errors
    assert_refused(run("join", output), "out.de", "1 of 3 shards (3/3)")
    assert run(*command, output, "--shard", "3/3").status == 0
    assert run("join", output, "--remove").output == f"{output}: 20 lines\n"
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("out.de*")) == ["out.de"]


def test_records_get_a_column(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_lines(source, *(json.dumps({"id": number, "text": f"sentence {number}"}) for number in range(9)))
    command = ["translate", "--model", tiny_bundle, "--input", source]
    assert_refused(run(*command), "in.jsonl", "--columns text")
    assert_refused(run(*command, "--columns", "text"), "in.jsonl", "--output")
    assert_refused(run(*command, "--columns", "txt", "--to", "de", "-o", output), "line 1", 'no "txt"')
    for shard in ("1/2", "2/2"):
        assert run(*command, "--columns", "text", "--to", "de", "-o", output, "--shard", shard).status == 0
    assert run("join", output).status == 0
    found = [json.loads(line) for line in output.read_text().splitlines()]
    expected = run("translate", "--model", tiny_bundle, "--to", "de", *(record["text"] for record in found)).output
    assert [record["id"] for record in found] == list(range(9))
    assert [record["translation"] for record in found] == expected.splitlines()


def test_translate_lists_hypotheses(run: Run, tiny_bundle: Path) -> None:
    command = ["translate", "--model", tiny_bundle, "--to", "de", "--n-best", "3", "a small house", "", "tree"]
    rows = [line.split("\t") for line in run(*command).output.splitlines()]
    assert [row[0] for row in rows] == ["1", "1", "1", "2", "3", "3", "3"]
    best = run("translate", "--model", tiny_bundle, "--to", "de", "a small house").output
    assert rows[0][2] + "\n" == best
    scores = [float(row[1]) for row in rows]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    assert len({row[2] for row in rows[:3]}) == 3


def test_translate_as_json_tells_all_there_is(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.en", "The dog sees the house.", "", "tree")
    command = ["translate", "--model", tiny_bundle, "--to", "de", "--json", "--n-best", "2", "--alignment"]
    assert run(*command, "--input", source, "--output", tmp_path / "out.jsonl").status == 0
    first, blank, _ = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["source"] == "The dog sees the house."
    assert blank == {"source": "", "hypotheses": [{"text": "", "score": 0.0}]}
    assert len(first["hypotheses"]) == 2
    for hypothesis in first["hypotheses"]:
        assert set(hypothesis) - {"warnings"} == {"text", "score", "pieces", "token_log_probs", "alignment", "quality"}
        assert len(hypothesis["token_log_probs"]) - len(hypothesis["pieces"]) in (0, 1)
        assert all(source_word < 5 for source_word, _ in hypothesis["alignment"])
    with_attention = json.loads(run(*command, "--attention", "tree").output)
    weights = with_attention["hypotheses"][0]["attention"]
    assert {len(row) for row in weights} == {len(with_attention["source_pieces"])}
    assert sum(weights[0]) == pytest.approx(1, abs=1e-2)


def test_translate_searches_as_it_is_told(run: Run, tiny_bundle: Path) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    prefixed = run(*translate, "--target-prefix", "Das Haus", "a small house").output
    assert prefixed.startswith("Das Haus")
    pieces = json.loads(run(*translate, "--json", "a small house").output)["hypotheses"][0]["pieces"]
    without = json.loads(run(*translate, "--json", "--suppress", pieces[0], "a small house").output)
    assert pieces[0] not in without["hypotheses"][0]["pieces"]
    draws = [run(*translate, "--sampling-temperature", "1", "--seed", seed, "a small house").output for seed in "112"]
    assert draws[0] == draws[1] != draws[2]
    assert_refused(run(*translate, "--beam-size", "0", "text"), "beam_size is 0")
    assert_refused(run(*translate, "--n-best", "5", "text"), "n_best is 5")


def test_translate_with_an_ensemble(run: Run, tiny_bundle: Path) -> None:
    one = run("translate", "--model", tiny_bundle, "--to", "de", "--precision", "float32", "a small house")
    twice = ["translate", "--model", tiny_bundle, "--model", tiny_bundle, "--to", "de", "--precision", "float32"]
    assert run(*twice, "a small house").output == one.output
    assert_refused(run(*twice, "--server", "127.0.0.1:1", "text"), "do not go with --server")


def test_translate_refuses_what_it_cannot_do(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    assert_refused(run(*translate, "text", "--input", tmp_path / "in.en"), "give either TEXT")
    assert_refused(run(*translate, "Gr\udcfcn"), "TEXT 1: is not UTF-8")
    assert_refused(run(*translate, "--input", tmp_path / "none", "--output", tmp_path / "out"), "none", "no such file")
    assert_refused(run("translate", "--model", tiny_bundle, "--to", "xx", "text"), 'does not translate to "xx"')
    assert_refused(run("translate", "--model", tmp_path / "nowhere", "--to", "de", "text"), "there is no bundle")
    assert_refused(run(*translate, "--no-split", LONG), "pieces")
    assert run(*translate, LONG).status == 0  # in parts it fits
    assert_refused(run(*translate, "--alignment", "text"), "--alignment and --attention need --json")
    files = ["--input", tmp_path / "in.en", "--output", tmp_path / "out"]
    assert_refused(run(*translate, "--n-best", "2", *files), "--n-best into a file needs --json")
    (tmp_path / "in.en").write_bytes(b"gut\nschlecht \xff\n")
    bad = run(*translate, "--input", tmp_path / "in.en", "--output", tmp_path / "out")
    assert_refused(bad, "in.en, line 2", "UTF-8")


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors", "vocabulary.model"])
def test_a_damaged_bundle_is_named_by_its_file(run: Run, tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    damaged = bundle / name
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert_refused(run("translate", "--model", bundle, "--to", "de", "text"), str(damaged))
    damaged.unlink()
    assert_refused(run("translate", "--model", bundle, "--to", "de", "text"), str(damaged), "lacks")


def test_a_bundle_of_another_shape_is_refused(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    config = json.loads((bundle / "config.json").read_text())
    config["architecture"]["d_ff"] += 2
    (bundle / "config.json").write_text(json.dumps(config))
    assert_refused(run("translate", "--model", bundle, "--to", "de", "text"), "weights.safetensors", "has the shape")


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Makes bytes come from standard input, a pipe."""
    stack = ExitStack()

    def fill(content: bytes) -> None:
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(content)
        monkeypatch.setattr(sys, "stdin", stack.enter_context(os.fdopen(reading)))

    with stack:
        yield fill


def test_translate_is_a_filter(
    run: Run, tiny_bundle: Path, standard_input: Callable[[bytes], None], tmp_path: Path
) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    texts = ["a small house", "", "two old cars", "a tree"]
    expected = run(*translate, *texts).output
    content = b"\xef\xbb\xbf" + "\r\n".join(texts).encode()
    for arguments in ([], ["--input", "-"], ["--output", "-"], ["--output", "/dev/stdout"]):
        standard_input(content)
        outcome = run(*translate, *arguments)
        assert (outcome.status, outcome.output, outcome.errors) == (0, expected, "")
    standard_input(content)
    output = tmp_path / "out.de"
    assert run(*translate, "--output", output).status == 0
    assert output.read_text("utf-8") == expected
    standard_input(content)
    rows = [line.split("\t") for line in run(*translate, "--n-best", "2").output.splitlines()]
    assert [row[0] for row in rows] == ["1", "1", "2", "3", "3", "4", "4"]
    standard_input(b"fine\nschlecht \xff\nfine\n")
    outcome = run(*translate)
    assert_refused(outcome, "standard input, line 2: invalid UTF-8")
    assert len(outcome.output.splitlines()) == 1  # what came before


def test_translate_writes_through_a_device_and_packs_what_is_called_so(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    source = write_lines(tmp_path / "in.en", "a small house", "a tree")
    expected = run(*translate, "--input", source).output
    assert run(*translate, "--input", source, "--output", "/dev/null").status == 0
    assert Path("/dev/null").is_char_device()
    for texts in (["--input", source], ["a small house", "a tree"]):
        packed = tmp_path / "out.de.GZ"
        assert run(*translate, *texts, "--output", packed, "--overwrite").status == 0
        assert gzip.decompress(packed.read_bytes()).decode() == expected
        assert_refused(run(*translate, *texts, "--output", packed), "exists already")
    packed.rename(tmp_path / "again.gz")
    assert run(*translate, "--input", tmp_path / "again.gz").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.gz", "in.en"]
    link = tmp_path / "link"
    link.symlink_to("there")
    assert run(*translate, "--input", source, "--output", link).status == 0
    assert link.is_symlink()
    assert (tmp_path / "there").read_text("utf-8") == expected


def test_translate_reads_a_named_pipe(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    pipe, output = tmp_path / "pipe", tmp_path / "out.de"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(pipe.write_bytes, b"a small house\na tree\n")
        assert run(*translate, "--input", pipe, "--output", output).status == 0
        written.result()
    assert output.read_text("utf-8") == run(*translate, "a small house", "a tree").output


@pytest.mark.parametrize("languages", [["--to", "German"], ["--to", "DE"], ["--to", "de-AT", "--from", "ENGLISH"]])
def test_translate_takes_names_and_tags_of_languages(run: Run, tiny_bundle: Path, languages: list[str]) -> None:
    expected = run("translate", "--model", tiny_bundle, "--to", "de", "a small house").output
    assert run("translate", "--model", tiny_bundle, *languages, "a small house").output == expected
    assert_refused(run("translate", "--model", tiny_bundle, "--to", "Klingon", "a"), 'does not translate to "Klingon"')


def test_translate_finds_the_target_language(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    translate = ["translate", "--model", tiny_bundle]
    texts = ["what is the weather", "where are you"]
    expected = run(*translate, "--to", "de", *texts).output
    assert run(*translate, *texts).output == expected
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    write_lines(source, *texts)
    assert run(*translate, "--input", source, "--output", output).status == 0
    assert output.read_text("utf-8") == expected


def test_translate_says_on_request_what_may_be_wrong(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de", "--max-target-length", "2"]
    quiet, loud = run(*translate, "a small house"), run(*translate, "--warnings", "a small house")
    assert (quiet.status, quiet.errors) == (0, "")
    assert (loud.status, loud.output) == (0, quiet.output)
    text = quiet.output.strip()
    assert f'warning: cut off: "a small house" -> "{text}"' in loud.errors.splitlines()
    (hypothesis,) = json.loads(run(*translate, "--json", "a small house").output)["hypotheses"]
    assert 0 < hypothesis["quality"] < 1
    assert {"kind": "cut_off", "source": [0, 13], "target": [0, len(text)]} in hypothesis["warnings"]
    source = write_lines(tmp_path / "in.en", "a small house", "a tree")
    job = run(*translate, "--warnings", "--input", source, "--output", tmp_path / "out.de")
    assert job.status == 0
    assert job.errors.count("warning: cut off:") == 2
