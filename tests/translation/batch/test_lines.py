"""Lines from plain and gzip files."""

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import STANDARD_STREAM
from dragoman.translation.batch.lines import LineInput, decode_line, encode_line, read_lines


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path) -> list[bytes]:
    with LineInput(path) as source:
        return list(source)


@pytest.mark.parametrize("name", ["plain.txt", "packed.gz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(st.sampled_from([b"a", b"\n", b"\r", "ä\u2028\x85".encode(), b"\xff"])).map(b"".join))
def test_only_newlines_end_a_line(tmp_path: Path, name: str, content: bytes) -> None:
    lines = read(write(tmp_path / name, content))
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
        with LineInput(STANDARD_STREAM) as source:
            assert (source.is_resumable, source.num_bytes) == (False, None)
            assert list(source) == [b"a\n"]
            assert source.num_bytes_read == 0
    assert read(Path("./-").absolute()) == [b"not this\n"]


def test_invalid_utf8_tells_the_byte() -> None:
    with pytest.raises(InvalidInputError, match=r"^invalid UTF-8 at byte 3 of the line$"):
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
    with pytest.raises(NotFoundError, match=r"missing: no such file$"):
        LineInput(tmp_path / "missing")
    with pytest.raises(InvalidInputError, match=r"cannot be read: Is a directory$"):
        LineInput(tmp_path)


def test_a_line_that_never_ends(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"ab\nabcd\n")
    with LineInput(path, max_line_bytes=3) as source:
        assert next(iter(source)) == b"ab\n"
        with pytest.raises(InvalidInputError, match=r"input, line 2: is longer than 3 bytes$"):
            list(source)
    with LineInput(path, max_line_bytes=None) as source:
        assert list(source) == [b"ab\n", b"abcd\n"]


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


# --- read_lines ---


SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
"""Where str.splitlines() would cut a line, besides line feed and carriage return."""


@pytest.mark.parametrize("name", ["corpus.en", "corpus.en.gz"])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),  # the last line may lack its end
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\n\ntwo\n\n", ["one", "", "two", ""]),
        (b"\xef\xbb\xbfone\ntwo\n", ["one", "two"]),  # a byte order mark
        (b"one\n\xef\xbb\xbftwo\n", ["one", "\ufefftwo"]),  # at the start of the file alone
        (b"on\re\n", ["on\re"]),
        ("grüßen 日本\n".encode(), ["grüßen 日本"]),
    ],
)
def test_lines_end_with_a_line_feed(tmp_path: Path, name: str, content: bytes, lines: list[str]) -> None:
    assert list(read_lines(write(tmp_path / name, content))) == lines


@pytest.mark.parametrize("separator", SEPARATORS, ids=lambda separator: f"U+{ord(separator):04X}")
def test_no_separator_inside_a_sentence_splits_it(tmp_path: Path, separator: str) -> None:
    line = f"before{separator}after"
    assert list(read_lines(write(tmp_path / "corpus.en", f"{line}\nnext\n".encode()))) == [line, "next"]


@pytest.mark.parametrize("name", ["corpus.en", "corpus.en.gz"])
def test_invalid_utf8_is_told_with_file_line_and_byte(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, b"one\ntwo\nth\xffree\n")
    lines = read_lines(path)

    assert [next(lines), next(lines)] == ["one", "two"]
    with pytest.raises(InvalidInputError) as caught:
        next(lines)
    assert str(caught.value) == f"{path}, line 3: invalid UTF-8 at byte 3 of the line"


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.en.gz"
    packed = gzip.compress("".join(f"line {number}\n" for number in range(1000)).encode())
    for content in (packed[:-1], packed[: len(packed) // 2], b"not packed at all", packed[:-6] + b"XXXXXX"):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match=r"corpus\.en\.gz, line \d+: the gzip data are damaged: "):
            list(read_lines(path))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    for name in ("none.en", "none.en.gz"):
        with pytest.raises(NotFoundError) as caught:
            list(read_lines(tmp_path / name))
        assert str(caught.value) == f"{tmp_path / name}: no such file"


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        list(read_lines(tmp_path))


def test_a_corpus_called_like_standard_input_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(b"one\n")
    assert list(read_lines(Path("-"))) == ["one"]
