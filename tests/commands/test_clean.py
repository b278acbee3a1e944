"""`dragoman clean` from file to file."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from dragoman.command_line import main
from dragoman.training.cleaning.pairs import Pair, read_pair_blocks
from dragoman.training.cleaning.report import Tally

PAIRS = [
    (b"The small house is old.", b"Das kleine Haus ist alt."),
    (b"", b"Nichts."),
    (b"The small house is old.", b"Das kleine Haus ist alt."),
    (b"A green tree.", "Ein gr\xfcner Baum.".encode("latin-1")),
    (b"This is for everybody here.", "Das ist fÃ¼r alle hier.".encode()),
    (b"This stays in one language.", b"This stays in one tongue still."),
    (b"<b>\x1b[31mred</b>", b"<script>alert(1)</script>"),
    (b"It is Tuesday today.", "Heute ist Dienstag.\u2028".encode()),
]


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "a.en.gz", tmp_path / "a.de"
    source.write_bytes(gzip.compress(b"\n".join(source for source, _ in PAIRS)))
    target.write_bytes(b"\r\n".join(target for _, target in PAIRS) + b"\n")
    return source, target


def run(monkeypatch: pytest.MonkeyPatch, corpus: tuple[Path, Path], *arguments: object) -> int:
    files = ("--source", corpus[0], "--target", corpus[1])
    monkeypatch.setattr(sys, "argv", ["dragoman", "clean", *map(str, (*files, *arguments))])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_what_is_left_keeps_its_order_and_what_was_taken_out_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    source, target, removed = tmp_path / "out.en", tmp_path / "out.de.gz", tmp_path / "removed.tsv"
    outputs = ("--output-source", source, "--output-target", target, "--removed", removed, "--json")
    assert run(monkeypatch, corpus, "--from", "en", "--to", "de", *outputs) == 0

    assert source.read_text("utf-8") == "The small house is old.\nIt is Tuesday today.\n"
    assert gzip.decompress(target.read_bytes()).decode() == "Das kleine Haus ist alt.\nHeute ist Dienstag.\u2028\n"
    rows = [line.split("\t") for line in removed.read_text("utf-8").split("\n")[1:-1]]
    assert [row[:2] for row in rows] == [
        ["2", "blank"],
        ["3", "duplicate"],
        ["4", "utf8"],
        ["5", "mojibake"],
        ["6", "language"],
        ["7", "characters"],
    ]
    report = json.loads(capsys.readouterr().out)
    assert (report["pairs"], report["kept"], report["repaired"]) == (8, 2, None)
    found = {entry["name"]: entry for entry in report["filters"]}
    assert sum(entry["count"] for entry in found.values()) == 6
    assert found["language"]["share"] == 1 / 8
    assert found["mojibake"]["examples"] == [
        {
            "line": 5,
            "source": "This is for everybody here.",
            "target": "Das ist fÃ¼r alle hier.",
            "detail": "target looks as if it was 'Das ist für alle hier.'",
        }
    ]


def test_encodings_are_mended_where_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    target = tmp_path / "out.de"
    outputs = ("--output-source", tmp_path / "out.en", "--output-target", target)
    assert run(monkeypatch, corpus, "--off", "language", "--on", "markup", "--repair", "--json", *outputs) == 0
    assert target.read_text("utf-8").split("\n") == [
        "Das kleine Haus ist alt.",
        "Ein grüner Baum.",
        "Das ist für alle hier.",
        "This stays in one tongue still.",
        "Heute ist Dienstag.\u2028",
        "",
    ]
    repaired = json.loads(capsys.readouterr().out)["repaired"]
    assert repaired["count"] == 3
    assert [example["detail"] for example in repaired["examples"]] == [
        "was Ein gr\ufffdner Baum.",
        "was Das ist fÃ¼r alle hier.",
        "was <b>\x1b[31mred</b>",
    ]


def test_the_report_does_nothing_to_terminal_or_browser(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert run(monkeypatch, corpus, "--off", "language", "--report", page) == 0
    shown = capsys.readouterr().out
    assert "\\x1b[31mred" in shown
    assert "\x1b[31mred" not in shown
    assert "line 7: source has U+001B" in shown
    written = page.read_text("utf-8")
    assert "<script>alert" not in written
    assert "&lt;script&gt;alert" in written
    assert "http" not in written  # nothing comes from elsewhere


def test_the_same_report_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    assert run(monkeypatch, corpus, "--off", "language", "--json", "--report", tmp_path / "report.json") == 0
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--output-source", "{0}/x"], "give both --output-source and --output-target"),
        (["--output-source", "{0}/x", "--output-target", "{0}/x"], "is named twice"),
        (["--output-source", "{0}/a.de", "--output-target", "{0}/x", "--overwrite"], "is named twice"),
        (["--removed", "{0}/there"], "there: exists already"),
        (["--report", "{0}/report.pdf"], "end its name in .html or .json"),
        (["--on", "speling"], "there is no filter 'speling'"),
    ],
)
def test_wrong_use_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus: tuple[Path, Path],
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
) -> None:
    (tmp_path / "there").touch()
    assert run(monkeypatch, corpus, "--off", "language", *(part.format(tmp_path) for part in arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dragoman: ")
    assert complaint in line


@pytest.mark.parametrize(("num_source", "num_target"), [(9000, 5000), (5000, 5003)])
def test_sides_of_different_length_are_refused_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    num_source: int,
    num_target: int,
) -> None:
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    source.write_text("one two\n" * num_source)
    target.write_text("eins zwei\n" * num_target)
    outputs = ("--output-source", tmp_path / "out.en", "--output-target", tmp_path / "out.de")
    assert run(monkeypatch, (source, target), "--off", "language", *outputs) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"{source} has {num_source:,} lines, but {target} has {num_target:,}: line N of one must be" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.de", "a.en"]


def test_an_empty_corpus_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a").touch()
    assert run(monkeypatch, (tmp_path / "a", tmp_path / "a"), "--off", "language") == 2
    assert "the corpus is empty" in capsys.readouterr().err


def test_blocks_are_bounded_in_pairs_and_bytes(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_text("x\n" * 10_000)
    long.write_text(("y" * 1_000_000 + "\n") * 10)
    blocks = list(read_pair_blocks(short, short))
    assert max(map(len, blocks)) < 5000
    assert [pair.number for block in blocks for pair in block] == list(range(1, 10_001))
    assert max(map(len, read_pair_blocks(long, long))) < 4


def test_examples_are_drawn_evenly_and_alike_for_a_seed() -> None:
    def draw(seed: int) -> list[int]:
        tally = Tally("x", "", num_examples=5, seed=seed)
        for number in range(100):
            tally.add(Pair(number, "", ""), "")
        assert tally.count == 100
        return [example.line for example in tally.examples]

    assert draw(1) == draw(1) != draw(2)
    drawn = [line for seed in range(400) for line in draw(seed)]
    assert len(drawn) == 2000
    assert all(len(set(draw(seed))) == 5 for seed in range(10))
    # Each tenth of the corpus has 200 expected; the standard deviation is 13.
    assert all(135 < sum(line // 10 == tenth for line in drawn) < 265 for tenth in range(10))
