"""Corpus files as they are written."""

import gzip
import hashlib
import io
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.text_file import LineOutput, file_checksum


def written(path: Path, *lines: str, overwrite: bool = False) -> tuple[bytes, str]:
    """The bytes and their checksum."""
    file = io.BytesIO()
    output = LineOutput(path, file)
    for line in lines:
        output.write(line)
    checksum = output.finish(overwrite=overwrite)
    return file.getvalue(), checksum


@pytest.mark.parametrize("name", ["out.de", "out.de.gz"])
def test_lines_with_the_checksum_of_the_file(tmp_path: Path, name: str) -> None:
    content, checksum = written(tmp_path / name, "ein Haus", "", "zwei\r\nZeilen", "\u2028 ü")
    assert checksum == hashlib.sha256(content).hexdigest()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    assert text.decode() == "ein Haus\n\nzwei Zeilen\n\u2028 ü\n"
    (tmp_path / name).write_bytes(content)
    assert file_checksum(tmp_path / name) == checksum


def test_packed_lines_are_the_same_bytes_whatever_the_name_and_the_time(tmp_path: Path) -> None:
    content, _ = written(tmp_path / "one.gz", "a")
    assert content == written(tmp_path / "two.gz", "a")[0]
    assert content[3] == 0  # no name in it
    assert content[4:8] == bytes(4)  # no time


def test_another_file_is_not_written_over_unless_it_may(tmp_path: Path) -> None:
    path = tmp_path / "out.de"
    path.write_text("a\n")
    written(path, "a")  # the very same
    with pytest.raises(InvalidInputError, match=r"out\.de: exists already"):
        written(path, "b")
    written(path, "b", overwrite=True)
