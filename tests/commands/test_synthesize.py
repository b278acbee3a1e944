"""`dragoman synthesize` as its users meet it."""

import gzip
import json
import shutil
import tomllib
from pathlib import Path

import pytest

from dragoman.training.evaluation.metrics import SentenceBleu
from tests.commands.running import LONG, Run, assert_refused, write_lines

GERMAN = [
    "Guten Morgen.",
    "Wo ist der Bahnhof?",
    "Ich habe keine Zeit.",
    "",
    "Tom.",
    "Wo wohnst du?",
    "Das Haus ist groß. Der Baum ist klein.",
]


@pytest.fixture
def german(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "mono.de", *GERMAN)


def lines_of(path: Path) -> list[str]:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()


def test_back_translation_with_the_shipped_bundle(run: Run, german: Path, tmp_path: Path) -> None:
    packed = tmp_path / "mono.de.gz"
    packed.write_bytes(gzip.compress(german.read_bytes()))
    folder = tmp_path / "made" / "back"
    command = ["synthesize", "--model", "en-de", "--from", "de", "--to", "en", "--input", packed]
    outcome = run(*command, "--output-folder", folder)
    assert outcome.status == 0, outcome
    (entry,) = tomllib.loads(outcome.output)["data"]["train"]
    assert entry == {"de": f"{folder}/synthetic.de.gz", "en": f"{folder}/synthetic.en.gz"}
    translate = ["translate", "--model", "en-de", "--from", "de", "--to", "en"]
    translations = run(*translate, *GERMAN).output.splitlines()
    both = zip(GERMAN, translations, strict=True)
    pairs = [(text, translation) for text, translation in both if text.casefold() != translation.casefold()]
    assert list(zip(lines_of(Path(entry["de"])), lines_of(Path(entry["en"])), strict=True)) == pairs
    num_copies = len(GERMAN) - 1 - len(pairs)
    copied = f", {num_copies} copied from the input" if num_copies else ""
    assert outcome.errors == (
        f"{len(pairs)} pairs from {len(GERMAN)} lines\n"
        f"translations left out: 1 blank{copied}\n"
        f"lines without a pair: {num_copies + 1}\n"
        "to train on them, add to the configuration:\n"
    )
    assert json.loads((folder / "synthesis.json").read_text())["translation"]["direction"] == "de→en"
    assert sorted(path.name for path in folder.iterdir()) == ["synthesis.json", "synthetic.de.gz", "synthetic.en.gz"]
    assert_refused(run(*command, "--output-folder", folder), "exists already", "--overwrite")
    with_copies = run(*command, "--output-folder", folder, "--overwrite", "--allow-copies").errors
    assert with_copies.startswith(f"{len(GERMAN) - 1} pairs")


def test_several_sampled_sources_of_each_line(run: Run, german: Path, tmp_path: Path) -> None:
    def made(name: str, seed: int) -> tuple[list[str], list[str]]:
        command = ["synthesize", "--model", "en-de", "--to", "en", "--input", german, "--seed", seed]
        sampling = ["--sampling-temperature", "2", "--sampling-top-k", "10", "--n-best", "5", "--keep", "all"]
        assert run(*command, *sampling, "--output-folder", tmp_path / name).status == 0
        return lines_of(tmp_path / name / "synthetic.de"), lines_of(tmp_path / name / "synthetic.en")

    sources, targets = made("first", 1)
    assert len(sources) == len(targets) > len(set(sources))  # at this temperature draws differ, whatever the model
    assert sources == sorted(sources, key=GERMAN.index)  # in order, each with its counterpart
    assert len(set(zip(sources, targets, strict=True))) == len(targets)
    assert made("again", 1) == (sources, targets)
    assert made("other", 2) != (sources, targets)


def test_distillation_from_an_ensemble_nearest_to_the_reference(run: Run, german: Path, tmp_path: Path) -> None:
    reference = ["Good morning.", "Where's the station?", "I've got no time.", "", "Tom.", "Where are you living?", "x"]
    human = write_lines(tmp_path / "human.en", *reference)
    teacher = shutil.copytree(Path("model/bundles/en-de"), tmp_path / "teacher")
    common = ["--model", "en-de", "--model", teacher, "--to", "en", "--beam-size", "4", "--n-best", "4"]
    outputs = ["--output-source", tmp_path / "student.de", "--output-target", tmp_path / "student.en"]
    nearest = ["--keep", "nearest", "--reference", human, "--allow-copies"]
    outcome = run("synthesize", *common, "--input", german, *outputs, *nearest)
    assert outcome.status == 0, outcome
    made = dict(zip(lines_of(tmp_path / "student.de"), lines_of(tmp_path / "student.en"), strict=True))
    sentence_bleu = SentenceBleu()
    rows = [line.split("\t") for line in run("translate", *common, *GERMAN).output.splitlines()]
    for number, (source, wanted) in enumerate(zip(GERMAN, reference, strict=True), start=1):
        candidates = [text for row, _, text in rows if row == str(number)]
        if source:
            assert made.pop(source) == max(candidates, key=lambda text: sentence_bleu.score(text, wanted))
    assert not made
    provenance = json.loads((tmp_path / "student.en.json").read_text())
    assert [bundle["name"] for bundle in provenance["bundles"]] == ["en-de", "en-de"]
    assert provenance["keep"] == "nearest"
    assert provenance["reference"]["name"] == "human.en"


def test_goes_on_after_its_input_is_mended(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    lines = [f"sentence {number}" for number in range(50)]
    source = write_lines(tmp_path / "in.en", *lines[:30], LONG, *lines[31:])
    command = ["synthesize", "--model", tiny_bundle, "--to", "de", "--no-split", "--input", source, "--output-folder"]
    assert_refused(run(*command, tmp_path / "made"), "in.en, line 31: the text has")
    write_lines(source, *lines)
    assert_refused(run(*command, tmp_path / "made", "--beam-size", "2"), "was begun with beam_size = 4, now it is 2")
    assert run(*command, tmp_path / "made").status == 0
    assert run(*command, tmp_path / "at-once").status == 0
    for name in ("synthetic.en", "synthetic.de", "synthesis.json"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "at-once" / name).read_bytes()


def test_filters_are_told_of(run: Run, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.en", "Good morning.", "Where do you live?")
    command = ["synthesize", "--model", "en-de", "--to", "de", "--input", source, "--output-folder", tmp_path / "made"]
    outcome = run(*command, "--min-score", "0.5", "--max-ratio", "2", "--n-best", "2", "--keep", "random")
    assert outcome.status == 0, outcome
    assert outcome.output == ""  # there is nothing to train on
    assert outcome.errors == (
        "0 pairs from 2 lines\ntranslations left out: 4 below the least score\nlines without a pair: 2\n"
    )
    assert lines_of(tmp_path / "made" / "synthetic.de") == []
    filters = json.loads((tmp_path / "made" / "synthesis.json").read_text())["filters"]
    assert filters == {"min_score": 0.5, "max_ratio": 2.0, "allow_copies": False}


def test_what_does_not_fit_together_is_refused(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.en", "tree")
    command = ["synthesize", "--model", tiny_bundle, "--to", "de", "--input", source]
    folder = ["--output-folder", tmp_path / "made"]
    for keep in ("random", "nearest"):
        assert_refused(
            run(*command, *folder, "--keep", keep), f"--keep {keep} chooses among several translations: give --n-best"
        )
    assert_refused(run(*command, *folder, "--n-best", "2", "--keep", "nearest"), "--reference FILE go together")
    assert_refused(run(*command, *folder, "--reference", source), "--keep nearest and --reference FILE go together")
    for outputs in ([], ["--output-source", tmp_path / "a"], [*folder, "--output-target", tmp_path / "a"]):
        assert_refused(run(*command, *outputs), "give either --output-folder DIR, or --output-source FILE and")
    nearest = ["--n-best", "2", "--keep", "nearest", "--reference"]
    assert_refused(run(*command, *folder, *nearest, source, "--tokenize", "x"), "unknown tokenizer 'x'")
    assert_refused(run(*command, *folder, *nearest, tmp_path / "none"), "none: no such file")
    assert_refused(run(*command, *folder, "--beam-size", "0"), "beam_size is 0")
    assert_refused(run(*command[:4], "xx", *command[5:], *folder), 'does not translate to "xx"')
    assert_refused(run(*command[:-1], tmp_path / "nowhere", *folder), "nowhere: no such file")
    assert_refused(run("synthesize", "--model", "none", *command[3:], *folder), 'there is no bundle "none"')
    assert run(*command, *folder, "--max-ratio", "0.5").status == 2
    assert run("synthesize", "--to", "de", "--input", source, *folder).status == 2  # of which model?


SAMPLED = ("--sampling-temperature", "2", "--n-best", "3", "--keep", "random", "--seed", "5")


def made_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_parts_of_several_machines_make_the_corpus_of_one(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    mono = write_lines(tmp_path / "mono.en", *(f"the small house {number}" for number in range(40)), "", "the tree")
    command = ["synthesize", "--model", tiny_bundle, "--to", "de", "--input", mono, *SAMPLED]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(*command, "--output-folder", whole).status == 0
    assert_refused(run(*command, "--output-folder", parts, "--shard", "1/3", "--join"), "one of --shard, --join and")
    assert_refused(run(*command, "--output-folder", parts, "--join"), "there are no shards of it")
    for number in (3, 1):
        outcome = run(*command, "--output-folder", parts, "--shard", f"{number}/3")
        assert outcome.status == 0, outcome
        assert f"synthesis.json.translated-0000{number}-of-00003: " in outcome.errors
    assert_refused(run(*command, "--output-folder", parts, "--join"), "not finished: 1 of 3 shards (2/3)")
    assert run(*command, "--output-folder", parts, "--shard", "2/3").status == 0
    others = [*command[:-1], "6"]
    assert_refused(run(*others, "--output-folder", parts, "--join"), "another model or other options than these")
    outcome = run(*command, "--output-folder", parts, "--join")
    assert outcome.status == 0, outcome
    assert made_of(parts) == made_of(whole)
