"""Records: one column is translated into another, and the rest stays."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.batch.job import run_batch_job
from dragoman.translation.batch.records import Columns, is_json_lines, sample_records, translate_parquet
from dragoman.translation.results import Translation
from tests.server.fakes import EN_DE, FakeTranslator

COLUMNS = Columns("text")


def translate_stream(texts: Iterable[str]) -> Iterator[Translation]:
    return FakeTranslator().stream(texts, EN_DE, SearchOptions())


def run(source: Path, output: Path, columns: Columns = COLUMNS) -> list[Any]:
    run_batch_job(source, output, translate_stream, parameters={"to": "de"}, columns=columns)
    return [json.loads(line) for line in output.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.jsonl", True), ("a.NDJSON.gz", True), ("a.json", False), ("a.txt", False), ("jsonl", False)],
)
def test_json_lines_are_known_by_their_name(name: str, found: bool) -> None:
    assert is_json_lines(Path(name)) == found


def test_a_line_gets_a_column_and_keeps_the_others(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"id": 1, "text": "a b", "x": [{}]}\n\n{"text": null}\n{"text": "ü \\ud83d\\n c", "id": 1e400}\n'
    )
    run_batch_job(source, tmp_path / "out.jsonl", translate_stream, parameters={}, columns=COLUMNS)
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) if line else None for line in lines[:3]] == [
        {"id": 1, "text": "a b", "x": [{}], "translation": "b a"},
        None,
        {"text": None, "translation": None},
    ]
    assert json.loads(lines[3])["translation"].split() == ["c", "\ud83d", "ü"]


def test_columns_are_chosen(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.gz"
    source.write_bytes(gzip.compress(b'{"body": "a b", "translation": "old"}\n'))
    found = run(source, tmp_path / "out.jsonl", Columns("body", "german"))
    assert found == [{"body": "a b", "translation": "old", "german": "b a"}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": 3}', '"text" is 3, not a text'),
        ('{"txt": "a", "id": 1}', 'has no "text", only txt, id'),
        ('{"text": "a", "translation": ""}', 'has a "translation" already'),
        ('{"text": "a"', "is not JSON"),
        ('["text"]', "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str, reason: str) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a b"}\n' + line + "\n")
    with pytest.raises(InvalidInputError, match=r"in\.jsonl, line 2: ") as error:
        run(source, tmp_path / "out.jsonl")
    assert reason in str(error.value)
    with pytest.raises(InvalidInputError, match=r"in\.jsonl, line 2: "):
        list(sample_records(source, COLUMNS))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "in.parquet"
    texts = [None if number % 7 == 3 else f"line {number}" for number in range(3_000)]
    columns = {"id": list(range(3_000)), "text": texts, "tags": [["x"]] * 3_000}
    parquet.write_table(pyarrow.table(columns), path, row_group_size=700)
    return path


def test_a_parquet_file_gets_a_column_and_keeps_the_others(table: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    rows: list[tuple[int, int]] = []
    output = tmp_path / "out.parquet"
    columns = Columns("text", "de")
    assert translate_parquet(table, output, translate_stream, columns, lambda *found: rows.append(found)) == 3_000
    before, after = parquet.read_table(table), parquet.read_table(output)
    assert after.drop_columns(["de"]).equals(before)
    assert after.column("de").to_pylist() == [None if number % 7 == 3 else f"{number} line" for number in range(3_000)]
    assert rows[-1] == (3_000, 3_000)
    assert next(iter(sample_records(table, COLUMNS))) == "line 0"


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), tmp_path / "in.parquet")
    assert translate_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", translate_stream, COLUMNS) == 0
    assert parquet.read_table(tmp_path / "out.parquet").schema.names == ["text", "translation"]


def test_a_parquet_file_that_cannot_be_translated_is_named(table: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    for columns, reason in (
        (Columns("txt"), 'has no column "txt", only id, text, tags'),
        (Columns("id"), 'the column "id" is of type int64'),
        (Columns("text", "tags"), 'has a column "tags" already'),
    ):
        with pytest.raises(InvalidInputError, match=r"in\.parquet") as error:
            translate_parquet(table, output, translate_stream, columns)
        assert reason in str(error.value)
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(InvalidInputError, match="is no readable Parquet file"):
        translate_parquet(table, output, translate_stream, COLUMNS)
    with pytest.raises(NotFoundError, match="no such file"):
        translate_parquet(tmp_path / "none.parquet", output, translate_stream, COLUMNS)
    assert not output.exists()
