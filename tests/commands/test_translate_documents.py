"""`dragoman translate` of documents."""

from pathlib import Path

import pytest

from dragoman.commands.documents import name_output
from tests.commands.running import Run, assert_refused

PO = 'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "a small house"\nmsgstr ""\n\nmsgid "tree"\nmsgstr "Baum"\n'


def test_a_document_is_translated_beside_itself(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    document = tmp_path / "report.po"
    document.write_text(PO)
    command = ["translate", "--model", tiny_bundle, "--to", "de", document]
    outcome = run(*command)
    assert outcome.status == 0, outcome
    assert "report.de.po: 2 segments" in outcome.errors
    expected = run("translate", "--model", tiny_bundle, "--to", "de", "a small house").output.strip()
    escaped = expected.replace("\\", "\\\\").replace('"', '\\"')
    written = (tmp_path / "report.de.po").read_text()
    assert f'msgid "a small house"\nmsgstr "{escaped}"\n' in written
    assert 'msgid "tree"\nmsgstr "Baum"\n' in written
    assert document.read_text() == PO
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.de.po", "report.po"]

    assert_refused(run(*command), "report.de.po: exists already")
    assert run(*command, "--overwrite", "--retranslate", "--fuzzy").status == 0
    assert (tmp_path / "report.de.po").read_text().count("#, fuzzy") == 2
    assert_refused(run(*command, "-o", document, "--overwrite"), "report.po: is the document itself")
    assert run(*command, "-o", "-").output == written


def test_options_of_texts_hold_for_documents(run: Run, tmp_path: Path) -> None:
    document = tmp_path / "prices.md"
    document.write_text("It costs 1,234.50 euros.\n\n| € 2,500 | Python 3.11 |\n")
    command = ["translate", "--to", "de", document, "--output"]
    for name, options in (("plain", ()), ("figures", ("--localize-figures",)), ("bare", ("--no-protect",))):
        outcome = run(*command, tmp_path / f"{name}.md", *options)
        assert outcome.status == 0, outcome
    plain, figures = ((tmp_path / f"{name}.md").read_text() for name in ("plain", "figures"))
    assert "1,234.50" in plain
    assert "3.11" in figures
    assert figures == plain.replace("1,234.50", "1.234,50").replace("2,500", "2.500")
    begun = (tmp_path / "bare.md").read_text()
    assert "1,234.50" not in begun  # the model has read it


def test_a_document_in_an_unfit_place_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.po").write_text("nonsense")
    (tmp_path / "b.txt").write_text("Text")
    command = ["translate", "--to", "de", tmp_path / "a.po"]
    assert_refused(run(*command), "a.po: line 1: is neither")
    assert_refused(run(*command, "Hello"), "is a document, but", "Hello", "is none")
    assert_refused(run(*command, tmp_path / "b.txt", "-o", tmp_path / "c"), "--output is for one document")
    assert_refused(run(*command, "--n-best", "2"), "do not go with documents")
    assert_refused(run("translate", "--to", "de", "Hello.po", "--retranslate"), "need the name of a document")
    assert_refused(run("translate", "--to", "de", tmp_path / "mistyped.docx"), "mistyped.docx: no such file")
    assert_refused(run(*command, "--format", "docs"), 'the format "docs" is unknown')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.po", "b.txt"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.po", "report.de.po"),
        ("messages.pot", "messages.de.po"),
        ("en.json", "de.json"),
        ("app_en.properties", "app_de.properties"),
        ("README.md", "README.de.md"),
    ],
)
def test_the_output_is_named_by_its_language(name: str, expected: str) -> None:
    assert name_output(Path("x") / name, "de", None) == Path("x") / expected
