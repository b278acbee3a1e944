"""`dragoman train`."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.bundle import read_config
from dragoman.training.grammar import write_corpus
from tests.commands.running import Run, assert_refused, write_lines


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


def test_a_run_says_something_before_torch_is_there_and_a_wrong_key_needs_none(tiny_config: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from dragoman.command_line import main; main()"

    def train(*options: str) -> list[str]:
        command = [sys.executable, "-c", code, "train", str(tiny_config), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()

    *_, word, complaint = train()
    assert word == "loading PyTorch"
    assert complaint.startswith("dragoman: dragoman train needs the package torch")
    errors = train("--set", "optimization.max_update=3")
    assert "optimization.max_update" in errors[-1]
    assert word not in errors


def test_a_second_signal_says_how_to_go_on(
    run: Run, tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("dragoman.training.learning.updater.Updater.step", interrupt)
        outcome = run("train", tiny_config)
    *_, advice, last = outcome.errors.splitlines()
    assert (outcome.status, last) == (130, "dragoman: interrupted")
    assert advice.endswith(f"go on from the newest checkpoint: dragoman train --resume {tmp_path}/run")
    assert run("train", "--resume", tmp_path / "run").status == 0


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


def test_a_run_goes_on_from_its_folder_alone(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    assert run("train", tiny_config, "--set", "architecture.dropout=0.3").status == 0
    tiny_config.unlink()
    assert_refused(run("train", tmp_path / "run"), "is a folder", "dragoman train --resume")
    outcome = run("train", "--resume", tmp_path / "run", "--set", "optimization.max_updates=3")
    assert outcome.status == 0, outcome
    assert "goes on after update 2 of 3" in outcome.errors
    assert_refused(run("train", "--resume", tmp_path), "config.json: no such file: there is no run to resume")


def test_the_last_screen_has_what_was_kept_and_the_next_commands(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    output = run("train", tiny_config).output
    best = tmp_path / "run" / "best"
    assert "Kept: update 2, dev BLEU " in output
    files = "--source TEST.en --reference TEST.de  # with a test set of your own"
    assert f"dragoman evaluate {best} --from en --to de {files}" in output
    assert f"dragoman serve {best}" in output


def test_a_dev_set_from_the_training_set_is_warned_of(run: Run, tiny_config: Path) -> None:
    assert "warning: 3 of the dev set's 3 pairs are in " in run("train", tiny_config).errors


TUNED = """
[initialization]
bundle = "{folder}/run/best"
[data]
directions = ["en-de"]
max_length = 20
[[data.train]]
en = "{folder}/corpus/train.en"
de = "{folder}/corpus/train.de"
[[data.train]]
name = "news"
en = "{folder}/train.en"
de = "{folder}/train.de"
[data.dev.general]
en = "{folder}/corpus/dev.en"
de = "{folder}/corpus/dev.de"
[data.dev.news]
en = "{folder}/train.en"
de = "{folder}/train.de"
weight = 3
[optimization]
max_updates = 2
log_every = 1
"""


def test_several_dev_sets_and_corpora_each_have_their_scores(run: Run, tiny_config: Path, tmp_path: Path) -> None:
    """From the configuration to the screen, the log, the bundle and the report; the model of update 0 counts, too."""
    write_corpus(tmp_path / "corpus", num_train=200, num_held_out=10, seed=1)
    files = [f"data.train.0.{code}={tmp_path}/corpus/train.{code}" for code in ("en", "de")]
    sets = [argument for file in files for argument in ("--set", file)]
    assert run("train", tiny_config, *sets, "--set", "vocabulary.size=400").status == 0
    tuned = tmp_path / "tuned.toml"
    tuned.write_text(TUNED.format(folder=tmp_path), encoding="utf-8")
    folder = tmp_path / "tuned"
    outcome = run("train", tuned, "--set", f"run_folder={folder}")
    assert outcome.status == 0, outcome

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    validations = [line for line in lines if line["kind"] == "validation"]
    assert [line["update"] for line in validations] == [0, 2]
    for line in validations:
        assert line["bleu"] == (line["bleu general en→de"] + 3 * line["bleu news en→de"]) / 4
        assert line["loss general en→de"] > 0 < line["loss news en→de"]
    own = [name for name in lines[-2] if name.startswith("negative_log_likelihood ")]
    assert own == ["negative_log_likelihood train.en", "negative_log_likelihood news"]
    assert re.search(r"update 0: dev BLEU general en→de \d+\.\d  news en→de \d+\.\d, all \d+\.\d; loss", outcome.errors)
    assert re.search(r"loss \d\.\d+ \(unsmoothed: train\.en \d\.\d+, news \d\.\d+\)", outcome.errors)
    kept = json.loads((folder / "best" / "config.json").read_bytes())["provenance"]
    assert set(kept["dev_scores"]) == {
        f"{score} {name} en→de" for score in ("bleu", "loss") for name in ("general", "news")
    }
    assert run("report", folder).status == 0
    page = (folder / "report.html").read_text("utf-8")
    assert "<h3>news en→de</h3>" in page
    assert "Loss of each corpus, without smoothing" in page
    assert "dev BLEU news en→de" in run("compare", folder).output.replace("\n", " ")


DEV = {
    "en": [
        "My name is Priya and I live in Mumbai.",
        "GOOD MORNING!",
        "It costs $1,234.50 on https://example.org.",
        "I like dogs, but my sister likes cats, and my brother likes birds, because he has a garden with many trees.",
        "Tom is sleeping.",
        "Where is the station?",
    ],
    "de": [
        "Mein Name ist Priya und ich wohne in Mumbai.",
        "GUTEN MORGEN!",
        "Es kostet $1,234.50 auf https://example.org.",
        "Ich mag Hunde, aber meine Schwester mag Katzen, und mein Bruder mag Vögel, denn er hat einen Garten.",
        "Tom schläft.",
        "Wo ist der Bahnhof?",
    ],
}


def test_bleu_of_a_validation_is_that_of_evaluate_to_the_digit(run: Run, tmp_path: Path) -> None:
    for language, lines in DEV.items():
        (tmp_path / f"dev.{language}").write_text("\n".join(lines) + "\n", "utf-8")
    files = ", ".join(f'{language} = "{tmp_path}/dev.{language}"' for language in DEV)
    config = tmp_path / "fine.toml"
    config.write_text(
        f"""
        run_folder = "{tmp_path}/run"
        initialization.bundle = "en-de"
        averaging.checkpoints = 1
        bundle.storage = "int8"
        [data]
        directions = ["en-de"]
        max_length = 60
        train = [{{ {files} }}]
        dev = {{ {files} }}
        [optimization]
        max_updates = 1
        learning_rate = 1e-6
        [validation]
        beam_size = 3
        length_penalty = 0.8
        """,
        "utf-8",
    )
    outcome = run("train", config)
    assert outcome.status == 0, outcome
    best = tmp_path / "run/best"
    arguments: list[Any] = ["--from", "en", "--to", "de", "--beam-size", 3, "--length-penalty", 0.8]
    arguments += ["--source", tmp_path / "dev.en", "--reference", tmp_path / "dev.de", "--json"]
    measured = json.loads(run("evaluate", best, *arguments).output)["bleu"]["score"]
    provenance = read_config(best).provenance
    assert measured == provenance["dev_bleu"]
    assert measured > 20
    logged = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    validations = {line["update"]: line["bleu"] for line in logged if line["kind"] == "validation"}
    assert validations[provenance["updates"]] == measured
