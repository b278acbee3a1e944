"""Where the inline elements of a source text belong in its translation, by word alignment.

An element encloses the run of target words most of which come from its source words. Nested elements stay nested, and
adjacent ones do not overlap. An element within a word, as the 2 of H₂O, is searched for in the translation of that
word. A single tag, or an element without text, stays beside the word that it touched.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dragoman.translation.markup.content import Content, Role, Tag
from dragoman.translation.markup.segments import Inline
from dragoman.translation.markup.word_weights import Weights

_WORD = re.compile(r"\S+")

Span = tuple[int, int]
"""Of characters, the second excluded."""


def find_words(text: str, offset: int = 0) -> list[Span]:
    """What stands between white space; offset is added to all places."""
    return [(match.start() + offset, match.end() + offset) for match in _WORD.finditer(text)]


def is_certain(element: Inline, words: Sequence[Span]) -> bool:
    """Whether it needs no alignment: it is around the whole text, whose words these are, or at its begin or end."""
    if not words or element.last <= words[0][0] or element.first >= words[-1][1]:
        return True
    return _holds(element, words) and all(is_certain(child, words) for child in element.children)


def _holds(element: Inline, words: Sequence[Span]) -> bool:
    """Whether it is around all words and may be around other ones."""
    return element.kept_text is None and element.first <= words[0][0] and element.last >= words[-1][1]


def _is_edge(character: str) -> bool:
    return character.isalnum() or character.isspace()


@dataclass(frozen=True, slots=True)
class TextPair:
    """A source and its translation. weights: None if not known; see `word_weights`."""

    source: str
    target: str
    weights: Weights | None


class _Block:
    """What the target words of a part come from. source, target: the numbers of its first words in the whole."""

    def __init__(self, source: int, target: int, num_source: int, num_target: int, weights: Weights | None) -> None:
        """weights: without any that fit, the part is taken to go at the same pace in both languages."""
        self.source, self.target, self.num_source = source, target, num_source
        self._sums: NDArray[np.float64] | None = None
        self.origins = np.arange(num_target) * num_source // max(1, num_target)
        """The source word that each target word comes from most of all, counted in the part; -1 where none does."""
        if not num_source:
            self.origins[:] = -1
        elif weights is not None and weights.shape == (num_target, num_source):
            self._sums = np.pad(np.cumsum(weights, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
            self.origins = np.where(weights.any(axis=1), weights.argmax(axis=1), -1)

    def gains(self, begin: int, end: int) -> NDArray[np.float64]:
        """For each target word how much more of it comes from the source words of these numbers than from others."""
        first, last = max(0, begin - self.source), min(self.num_source, end - self.source)
        if self._sums is None:
            return np.where((first <= self.origins) & (self.origins < last), 1.0, -1.0)
        return 2 * (self._sums[:, last] - self._sums[:, first]) - self._sums[:, -1]


class Placement:
    """Puts elements into one translation."""

    def __init__(self, parts: Sequence[TextPair]) -> None:
        """parts: the source and its translation, in parts that follow each other."""
        self._source = "".join(part.source for part in parts)
        self._target = "".join(part.target for part in parts)
        self._source_words: list[Span] = []
        self._target_words: list[Span] = []
        self._blocks: list[_Block] = []
        source_place = target_place = 0
        for part in parts:
            first_source, first_target = len(self._source_words), len(self._target_words)
            self._source_words += find_words(part.source, source_place)
            self._target_words += find_words(part.target, target_place)
            source_place += len(part.source)
            target_place += len(part.target)
            num_source, num_target = len(self._source_words) - first_source, len(self._target_words) - first_target
            self._blocks.append(_Block(first_source, first_target, num_source, num_target, part.weights))
        self._targets: list[list[int]] = [[] for _ in self._source_words]  # those that come from a word most of all
        for block in self._blocks:
            for target, origin in enumerate(block.origins.tolist(), block.target):
                if origin >= 0:
                    self._targets[block.source + origin].append(target)
        self._linked = [source for source, targets in enumerate(self._targets) if targets]

    def place(self, elements: Sequence[Inline]) -> Content:
        """The translation with the elements in it."""
        return tuple(piece for piece in self._place(elements, (0, len(self._target))) if piece)

    def _place(self, elements: Sequence[Inline], region: Span) -> Iterator[str | Tag]:
        placed = [(*self._clip(self._find(element), region), element) for element in elements]
        placed.sort(key=lambda found: found[0])  # stable: at the same place they keep their order
        place, end = region
        for first, last, element in placed:
            first = max(first, place)
            last = max(first, last)
            yield self._target[place:first]
            yield Tag(element.start, Role.OPEN if element.end else Role.SINGLE, element.kept_text or "")
            if element.kept_text is None:
                yield from self._place(element.children, (first, last))
            if element.end:
                yield Tag(element.end, Role.CLOSE)
            yield element.trail
            place = last
            if element.is_space and place < end and self._target[place] == " ":
                place += 1
        yield self._target[place:end]

    @staticmethod
    def _clip(span: Span, region: Span) -> Span:
        first, last = (min(max(place, region[0]), region[1]) for place in span)
        return first, last

    def _find(self, element: Inline) -> Span:
        """Where it belongs, whatever others do."""
        words = self._source_words
        begin = bisect_right(words, element.first, key=lambda word: word[1])
        end = bisect_left(words, element.last, key=lambda word: word[0])
        if begin >= end or element.first >= element.last:
            place = self._find_point(element.first)
            return place, place
        if _holds(element, words):
            return 0, len(self._target)
        in_word = self._find_in_word(begin, end, element)
        if element.kept_text is None:
            return in_word or self._trim(self._find_run(begin, end), element)
        if in_word is None and self._cuts_word(begin, end, element):  # keep what the rest of the word became
            place = self._find_point(element.first)
            in_word = place, place
        return in_word or self._find_literally(
            element.kept_text, self._trim(self._find_run(begin, end, is_kept=True), element)
        )

    def _cuts_word(self, begin: int, end: int, element: Inline) -> bool:
        """Whether its first or last word has more letters than it holds."""
        before = self._source[self._source_words[begin][0] : element.first]
        behind = self._source[element.last : self._source_words[end - 1][1]]
        return any(map(str.isalnum, before + behind))

    def _find_run(self, begin: int, end: int, *, is_kept: bool = False) -> Span:
        """The characters of the target words that come from the source words, as far as they stand together: the run
        with the greatest sum, where a word counts 1 if all of it comes from these, and -1 if nothing does.

        is_kept: the words are to be replaced, so none may be among them that rather says something else.
        """
        blocks = [block for block in self._blocks if block.source < end and begin < block.source + block.num_source]
        gains = np.concatenate([block.gains(begin, end) for block in blocks])
        if is_kept:
            gains[gains <= 0] = -len(gains)
        if not len(gains) or gains.max() <= -1:  # nothing comes from them
            place = self._find_point(self._source_words[begin][0])
            return place, place
        sums = np.concatenate([[0.0], np.cumsum(gains)])
        least = np.minimum.accumulate(sums)
        last = int((sums[1:] - least[:-1]).argmax())
        first = last - int(sums[: last + 1][::-1].argmin())
        words = self._target_words[blocks[0].target :]
        return words[first][0], words[last][1]

    def _find_literally(self, text: str, near: Span) -> Span:
        """Where the text stands as it is, as near as can be; else `near`."""
        exactly = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)
        spans = [match.span() for match in exactly.finditer(self._target)]
        return min(spans, key=lambda span: abs(span[0] - near[0]), default=near)

    def _find_in_word(self, begin: int, end: int, element: Inline) -> Span | None:
        """Where a part of a single word is in what this became, if it is there."""
        word_begin, word_end = self._source_words[begin]
        part = self._source[element.first : element.last].strip()
        if end - begin > 1 or (element.first <= word_begin and element.last >= word_end) or not part:
            return None
        word = self._source[word_begin:word_end]
        for t in self._targets[begin]:
            target_begin, target_end = self._target_words[t]
            target = self._target[target_begin:target_end]
            if word in target:
                place = target_begin + target.index(word) + max(element.first, word_begin) - word_begin
                return place, place + len(part)
            found = re.search(re.escape(part), target, re.IGNORECASE)
            if found:
                return target_begin + found.start(), target_begin + found.end()
        return None

    def _trim(self, span: Span, element: Inline) -> Span:
        """Leaves punctuation outside where the source has none inside."""
        held = self._source[element.first : element.last].strip()
        first, last = span
        while held[0].isalnum() and first < last and not _is_edge(self._target[first]):
            first += 1
        while held[-1].isalnum() and first < last and not _is_edge(self._target[last - 1]):
            last -= 1
        inside = self._target[first:last]
        return (first, last) if inside and inside == inside.strip() else span  # a word of punctuation alone stays

    def _find_point(self, place: int) -> int:
        """Where something without text belongs that stands at a place of the source."""
        words = self._source_words
        if not words or place <= words[0][0]:
            return 0
        if place >= words[-1][1]:
            return len(self._target)
        following = bisect_right(words, place, key=lambda word: word[1])  # the first word that ends behind it
        at = bisect_left(self._linked, following)  # the first linked word from there on
        if words[following][0] >= place and words[following - 1][1] < place and at < len(self._linked):
            return self._target_words[self._targets[self._linked[at]][0]][0]
        if words[following][0] < place and at < len(self._linked) and self._linked[at] == following:
            at += 1  # within a word: behind it
        return self._target_words[self._targets[self._linked[at - 1]][-1]][1] if at else 0
