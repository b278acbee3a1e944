"""Lines of bytes from plain and gzip files."""

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.errors import InvalidInputError, NotFoundError
from server import line_input
from server.line_input import STANDARD_INPUT, LineInput, decode_line, encode_line


def read(path: Path) -> list[bytes]:
    with LineInput(path) as source:
        return list(source)


@pytest.mark.parametrize("name", ["plain.txt", "packed.gz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(st.sampled_from([b"a", b"\n", b"\r", "ä\u2028\x85".encode(), b"\xff"])).map(b"".join))
def test_only_newlines_end_a_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    lines = read(path)
    assert b"".join(lines) == content
    assert all(line.endswith(b"\n") for line in lines[:-1])
    assert [line.count(b"\n") for line in lines[:-1]] == [1] * (len(lines) - 1 if lines else 0)


def test_knows_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"a\nb\n")
    with LineInput(path) as source:
        assert (source.is_resumable, source.num_bytes, source.num_bytes_read) == (True, 4, 0)
        list(source)
        assert source.num_bytes_read == 4


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a", "a"),
        (b"\n", ""),
        (b"a\rb\n", "a\rb"),
        ("a\u2028b\n".encode(), "a\u2028b"),
    ],
)
def test_decodes(line: bytes, text: str) -> None:
    assert decode_line(line) == text


def test_a_byte_order_mark_opens_a_file_and_is_text_elsewhere() -> None:
    line = "\ufeffa\n".encode()
    assert decode_line(line, is_first=True) == "a"
    assert decode_line(b"a\n", is_first=True) == "a"
    assert decode_line(line) == "\ufeffa"


def test_a_file_called_like_standard_input_is_not_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(b"not this\n")
    read_end, write_end = os.pipe()
    os.write(write_end, b"a\n")
    os.close(write_end)
    with open(read_end) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        with LineInput(STANDARD_INPUT) as source:
            assert (source.is_resumable, source.num_bytes) == (False, None)
            assert list(source) == [b"a\n"]
            assert source.num_bytes_read == 0
    assert read(Path("./-").absolute()) == [b"not this\n"]


def test_invalid_utf8_tells_the_byte() -> None:
    with pytest.raises(InvalidInputError, match=r"^not valid UTF-8: byte 0xff at position 2$"):
        decode_line(b"ab\xffc\n")


@given(st.text())
def test_an_encoded_line_has_one_line_end(text: str) -> None:
    line = encode_line(text)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    if "\n" not in text and "\r" not in text:
        assert decode_line(line) == text


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"missing: there is no such file$"):
        LineInput(tmp_path / "missing")
    with pytest.raises(InvalidInputError, match=r"cannot be read: Is a directory$"):
        LineInput(tmp_path)


def test_a_line_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_input, "MAX_LINE_BYTES", 3)
    path = tmp_path / "input"
    path.write_bytes(b"ab\nabcd\n")
    with pytest.raises(InvalidInputError, match=r"input, line 2: is longer than 3 bytes$"):
        read(path)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[:-9],
    "another format": lambda data: b"no gzip",
    "overwritten": lambda data: data[:12] + b"\xff" * 9,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_gzip(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "input.gz"
    path.write_bytes(damage(gzip.compress(b"a\nb\n" * 9)))
    with pytest.raises(InvalidInputError, match=r"input.gz, line \d+: the gzip data are damaged"):
        read(path)
