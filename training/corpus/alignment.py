"""Lines of two files that do not belong together, found by their lengths: long sentences have long translations."""

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

BLOCK = 200
"""Lines that are judged together."""

_MAX_BLOCKS = 2_000
_MAX_SHIFT = 3
_MIN_BLOCKS = 2
"""In a row, before a shift is reported."""

_UNRELATED = 0.5
"""Correlation of lengths below which lines may be unrelated."""

_CLEARLY_BETTER = 0.35
"""Gain in correlation that shows a shift."""

_SHUFFLED = 0.1
_MIN_SHUFFLED = 1_000


@dataclass(frozen=True, slots=True)
class Misalignment:
    """line: number of the first line, from 1, near which it begins. shift: lines by which the target is behind (above
    0) or ahead; 0: in no order at all."""

    line: int
    shift: int

    def describe(self, source: str, target: str) -> str:
        """A sentence for people. source, target: names of the sides."""
        if not self.shift:
            return (
                f"the lines of {source} and {target} do not go together in length: are they in different orders, or no "
                "translations of each other?"
            )
        return (
            f"line {self.line:,} of {source} seems to be translated in line {self.line + self.shift:,} of {target}, "
            "and so on: is a line missing or doubled before?"
        )


@dataclass(slots=True)
class LineLengths:
    """The lengths of a corpus's lines, eight bytes a pair."""

    source: "array[int]" = field(default_factory=lambda: array("I"))
    target: "array[int]" = field(default_factory=lambda: array("I"))
    num_blank: int = 0

    def add(self, source: int, target: int) -> None:
        """Characters or bytes of a pair's sides; 0 for a blank one."""
        self.source.append(source)
        self.target.append(target)
        self.num_blank += not (source and target)

    def __len__(self) -> int:
        return len(self.source)

    def find_misalignment(self) -> Misalignment | None:
        """Where the sides begin not to belong together; None if they do, or if the lengths do not show it."""
        sides = [np.log1p(np.frombuffer(side, np.uint32).astype(np.float64)) for side in (self.source, self.target)]
        num_blocks = len(self) // BLOCK
        step = max(1, num_blocks // _MAX_BLOCKS)
        run: list[Misalignment] = []
        for number in range(0, num_blocks, step):
            shift = _shift(sides[0], sides[1], number * BLOCK)
            if shift and (not run or run[-1].shift == shift):
                run.append(Misalignment(number * BLOCK + 1, shift))
                if len(run) == _MIN_BLOCKS:
                    return run[0]
            else:
                run = []
        if len(self) >= _MIN_SHUFFLED and _correlation(*sides) < _SHUFFLED:
            return Misalignment(1, 0)
        return None


def _shift(source: npt.NDArray[np.float64], target: npt.NDArray[np.float64], start: int) -> int:
    """The shift of a block's target lines that fits much better than none; 0 if there is none."""
    block = source[start : start + BLOCK]
    plain = _correlation(block, target[start : start + BLOCK])
    if plain >= _UNRELATED:
        return 0
    found, best = 0, plain + _CLEARLY_BETTER
    for shift in (*range(1, _MAX_SHIFT + 1), *range(-1, -_MAX_SHIFT - 1, -1)):
        first = max(0, -(start + shift))
        moved = target[max(0, start + shift) : start + shift + BLOCK]
        length = min(len(block) - first, len(moved))
        value = _correlation(block[first : first + length], moved[:length])
        if value > best:
            found, best = shift, value
    return found


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Pearson's; 1 if a side's lines are equally long, which shows nothing."""
    if len(one) < BLOCK // 2 or not one.std() or not other.std():
        return 1.0
    return float(np.corrcoef(one, other)[0, 1])
