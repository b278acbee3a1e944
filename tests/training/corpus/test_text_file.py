"""Looking through corpus files: their checksums and lines, and what is wrong with them."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.corpus.text_file import TextFile, inspect_text
from dragoman.translation.batch.lines import read_lines


@pytest.mark.parametrize("name", ["a.en", "a.en.gz"])
def test_checksum_and_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = b"\nnot blank\r\n\nlast without an end"
    path.write_bytes(gzip.compress(content[:9]) + gzip.compress(content[9:]) if path.suffix == ".gz" else content)

    assert inspect_text(path) == TextFile(path, hashlib.sha256(path.read_bytes()).hexdigest(), 4)


@given(st.text("a\n\r\u2028 ", max_size=12))
@settings(deadline=None)
def test_lines_are_counted_as_they_are_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.en"
    path.write_text(f"x{text}", encoding="utf-8", newline="")
    assert inspect_text(path).num_lines == len(list(read_lines(path)))


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\n\xc2\xa0\n"])
def test_blank_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.en"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"a\.en: the corpus is empty$"):
        inspect_text(path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"a\.en: no such file$"):
        inspect_text(tmp_path / "a.en")
    with pytest.raises(InvalidInputError, match=r": cannot be read: Is a directory$"):
        inspect_text(tmp_path)


def test_what_can_be_read_only_once_is_no_corpus(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.en")
    with pytest.raises(InvalidInputError, match=r"a\.en: is not a file on disk, and a corpus is read several times"):
        inspect_text(tmp_path / "a.en")


@pytest.mark.parametrize("damaged", [b"no gzip", gzip.compress(b"text\n" * 100)[:-9]])
def test_damaged_gzip_data_are_told(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "a.en.gz"
    path.write_bytes(damaged)
    with pytest.raises(InvalidInputError, match=r"a\.en\.gz: the gzip data are damaged: "):
        inspect_text(path)
