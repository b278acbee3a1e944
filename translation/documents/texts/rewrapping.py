"""A text in lines again, and in parts again: where subtitles break. Marks such as "<i>" take no room."""

import itertools
import re
from bisect import bisect_left
from collections.abc import Sequence

_WORD = re.compile(r"(?:<[^<>]*>|\{\\[^{}]*\}|\S)+")
_MARK = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_PAUSE = re.compile(r"[,;:.!?…–—-]$")

_REACH = 12
"""Words on either side of the best place among which a pause is looked for."""


def wrap(text: str, num_lines: int, width: int) -> list[str]:
    """The text on as few lines as it needs, of about the same length; on num_lines at least, if it has so many words
    and is not much shorter than a line."""
    words = _WORD.findall(text)
    length = sum(map(_length, words)) + len(words) - 1
    wanted = max(-(-length // width), num_lines if length > width // 2 else 1)
    for number in range(max(1, wanted), len(words) + 1):
        lines = [" ".join(part) for part in _divide(words, [1] * number)]
        if all(_length(line) <= width for line in lines) or number == len(words) or number > wanted + 1:
            return lines
    return [text.strip()]


def divide(text: str, lengths: Sequence[int]) -> list[str]:
    """The text in parts whose lengths have about these proportions, a pause preferred; no part is empty if there are
    words enough."""
    return [" ".join(part) for part in _divide(_WORD.findall(text), lengths)]


def _divide(words: Sequence[str], lengths: Sequence[int]) -> list[list[str]]:
    ends: list[int] = []  # of the text behind each word
    for word in words:
        ends.append((ends[-1] + 1 if ends else 0) + _length(word))
    total = ends[-1] if ends else 0
    cuts = [0]
    for number in range(1, len(lengths)):
        ideal = total * sum(lengths[:number]) / sum(lengths)
        least = min(cuts[-1] + 1, len(words))
        most = max(least, len(words) - (len(lengths) - number))
        reach = total / len(lengths) / 4

        def cost(cut: int, ideal: float = ideal, reach: float = reach) -> float:
            end = ends[cut - 1] if cut else 0
            return abs(end - ideal) - (reach if cut and _PAUSE.search(words[cut - 1]) else 0)

        near = bisect_left(ends, ideal) + 1
        candidates = range(max(least, min(near, most) - _REACH), min(most, max(near, least) + _REACH) + 1)
        cuts.append(min(candidates, key=cost))
    cuts.append(len(words))
    return [list(words[begin:end]) for begin, end in itertools.pairwise(cuts)]


def _length(text: str) -> int:
    return len(_MARK.sub("", text))
