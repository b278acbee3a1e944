"""Loops: a word or a phrase that a translation repeats more often than its source does."""

import re
from itertools import pairwise

from dragoman.translation.markup.alignment import Span

MAX_PHRASE = 12
"""Words of a repeated phrase, at most."""

_LONG_WORD = re.compile(r"\S{24}")
"""A word that is examined for loops within: "hahahahahahahahahahahahaha"."""

_WORD = re.compile(r"\S+")
_LOOP_IN_WORD = re.compile(r"(.{1,12}?)\1{3,}")


def find_loop(source: str, target: str) -> Span | None:
    """The part of the target that consists of repeats, unless the source repeats as much.

    Beside one another stand three words that are equal but for case and punctuation, two phrases of four words or more,
    or two of three words that end in more of the same. The source may have as many, less one.
    """
    words = target.split()
    if (len(set(words)) == len(words) or len(set(pairwise(words))) == len(words) - 1) and not _LONG_WORD.search(target):
        return None  # every loop of words has two neighbours twice
    found = _find_repeats(target)
    if found is None:
        return None
    span, num_repeats, length = found
    of_source = _find_repeats(source)
    if of_source is not None and num_repeats <= of_source[1] + (1 if of_source[2] <= 2 and length <= 2 else 0):
        return None
    return span


def _find_repeats(text: str) -> tuple[Span, int, int] | None:
    """The most frequent repeat in a row: its span, how often it stands there, and its words; 0 for one in a word."""
    spans = [match.span() for match in _WORD.finditer(text)]
    words = [_bare(text[begin:end]) for begin, end in spans]
    best: tuple[Span, int, int] | None = None
    for length in range(1, min(MAX_PHRASE, len(words) // 2) + 1):
        run = 0  # of words equal to those `length` before them
        for place in range(length, len(words) + 1):
            if place < len(words) and words[place] == words[place - length]:
                run += 1
                continue
            num_repeats = run // length + 1
            if (
                num_repeats >= _least_repeats(length)
                and (best is None or num_repeats > best[1])
                and any(words[place - length : place])
            ):
                best = (spans[place - run - length][0], spans[place - 1][1]), num_repeats, length
            run = 0
    for begin, end in spans:
        if _LONG_WORD.match(text, begin, end) and (match := _LOOP_IN_WORD.search(text, begin, end)):
            num_repeats = (match.end() - match.start()) // len(match.group(1))
            if match.group(1).isalpha() and (best is None or num_repeats > best[1]):
                best = match.span(), num_repeats, 0
    return best


def _least_repeats(length: int) -> int:
    """How often a phrase stands in a row before it counts as a loop."""
    return 4 if length == 1 else 3 if length <= 3 else 2


def _bare(word: str) -> str:
    return word.strip(".,;:!?…\"'“”„«»()-–—").lower()
