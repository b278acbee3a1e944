"""The command line as its users meet it: through `dragoman.main`, and as a process of its own."""

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
            dragoman.main()
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
    assert_refused(run("train", tiny_config, "--resume"), "there is no run to resume")


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
    assert_refused(run(*bundle, "--to", "de"), "test.en, line 2: the text has", "pieces")


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
    command = ["translate", "--model", tiny_bundle, "--to", "de", "--input", source, "--output", output]
    write_lines(source, *lines[:30], "long " * 300, *lines[31:])
    assert_refused(run(*command), "in.en, line 31: the text has")
    assert not output.exists()
    write_lines(source, *lines)
    outcome = run(*command)
    assert outcome.status == 0, outcome
    assert "50 lines translated, 30 of them before" in outcome.errors
    expected = run("translate", "--model", tiny_bundle, "--to", "de", *lines).output
    assert output.read_text() == expected

    assert_refused(run(*command), "out.de", "exists")
    assert output.read_text() == expected
    assert run(*command, "--overwrite").status == 0

    packed = tmp_path / "in.en.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    other = tmp_path / "other.de"
    assert run(*command[:-3], packed, "--output", other).status == 0
    assert other.read_text() == expected


def test_translate_refuses_what_it_cannot_do(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    translate = ["translate", "--model", tiny_bundle, "--to", "de"]
    assert_refused(run(*translate), "give either TEXT")
    assert_refused(run(*translate, "--input", tmp_path / "in.en"), "--output FILE go together")
    assert_refused(run(*translate, "--input", tmp_path / "none", "--output", tmp_path / "out"), "none", "no such file")
    assert_refused(run("translate", "--model", tiny_bundle, "--to", "xx", "text"), "does not translate to xx")
    assert_refused(run("translate", "--model", tmp_path / "nowhere", "--to", "de", "text"), "there is no bundle")
    assert_refused(run(*translate, "long " * 300), "pieces")
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


# --- serve ---


@contextmanager
def serving(bundle: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-m", "dragoman", "serve", str(bundle), "--listen", "127.0.0.1:0"]
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
        job = run("translate", "--server", address, "--to", "de", "--input", source, "--output", tmp_path / "out.de")
        assert job.status == 0, job
        assert (tmp_path / "out.de").read_text() == local.output
        assert_refused(run("translate", "--server", address, "--to", "xx", "text"), "xx")
        assert_refused(run("translate", "--server", address, "--to", "de", "--model", "none", "text"), "none")
        assert_refused(run("translate", "--server", address, "--to", "de", "long " * 300), "pieces")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_serve_says_why_it_cannot_listen(run: Run, tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert_refused(run("serve", tiny_bundle, "--listen", address), address)
    assert_refused(run("serve", tiny_bundle, "--listen", "nonsense"), "HOST:PORT")
    assert_refused(run("serve", "none"), 'there is no bundle "none"')


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
