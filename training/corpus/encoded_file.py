"""A text file as pieces on the disk: encoded once, in bounded memory, and read a block of lines at a time.

Blocks are read with pread, not through a memory map: pages of a map, once touched, count as this process's memory until
the system drops them, whereas a read uses no memory but its result.
"""

import json
import os
import struct
import weakref
import zlib
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dragoman.model.codec import Side
from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import open_atomically
from dragoman.training.corpus.pairs import EncodedSide
from dragoman.translation.batch.lines import read_lines

BLOCK_LINES = 1024
"""Lines of a block; the last block of a file may have fewer."""

FORMAT = 2
"""Version of the layout."""

_BLOCKS_AT_ONCE = 16
_END = struct.Struct("<q8s")  # the header's number of bytes, magic
_MAGIC = b"dragoman"


def write_encoded(path: Path, text_file: Path, model: Side, fingerprint: str, *, max_length: int) -> None:
    """Encodes a text file into `path`: blocks, an index of them, and a header.

    A block has the number of pieces of each line and the pieces of all lines. fingerprint: identifies the file's
    origin. max_length: longer sequences are cut to one piece more, which suffices to recognize them.

    Raises NotFoundError and InvalidInputError like reading lines, and DragomanError if `path` cannot be written.
    """
    dtype = np.dtype("<u2" if max(model.size, max_length + 1) <= 0xFFFF else "<u4")
    index: list[tuple[int, int, int]] = []  # of each block: where it begins, number of pieces, checksum
    num_lines = offset = 0
    lines = read_lines(text_file)
    with open_atomically(path) as file:
        while chunk := list(islice(lines, _BLOCKS_AT_ONCE * BLOCK_LINES)):
            encoded = model.encode_all(chunk)
            for start in range(0, len(chunk), BLOCK_LINES):
                sequences = [pieces[: max_length + 1] for pieces in encoded[start : start + BLOCK_LINES]]
                side = EncodedSide.pack(sequences)
                content = side.lengths.astype(dtype).tobytes() + side.pieces.astype(dtype).tobytes()
                index.append((offset, len(side.pieces), zlib.crc32(content)))
                file.write(content)
                offset += len(content)
            num_lines += len(chunk)
        file.write(np.array([*index, (offset, 0, 0)], "<i8").tobytes())
        header = {"fingerprint": fingerprint, "num_lines": num_lines, "bytes": dtype.itemsize}
        content = json.dumps(header).encode()
        file.write(content + _END.pack(len(content), _MAGIC))


class EncodedFile:
    """A file of `write_encoded`, open for reading. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidInputError if the file is missing, incomplete, or not from `write_encoded`."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._descriptor)
            size = os.fstat(self._descriptor).st_size
            header_size, magic = _END.unpack(self._read(max(0, size - _END.size), _END.size))
            if magic != _MAGIC:
                raise ValueError("another kind of file")
            header = json.loads(self._read(size - _END.size - header_size, header_size))
            self.fingerprint = str(header["fingerprint"])
            self.num_lines = int(header["num_lines"])
            self._dtype = np.dtype(f"<u{int(header['bytes'])}")
            index_size = (self.num_blocks + 1) * 3 * 8
            index_start = size - _END.size - header_size - index_size
            self._index = np.frombuffer(self._read(index_start, index_size), "<i8").reshape(-1, 3)
            if self._index[-1, 0] != index_start:
                raise ValueError("the index is of another file")
        except (OSError, ValueError, KeyError, TypeError, struct.error, DragomanError) as error:
            raise InvalidInputError(f"{path}: not a whole encoded file: {error}") from error

    @property
    def num_blocks(self) -> int:
        return -(-self.num_lines // BLOCK_LINES)

    def lengths(self, block: int) -> npt.NDArray[np.int64]:
        """Pieces of each line of a block. Raises DragomanError if the disk fails."""
        num_bytes = self._num_lines(block) * self._dtype.itemsize
        return np.frombuffer(self._read(int(self._index[block, 0]), num_bytes), self._dtype).astype(np.int64)

    def read(self, block: int) -> EncodedSide:
        """The pieces of each line of a block.

        Raises DragomanError if the disk fails, and InvalidInputError if the block is damaged.
        """
        start, num_pieces, checksum = map(int, self._index[block])
        content = self._read(start, int(self._index[block + 1, 0]) - start)
        if zlib.crc32(content) != checksum:
            raise InvalidInputError(f"{self.path}: is damaged; delete it, and it is made anew")
        num_lines = self._num_lines(block)
        numbers = np.frombuffer(content, self._dtype, num_lines + num_pieces)
        offsets = np.concatenate(([0], numbers[:num_lines].cumsum(dtype=np.int64)))
        return EncodedSide(numbers[num_lines:].astype(np.int32), offsets)

    def _num_lines(self, block: int) -> int:
        return min(BLOCK_LINES, self.num_lines - block * BLOCK_LINES)

    def _read(self, start: int, num_bytes: int) -> bytes:
        try:
            content = os.pread(self._descriptor, num_bytes, start)
        except OSError as error:
            raise DragomanError(f"{self.path}: cannot be read: {error.strerror}") from error
        if len(content) != num_bytes:
            raise InvalidInputError(f"{self.path}: ends too early; delete it, and it is made anew")
        return content
