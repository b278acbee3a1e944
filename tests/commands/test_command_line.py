"""The command line as its users meet it: through `main`, and as a process of its own."""

import gzip
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import dragoman
from dragoman.command_line import main
from dragoman.model.decoding.decoders.native.decoder import is_available

TINY_RUN = """
[data]
directions = ["en-de"]
max_length = 20
[[data.train]]
en = "{folder}/train.en"
de = "{folder}/train.de"
[data.dev]
en = "{folder}/train.en"
de = "{folder}/train.de"
[vocabulary]
size = 300
[architecture]
d_model = 8
d_ff = 8
num_heads = 2
num_encoder_layers = 1
num_decoder_layers = 1
max_source_length = 40
max_target_length = 40
[optimization]
max_updates = 2
"""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    output: str
    errors: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process, which spares importing torch anew."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run_command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dragoman", *map(str, arguments)])
        capsys.readouterr()
        status: int | str | None = 0
        try:
            main()
        except SystemExit as exit_:
            status = exit_.code
        captured = capsys.readouterr()
        return Outcome(int(status or 0), captured.out, captured.err)

    yield run_command
    for number, handler in handlers.items():  # `serve` takes them
        signal.signal(number, handler)


def assert_refused(outcome: Outcome, *parts: str) -> None:
    """Exit code 2 and, after what a training says of its phases, one line on standard error that holds all parts."""
    assert outcome.status == 2, outcome
    *phases, error = outcome.errors.splitlines()
    assert error.startswith("dragoman: ")
    assert all(phase.endswith(" the corpus") or phase.endswith(" the vocabulary") for phase in phases), phases
    for part in parts:
        assert part in error


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    write_lines(tmp_path / "train.en", *["one small house", "a big tree", "two old cars"] * 20)
    write_lines(tmp_path / "train.de", *["ein kleines Haus", "ein großer Baum", "zwei alte Autos"] * 20)
    config = tmp_path / "tiny.toml"
    config.write_text(f'run_folder = "{tmp_path / "run"}"\n' + TINY_RUN.format(folder=tmp_path), encoding="utf-8")
    return config


# --- train ---


def test_train_gives_a_bundle_that_translates(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    outcome = run("train", tiny_config, "--set", "optimization.log_every=1")
    assert outcome.status == 0
    best = tmp_path / "run" / "best"
    assert str(best) in outcome.output
    assert {path.name for path in best.iterdir()} == {
        "README.md",
        "config.json",
        "vocabulary.model",
        "weights.safetensors",
    }
    assert run("translate", "--model", best, "--to", "de", "a house").output.strip()


def test_train_refuses_sides_of_different_length(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / "train.de", "nur ein Satz")
    assert_refused(run("train", tiny_config), "train.de has 1 lines", "train.en has 60")


def test_train_refuses_invalid_utf8_by_file_and_line(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    (tmp_path / "train.de").write_bytes(b"gut\n" * 3 + b"schlecht \xff\n" + b"gut\n" * 56)
    assert_refused(run("train", tiny_config), "train.de, line 4: invalid UTF-8")


def test_train_refuses_an_empty_corpus(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    for content in ("", "\n   \n"):
        for side in ("train.en", "train.de"):
            (tmp_path / side).write_text(content)
        assert_refused(run("train", tiny_config), "train.", "empty")


def test_train_counts_the_blank_and_the_too_long(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / "train.en", *["one small house", "  ", "long " * 100] * 20)
    outcome = run("train", tiny_config)
    assert outcome.status == 0
    assert "left out: 20 with a blank side, 20 too long" in outcome.errors


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("optimization.learning_rat=1", "optimization.learning_rat: unknown key"),
        ("architecture.d_model=many", "architecture.d_model: Input should be a valid integer"),
        ("data.max_length=39", "data.max_length 39 does not fit"),
        ("data.directions=['en-fr']", "no corpus in train has both languages of en→fr"),
        ("seed", "--set seed: write it like"),
    ],
)
def test_train_names_the_key_at_fault(run: Run, tiny_config: Path, override: str, complaint: str) -> None:
    assert_refused(run("train", tiny_config, "--set", override), complaint)


def test_train_names_what_is_missing(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    assert_refused(run("train", tmp_path / "none.toml"), "none.toml: no such file")
    (tmp_path / "train.en").unlink()
    assert_refused(run("train", tiny_config), "train.en: no such file")
    nowhere = f"run_folder={tmp_path / 'nowhere'}"
    assert_refused(run("train", tiny_config, "--resume", "--set", nowhere), "there is no run to resume")


def test_train_does_not_write_over_a_run(run: Run, tiny_config: Path) -> None:
    assert run("train", tiny_config).status == 0
    assert_refused(run("train", tiny_config), "holds a run already", "--resume")
    assert run("train", tiny_config, "--resume", "--set", "optimization.max_updates=3").status == 0


# --- evaluate ---


@pytest.fixture
def evaluation_files(tmp_path: Path) -> tuple[Path, Path]:
    source = write_lines(tmp_path / "test.en", "one small house", "", "a big tree")
    reference = write_lines(tmp_path / "test.de", "ein kleines Haus", "", "ein großer Baum")
    return source, reference


def test_evaluate_scores_a_bundle_and_keeps_its_translations(
    run: Run, tiny_bundle: Path, evaluation_files: tuple[Path, Path], tmp_path: Path
) -> None:
    source, reference = evaluation_files
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    output = tmp_path / "out.de"
    command = ["evaluate", bundle, "--from", "en", "--to", "de", "--source", source, "--reference", reference]
    outcome = run(*command, "--json", "--output", output, "--record", "tiny-test")
    report = json.loads(outcome.output)
    assert report["num_sentences"] == 3
    for metric in ("bleu", "chrf", "ter"):
        assert report[metric]["signature"].startswith("nrefs:1|")
    assert len(output.read_text().splitlines()) == 3

    again = json.loads(run("evaluate", "--hypothesis", output, "--reference", reference, "--json").output)
    assert again == report
    assert f"| en→de | tiny-test | BLEU | {report['bleu']['score']:.2f} |" in (bundle / "README.md").read_text()

    assert_refused(run(*command, "--output", output), "out.de: exists already")
    compared = run(*command, "--baseline", reference, "--json")
    assert json.loads(compared.output)["chrf"]["baseline_score"] == pytest.approx(100)
    compared = run(*command, "--baseline-bundle", tiny_bundle)
    assert "BLEU" in compared.output


def test_evaluate_refuses_what_does_not_fit(
    run: Run, tiny_bundle: Path, evaluation_files: tuple[Path, Path], tmp_path: Path
) -> None:
    source, reference = evaluation_files
    short = write_lines(tmp_path / "short.de", "ein Satz")
    assert_refused(run("evaluate", "--hypothesis", short, "--reference", reference), "short.de has 1 lines", "has 3")
    assert_refused(run("evaluate", "--reference", reference), "give either a BUNDLE")
    bundle = ["evaluate", tiny_bundle, "--source", source, "--reference", reference]
    assert_refused(run(*bundle, "--to", "fr"), "does not translate to fr", "en→de, de→en")
    assert_refused(run(*bundle), "--to LANGUAGE")
    assert_refused(run("evaluate", "none", *bundle[2:], "--to", "de"), 'there is no bundle "none"')
    write_lines(source, "fine", "long " * 300, "fine")
    assert_refused(run(*bundle, "--to", "de", "--no-split"), "test.en, line 2: the text has", "pieces")
    assert run(*bundle, "--to", "de").status == 0  # in parts it fits
    assert_refused(run(*bundle, "--to", "de", "--coverage-penalty", "11"), "coverage_penalty is 11.0")
    assert_refused(run("evaluate", tiny_bundle, *bundle[1:], "--to", "de", "--record", "x"), "give one BUNDLE")
    kept = ["--to", "de", "--record", "x", "--coverage-penalty", "1"]
    assert_refused(run(*bundle, *kept), "--record keeps beam size and length penalty alone")
    for option in ("--shortlist", "--no-split"):
        assert_refused(
            run(*bundle, "--to", "de", "--record", "x", option), "--record keeps", "--shortlist", "--no-split"
        )


# --- shortlist ---


def test_shortlist_goes_into_the_bundle_and_says_what_it_covers(
    run: Run, tiny_bundle: Path, tiny_config: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    corpus = ["--source", tiny_config.parent / "train.en", "--target", tiny_config.parent / "train.de"]
    command = ["shortlist", bundle, "--from", "en", "--to", "de", *corpus]
    outcome = run(*command, "--frequent", 64, "--best", 20, "--vmap", tmp_path / "vmap.txt")
    assert outcome.status == 0, outcome
    assert outcome.output.startswith("en→de: ")
    assert "of 400 pieces for a sentence; they cover 100.0% of the pieces of 6 held-out translations" in outcome.output
    assert (bundle / "shortlist.safetensors").exists()
    assert (tmp_path / "vmap.txt").exists()
    assert run(*command, "--frequent", 63).status == 2  # a beam of 32 wants 64 extensions
    assert_refused(run(*command[:-1], tmp_path / "none.de"), "none.de: no such file")


# --- translate ---


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
    write_lines(source, *lines[:30], "long " * 300, *lines[31:])
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
        assert set(hypothesis) == {"text", "score", "pieces", "token_log_probs", "alignment"}
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


def test_serve_checks_its_configuration(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    config = write_lines(tmp_path / "server.toml", "[server]", "max_slots = 8", "[[models]]", 'bundle = "tiny"')
    shutil.copytree(tiny_bundle, tmp_path / "tiny")
    checked = run("serve", "--check", "--config", config, "--listen", "127.0.0.1:0")
    assert (checked.status, checked.errors) == (0, "")
    assert checked.output.splitlines() == [
        "listens on 127.0.0.1:0, without TLS, to everybody",
        "offers translation, health, reflection",
        f"serves tiny: en→de, de→en, 0.0 M parameters, from {tmp_path / 'tiny'}",
    ]
    assert run("serve", "--check", tiny_bundle, "--set", "server.drain_seconds=1", "--replicas", 2).status == 0
    assert "serves en-de: " in run("serve", "--check").output
    for mistake, reason in (
        (["--set", "server.port=1"], f"{config} and the options: server.port: unknown key"),
        (["--listen", "here"], f'{config} and the options: server.listen: cannot listen on "here"'),
        (["--replicas", "-1"], f"{config} and the options: server.replicas: Input should be greater"),
        ([tmp_path / "nowhere"], f'there is no bundle "{tmp_path / "nowhere"}"'),
    ):
        assert_refused(run("serve", "--config", config, *mistake, "--check"), reason)
    assert_refused(run("serve", "--config", tmp_path / "none.toml"), "none.toml: no such file")


def test_a_shortlist_is_used_where_it_is_wanted(
    run: Run, tiny_bundle: Path, tiny_sentences: list[str], tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "in.en", *tiny_sentences[::2])
    target = write_lines(tmp_path / "in.de", *tiny_sentences[1::2])
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    translate = ["translate", "--model", bundle, "--to", "de", "--precision", "float32", *tiny_sentences[:10:2]]
    evaluate = ["evaluate", bundle, "--reference", target, "--source", source, "--to", "de"]
    for command in (translate, evaluate, ["serve", bundle]):
        assert_refused(run(*command, "--shortlist"), "shortlist.safetensors: the bundle has no shortlist")
    assert run("shortlist", bundle, "--from", "en", "--to", "de", "--source", source, "--target", target).status == 0
    assert run(*translate, "--shortlist").output != run(*translate).output  # for the network is made of chance
    assert run(*evaluate, "--shortlist").status == 0


def test_translate_refuses_what_it_cannot_do(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    assert_refused(run(*translate), "give either TEXT")
    assert_refused(run(*translate, "--input", tmp_path / "in.en"), "--output FILE go together")
    assert_refused(run(*translate, "--input", tmp_path / "none", "--output", tmp_path / "out"), "none", "no such file")
    assert_refused(run("translate", "--model", tiny_bundle, "--to", "xx", "text"), "does not translate to xx")
    assert_refused(run("translate", "--model", tmp_path / "nowhere", "--to", "de", "text"), "there is no bundle")
    assert_refused(run(*translate, "--no-split", "long " * 300), "pieces")
    assert run(*translate, "long " * 300).status == 0  # in parts it fits
    assert_refused(run(*translate, "--alignment", "text"), "parts of --json")
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


# --- score ---


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
    assert_refused(run(*command, "--attention"), "--attention is a part of --json")
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


# --- serve ---


@contextmanager
def serving(bundle: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server in a process of its own, and its address."""
    options = ["--listen", "127.0.0.1:0", "--set", "log.level=warning"]
    command = [sys.executable, "-m", "dragoman", "serve", str(bundle), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.kill()


def test_serve_answers_as_the_local_translator_and_stops_cleanly(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    texts = ["a small house", "", "two old cars"]
    local = run("translate", "--model", tiny_bundle, "--to", "de", *texts)
    source = write_lines(tmp_path / "in.en", *texts)
    with serving(tiny_bundle) as (address, process):
        remote = run("translate", "--server", address, "--to", "de", *texts)
        assert remote.output == local.output
        details = ["--json", "--n-best", "2", "--alignment", "--attention", "--sampling-temperature", "0.7", *texts]
        remote = run("translate", "--server", address, "--to", "de", *details)
        assert remote.output == run("translate", "--model", tiny_bundle, "--to", "de", *details).output
        job = run("translate", "--server", address, "--to", "de", "--input", source, "--output", tmp_path / "out.de")
        assert job.status == 0, job
        assert (tmp_path / "out.de").read_text() == local.output
        assert_refused(run("translate", "--server", address, "--to", "xx", "text"), "xx")
        assert_refused(run("translate", "--server", address, "--to", "de", "--model", "none", "text"), "none")
        assert_refused(run("translate", "--server", address, "--to", "de", "--no-split", "long " * 300), "pieces")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        errors = process.stderr.read()
        if is_available():
            assert errors == ""
        else:  # the warning that torch translates alone
            assert errors.count("\n") == 1


def test_serve_says_why_it_cannot_listen(run: Run, tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert_refused(run("serve", tiny_bundle, "--listen", address), address)
    assert_refused(run("serve", tiny_bundle, "--listen", "nonsense"), "HOST:PORT")
    assert_refused(run("serve", "none"), 'there is no bundle "none"')
    assert run("serve", tiny_bundle, "--max-slots", "0").status == 2


def test_a_server_that_is_not_there_is_a_clear_error(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        assert_refused(run("translate", "--server", address, "--to", "de", "text"), address)


# --- the face ---


def test_models_lists_what_is_shipped(run: Run) -> None:
    outcome = run("models")
    assert outcome.status == 0
    for bundle in sorted(Path("model/bundles").glob("*/config.json")):
        assert bundle.parent.name in outcome.output


def test_public_names_exist_and_unknown_ones_do_not() -> None:
    for name in dragoman.__all__:
        assert getattr(dragoman, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Translater'"):
        _ = dragoman.Translater


def test_wrong_usage_exits_with_2(run: Run) -> None:
    for arguments in (["nonsense"], ["train"], ["translate", "--to"]):
        assert run(*arguments).status == 2
