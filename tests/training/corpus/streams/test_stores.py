"""Files in folders and stores: found by patterns, and read."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.corpus.streams import stores
from dragoman.training.corpus.streams.stores import Found, find_files, open_file
from tests.training.corpus.streams.s3_server import s3_server

CONTENT = {"web/b.tsv": b"two\tzwei\n", "web/a.tsv.gz": gzip.compress(b"one\teins\n"), "other/c.tsv": b"x"}


@pytest.fixture
def failing() -> list[str]:
    return []


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, failing: list[str]) -> Iterator[str]:
    with s3_server("corpora", CONTENT, failing) as address:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        stores._store.cache_clear()
        yield "s3://corpora"
        stores._store.cache_clear()


def test_files_of_a_store_are_found_and_read(s3: str) -> None:
    found = find_files([f"{s3}/web/*"])
    assert found == [Found(f"{s3}/{key}", len(CONTENT[key])) for key in ("web/a.tsv.gz", "web/b.tsv")]
    contents = []
    for file in found:
        with open_file(file.path) as opened:
            contents.append(opened.read())
    assert contents == [b"one\teins\n", b"two\tzwei\n"]
    with pytest.raises(NotFoundError, match=r"\*\.parquet: there is no such file"):
        find_files([f"{s3}/web/*.parquet"])
    with pytest.raises(NotFoundError, match="no such file"):
        open_file(f"{s3}/web/z.tsv").__enter__()


def test_any_store_of_fsspec_will_do() -> None:
    fsspec.filesystem("memory").pipe("/folder/a.tsv", b"one\teins\n")
    assert find_files(["memory://folder/*"]) == [Found("memory://folder/a.tsv", 9)]
    with open_file("memory://folder/a.tsv") as file:
        assert file.readline() == b"one\teins\n"
    with pytest.raises(InvalidInputError, match="nowhere://: is no store that fsspec knows"):
        find_files(["nowhere://folder/*"])


def test_patterns_keep_their_order_and_a_file_counts_once(tmp_path: Path) -> None:
    for name in ("b", "a", "[c]"):
        (tmp_path / name).write_bytes(b"12")
    (tmp_path / "d").mkdir()
    found = find_files([f"{tmp_path}/b", f"{tmp_path}/*", f"{tmp_path}/[c]"])
    assert found == [Found(str(tmp_path / name), 2) for name in ("b", "[c]", "a")]
