"""Records of shards: the same whatever the format, from any place on, without those that are no pair."""

from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.corpus.streams import records as records_module
from dragoman.training.corpus.streams.records import Shards, find_shards, read_records
from tests.training.corpus.streams.shard_files import FORMATS, write_parquet, write_text

PAIRS = [(f"sentence {number}\u2028more", f"Satz {number} \N{PERSON WITH FOLDED HANDS}") for number in range(30)]


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize(("start", "stripe", "stripes"), [(0, 0, 1), (8, 0, 1), (13, 2, 3), (0, 1, 4), (30, 0, 1)])
def test_a_shard_is_read_from_any_record_on(
    tmp_path: Path, write: Callable[..., Shards], start: int, stripe: int, stripes: int
) -> None:
    shards = write(tmp_path, PAIRS)
    assert (shards.languages, len(shards)) == (("en", "de"), 1)
    assert shards.num_bytes[0] == sum(path.stat().st_size for path in tmp_path.iterdir())
    expected = [(number, pair) for number, pair in enumerate(PAIRS) if number >= start and number % stripes == stripe]
    assert list(read_records(shards, 0, start=start, stripe=stripe, stripes=stripes)) == expected


@pytest.mark.parametrize(
    ("name", "content", "columns", "fault"),
    [
        ("a.tsv", b"one\teins\nalone\ntwo\tzwei\n", {"en": 1, "de": 2}, "has no column 2"),
        ("a.tsv", b"one\teins\n\xff\t\xfe\ntwo\tzwei\n", {"en": 1, "de": 2}, "is not UTF-8"),
        ("a.jsonl", b'{"a": "one", "b": "eins"}\n{"a": 1}\n{"a": "two", "b": "zwei"}', {"en": "a", "de": "b"}, "text"),
        ("a.jsonl", b'{"a": "one", "b": "eins"}\n{"a"\n{"a": "two", "b": "zwei"}', {"en": "a", "de": "b"}, "truncated"),
        ("a.jsonl", b'{"a": "one", "b": "eins"}\n{"a": "x"}\n{"a": "two", "b": "zwei"}', {"en": "a", "de": "b"}, "'b'"),
    ],
)
def test_what_is_no_pair_is_left_out_or_named(
    tmp_path: Path, name: str, content: bytes, columns: dict[str, str | int], fault: str
) -> None:
    (tmp_path / name).write_bytes(content)
    shards = find_shards({"": [str(tmp_path / name)]}, columns)
    assert list(read_records(shards, 0)) == [(0, ("one", "eins")), (1, None), (2, ("two", "zwei"))]
    with pytest.raises(InvalidInputError, match=f"{name}, line 2: .*{fault}"):
        list(read_records(shards, 0, is_strict=True))


def test_an_endless_line_is_no_pair_and_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_LINE_BYTES", 16)
    (tmp_path / "a.tsv").write_bytes(b"one\teins\n" + b"x" * 100 + b"\ty\ntwo\tzwei")
    shards = find_shards({"": [str(tmp_path / "a.tsv")]}, {"en": 1, "de": 2})
    assert list(read_records(shards, 0)) == [(0, ("one", "eins")), (1, None), (2, ("two", "zwei"))]


def test_null_is_blank(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"en": ["a", None], "de": [None, "b"]}), tmp_path / "a.parquet")
    shards = find_shards({"": [str(tmp_path / "a.parquet")]}, {"en": "en", "de": "de"})
    assert list(read_records(shards, 0)) == [(0, ("a", "")), (1, ("", "b"))]


def test_sides_of_unequal_length_are_refused_where_one_ends(tmp_path: Path) -> None:
    shards = write_text(tmp_path, PAIRS)
    with (tmp_path / "0.de").open("a") as file:
        file.write("one more\n")
    with pytest.raises(InvalidInputError, match=r"0\.en has 30 lines, but .*0\.de has more"):
        list(read_records(shards, 0))


def test_wrong_columns_and_files_are_named(tmp_path: Path) -> None:
    write_parquet(tmp_path, PAIRS)
    path = str(tmp_path / "0.parquet")
    for columns, fault in (({"en": "source"}, 'no column "source", only id, translation'), ({"en": "id"}, "of type")):
        with pytest.raises(InvalidInputError, match=fault):
            list(read_records(find_shards({"": [path]}, {**columns, "de": "translation.de"}), 0))
    (tmp_path / "a.tsv").write_text("en\tde\n")
    with pytest.raises(InvalidInputError, match=r'a\.tsv: has no column "fr" in its first line, only en, de'):
        list(read_records(find_shards({"": [str(tmp_path / "a.tsv")]}, {"en": "en", "de": "fr"}), 0))
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(InvalidInputError, match=r"a\.parquet: is no readable Parquet file"):
        list(read_records(find_shards({"": [str(tmp_path / "a.parquet")]}, {"en": "a", "de": "b"}), 0))
    (tmp_path / "a.docx").write_text("no")
    with pytest.raises(InvalidInputError, match=r"a\.docx: shards with columns are \.tsv, \.jsonl or \.parquet"):
        find_shards({"": [str(tmp_path / "a.docx")]}, {"en": 1, "de": 2})
    with pytest.raises(NotFoundError, match=r"\*\.csv: there is no such file"):
        find_shards({"": [str(tmp_path / "*.csv")]}, {"en": 1, "de": 2})
    for name in ("0.en", "1.en", "0.de"):
        (tmp_path / name).write_text("a\n")
    with pytest.raises(InvalidInputError, match=r"2 files of en .*0\.en, …\), but 1 of de"):
        find_shards({"en": [str(tmp_path / "*.en")], "de": [str(tmp_path / "*.de")]}, {})
