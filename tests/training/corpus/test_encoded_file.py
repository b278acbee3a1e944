"""Encoded files: what is read is what was written, and what is not whole is not read."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.vocabulary import PieceModel, Vocabulary
from dragoman.training.corpus.encoded_file import BLOCK_LINES, EncodedFile, write_encoded
from tests.training.tiny import small_disk

MAX_LENGTH = 12


def write(path: Path, lines: list[str], model: PieceModel) -> EncodedFile:
    text = path.with_suffix(".txt")
    text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_encoded(path, text, model, "made of this", max_length=MAX_LENGTH)
    return EncodedFile(path)


@pytest.fixture
def lines(tiny_sentences: list[str]) -> list[str]:
    """Two blocks and a half; among the sentences blank ones, one with odd separators and a long one."""
    odd = ["", " \t", "a\rb\u2028c", "The dog " * 40, "ß水🎉"]
    return (tiny_sentences * 60)[: BLOCK_LINES * 2 + BLOCK_LINES // 2 - len(odd)] + odd


def test_blocks_are_the_encoded_lines(tmp_path: Path, lines: list[str], tiny_vocabulary: Vocabulary) -> None:
    model = tiny_vocabulary.source
    file = write(tmp_path / "a.pieces", lines, model)

    assert (file.num_lines, file.num_blocks, file.fingerprint) == (len(lines), 3, "made of this")
    for block in (2, 0, 1):
        expected = lines[block * BLOCK_LINES : (block + 1) * BLOCK_LINES]
        side = file.read(block)
        assert side.lengths.tolist() == file.lengths(block).tolist()
        sequences = [pieces.tolist() for pieces in np.split(side.pieces, side.offsets[1:-1])]
        assert sequences == [model.encode(line)[: MAX_LENGTH + 1] for line in expected]
        assert side.pieces.dtype == np.int32


def test_many_pieces_take_more_bytes(tmp_path: Path, tiny_vocabulary: Vocabulary) -> None:
    text = tmp_path / "a.txt"
    text.write_text("the dog\n" * 3)
    # A length of 65,536, too long, must be told from 0.
    write_encoded(tmp_path / "a.pieces", text, tiny_vocabulary.source, "", max_length=0xFFFF)
    side = EncodedFile(tmp_path / "a.pieces").read(0)
    assert side.pieces.tolist() == tiny_vocabulary.source.encode("the dog") * 3


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, tiny_vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.training.corpus.encoded_file._BLOCKS_AT_ONCE", 2)
    write(tmp_path / "a.pieces", ["the dog"] * BLOCK_LINES * 30, tiny_vocabulary.source)

    tracemalloc.start()
    try:
        path = tmp_path / "again.pieces"
        write_encoded(path, tmp_path / "a.txt", tiny_vocabulary.source, "", max_length=MAX_LENGTH)
        writing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        again = EncodedFile(path)
        for block in range(again.num_blocks):
            again.read(block)
        reading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A list of pieces takes some 120 bytes, so that all lines would take 4 MB; two blocks are encoded at a time.
    assert writing < 1_500_000
    assert reading < 500_000


@pytest.mark.parametrize("content", [None, b"", b"short", b"x" * 200])
def test_other_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.pieces"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"a\.pieces: not a whole encoded file: "):
        EncodedFile(path)


def test_half_a_file_is_refused(tmp_path: Path, lines: list[str], tiny_vocabulary: Vocabulary) -> None:
    path = write(tmp_path / "a.pieces", lines, tiny_vocabulary.source).path
    content = path.read_bytes()
    for size in (len(content) - 1, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(InvalidInputError, match="not a whole encoded file"):
            EncodedFile(path)
    path.write_bytes(content[: len(content) // 2] + content[-200:])
    with pytest.raises(InvalidInputError, match="the index is of another file"):
        EncodedFile(path)


def test_a_changed_block_is_told(tmp_path: Path, lines: list[str], tiny_vocabulary: Vocabulary) -> None:
    path = write(tmp_path / "a.pieces", lines, tiny_vocabulary.source).path
    content = bytearray(path.read_bytes())
    content[3000] ^= 1
    path.write_bytes(content)

    file = EncodedFile(path)
    file.read(1)
    with pytest.raises(InvalidInputError, match=r"a\.pieces: is damaged; delete it, and it is made anew"):
        file.read(0)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, lines: list[str], tiny_vocabulary: Vocabulary) -> None:
    write(tmp_path / "a.pieces", lines, tiny_vocabulary.source)
    with small_disk(5000), pytest.raises(DragomanError, match=r"b\.pieces: cannot be written: "):
        write_encoded(tmp_path / "b.pieces", tmp_path / "a.txt", tiny_vocabulary.source, "", max_length=MAX_LENGTH)
    assert {path.name for path in tmp_path.iterdir()} == {"a.pieces", "a.txt"}
