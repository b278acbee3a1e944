"""`dragoman evaluate`."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.commands.running import LONG, Run, assert_refused, write_lines


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
    assert_refused(run(*command, "--output", "-"), "the scores go to standard output")
    packed = tmp_path / "out.de.GZ"
    assert run(*command, "--output", packed).status == 0
    assert gzip.decompress(packed.read_bytes()) == output.read_bytes()
    assert json.loads(run("evaluate", "--hypothesis", packed, "--reference", reference, "--json").output) == report
    assert run(*command, "--output", "/dev/null").status == 0
    assert run(*command, "--output", packed, "--overwrite").status == 0
    compared = run(*command, "--baseline", reference, "--json")
    assert json.loads(compared.output)["chrf"]["baseline_score"] == pytest.approx(100)
    compared = run(*command, "--baseline-bundle", tiny_bundle)
    assert "BLEU" in compared.output


def test_evaluate_by_length(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "test.en", "dog", *["The dog sees the house. " * 8] * 2, "")
    reference = write_lines(tmp_path / "test.de", "Hund", *["Der Hund sieht das Haus. " * 8] * 2, "")
    command = ["evaluate", tiny_bundle, "--to", "de", "--reference", reference, "--by-length", "--max-target-length", 9]
    table = run(*command, "--source", source).output.splitlines()
    assert table[-3].split() == ["pieces", "texts", "BLEU", "chrF"]
    assert [line.split()[:2] for line in table[-2:]] == [["1–10", "2"], ["40+", "2"]]
    rows = json.loads(run(*command, "--source", source, "--json").output)["by_length"]
    assert [(row["least"], row["most"], row["num_texts"]) for row in rows] == [(1, 10, 2), (41, None, 2)]
    assert_refused(run(*command), "--by-length counts the sources' pieces")


def test_evaluate_takes_several_references(run: Run, tmp_path: Path) -> None:
    hypothesis = write_lines(tmp_path / "out.de", "Das Haus ist sehr klein.", "Ein hoher Baum steht dort.")
    first = write_lines(tmp_path / "a.de", "Das Haus ist sehr klein.", "Dort steht ein großer Baum.")
    second = write_lines(tmp_path / "b.de", "Klein ist das Haus.", "Ein hoher Baum steht dort.")
    command = ["evaluate", "--hypothesis", hypothesis, "--reference", first, "--reference", second]
    assert "2 sentences, 2 references each\nBLEU 100.0  nrefs:2|" in run(*command).output
    report = json.loads(run(*command, "--json", "--baseline", first).output)
    assert report["num_references"] == 2
    for metric in ("bleu", "chrf", "ter"):
        assert report[metric]["signature"].startswith("nrefs:2|")
    assert report["bleu"]["baseline_score"] == pytest.approx(100)
    assert json.loads(run(*command[:5], "--json").output)["bleu"]["score"] < 100
    short = write_lines(tmp_path / "short.de", "Ein Satz.")
    assert_refused(run(*command, "--reference", short), "short.de has 1 lines", "a.de has 2")


@pytest.mark.parametrize(
    ("language", "tokenizer"), [("zh-CN", "zh"), ("ja", "ja-mecab"), ("ko", "ko-mecab"), ("th", "char")]
)
def test_evaluate_warns_where_the_tokenizer_does_not_find_words(
    run: Run, tmp_path: Path, language: str, tokenizer: str
) -> None:
    text = write_lines(tmp_path / "text", "这是一个句子。")
    command = ["evaluate", "--hypothesis", text, "--reference", text, "--to", language]
    outcome = run(*command)
    assert outcome.status == 0
    assert outcome.errors == (
        f"dragoman: BLEU with sacreBLEU's tokenizer 13a means little for {language}, whose words it does not find; "
        f'use tokenize "{tokenizer}"\n'
    )
    assert run(*command, "--tokenize", "char").errors == ""
    assert run(*command[:-1], "de").errors == ""


def test_evaluate_refuses_what_does_not_fit(
    run: Run, tiny_bundle: Path, evaluation_files: tuple[Path, Path], tmp_path: Path
) -> None:
    source, reference = evaluation_files
    short = write_lines(tmp_path / "short.de", "ein Satz")
    assert_refused(run("evaluate", "--hypothesis", short, "--reference", reference), "short.de has 1 lines", "has 3")
    assert_refused(run("evaluate", "--reference", reference), "give either a BUNDLE")
    bundle = ["evaluate", tiny_bundle, "--source", source, "--reference", reference]
    assert_refused(run(*bundle, "--to", "fr"), 'does not translate to "fr"', "en→de, de→en")
    assert_refused(run(*bundle), "--to LANGUAGE")
    assert_refused(run("evaluate", "none", *bundle[2:], "--to", "de"), 'there is no bundle "none"')
    write_lines(source, "fine", LONG, "fine")
    assert_refused(run(*bundle, "--to", "de", "--no-split"), "test.en, line 2: the text has", "pieces")
    assert run(*bundle, "--to", "de").status == 0  # in parts it fits
    assert_refused(run(*bundle, "--to", "de", "--coverage-penalty", "11"), "coverage_penalty is 11.0")
    assert_refused(run("evaluate", tiny_bundle, *bundle[1:], "--to", "de", "--record", "x"), "give exactly one BUNDLE")
    kept = ["--to", "de", "--record", "x", "--coverage-penalty", "1"]
    assert_refused(run(*bundle, *kept), "--record stores only beam size and length penalty")
    for option in ("--shortlist", "--no-split"):
        assert_refused(
            run(*bundle, "--to", "de", "--record", "x", option), "--record stores", "--shortlist", "--no-split"
        )
