"""Reading a parallel corpus line by line, valid or not, in blocks that bound the memory."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.pairs import check_same_length
from dragoman.translation.batch.lines import LineInput, decode_line

MAX_BLOCK_PAIRS = 4096
MAX_BLOCK_BYTES = 1 << 22
"""Size of a block of pairs; a single longer pair is a block of its own."""


class Pair:
    """A line of each side, with values that several filters need."""

    __slots__ = ("number", "original", "source", "source_words", "target", "target_words", "undecodable")

    def __init__(self, number: int, source: str, target: str, *, undecodable: tuple[bytes, bytes] | None = None):
        """number: of the line, from 1. undecodable: both lines as bytes if one is not UTF-8; `source` and `target` then
        have U+FFFD for invalid bytes."""
        self.number = number
        self.undecodable = undecodable
        self.original: tuple[str, str] | None = None
        """Both sides before a repair, if there was one."""
        self.set_text(source, target)

    def set_text(self, source: str, target: str) -> None:
        self.source = source
        self.target = target
        self.source_words = source.split()
        self.target_words = target.split()


def read_pair_blocks(source: Path, target: Path) -> Iterator[list[Pair]]:
    """All pairs in order; files whose names end in .gz are decompressed. Invalid UTF-8 is not an error here.

    Raises NotFoundError or InvalidInputError like `LineInput`, and InvalidInputError if the sides differ in length (at
    the end, with both counts) or are empty.
    """
    number = 0
    num_bytes = 0
    block: list[Pair] = []
    with (
        LineInput(source.absolute(), max_line_bytes=None) as source_lines,
        LineInput(target.absolute(), max_line_bytes=None) as target_lines,
    ):
        pairs = zip_longest(source_lines, target_lines)
        for number, (source_line, target_line) in enumerate(pairs, start=1):
            if source_line is None or target_line is None:
                num_left = 1 + sum(1 for _ in pairs)
                shorter, longer = number - 1, number - 1 + num_left
                num_source, num_target = (shorter, longer) if source_line is None else (longer, shorter)
                check_same_length((source, num_source), (target, num_target))
                raise AssertionError("one side has ended before the other")
            block.append(_decode_pair(number, source_line, target_line))
            num_bytes += len(source_line) + len(target_line)
            if len(block) == MAX_BLOCK_PAIRS or num_bytes >= MAX_BLOCK_BYTES:
                yield block
                block, num_bytes = [], 0
    if number == 0:
        raise InvalidInputError(f"{source}: the corpus is empty")
    if block:
        yield block


def _decode_pair(number: int, source: bytes, target: bytes) -> Pair:
    try:
        return Pair(number, decode_line(source, is_first=number == 1), decode_line(target, is_first=number == 1))
    except InvalidInputError:
        lines = (_strip_line_end(source), _strip_line_end(target))
        return Pair(number, *(line.decode(errors="replace") for line in lines), undecodable=lines)


def _strip_line_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")
