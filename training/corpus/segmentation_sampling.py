"""Subword regularization: a new segmentation of a text each time it is read, as if there were more text.

Kudo (2018) draws segmentations from a unigram model; BPE-dropout (Provilkov et al. 2020) leaves out merges at random.
SentencePiece does both, but since 0.2.2 its draws differ between processes, even with the same seed: no run could be
resumed exactly, and the processes of a run would not read the same pairs. So this module segments words itself.
"""

import math
from bisect import bisect
from collections.abc import Sequence
from functools import lru_cache
from heapq import heappop, heappush
from itertools import accumulate, chain, pairwise
from random import Random

import numpy as np

from dragoman.model.codec import Side
from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.pairs import EncodedSide

WORD_BEGINNING = "▁"
"""How SentencePiece writes the space before a word."""

MAX_WORD_PIECES = 8
"""Longer words are drawn in parts of this many usual pieces: without spaces, a whole sentence is one word."""

CACHED_WORDS = 1 << 14
"""Most recent words whose lattices are cached: they cover nearly all of a text, in a few tens of MB."""

Word = tuple[int, ...]
"""The pieces of a word's usual segmentation."""


class SegmentationSampler:
    """Random segmentations of text that a piece model has segmented in its usual way.

    Each word, from a piece that begins with "▁" to the next one, is drawn by itself, since pieces do not cross words. A
    word with another kind of piece, such as a byte, or with a character that is not a piece keeps its segmentation.
    """

    def __init__(self, model: Side, alpha: float) -> None:
        """alpha: of a unigram model, the exponent of the segmentations' probabilities; of a BPE model, the share of
        merges that are left out, more than 0. Raises InvalidInputError for a model of another type."""
        kind = model.type()
        if kind == "other":
            raise InvalidInputError("the vocabulary cannot sample segmentations: it is neither unigram nor BPE")
        self._draw = self._draw_unigram if kind == "unigram" else self._draw_bpe
        self._alpha = alpha
        self._pieces = model.pieces(range(model.size))
        self._scores = model.scores()
        self._ids = {self._pieces[piece_id]: piece_id for piece_id in self._scores}
        self._longest = max(map(len, self._ids), default=0)
        self._begins_word = np.array([piece.startswith(WORD_BEGINNING) for piece in self._pieces])
        self._text = lru_cache(CACHED_WORDS)(self._find_text)
        self._lattice = lru_cache(CACHED_WORDS)(self._make_lattice)
        self._merge = lru_cache(CACHED_WORDS)(self._merge_all_but)

    def sample(self, usual: EncodedSide, random: Random, *, max_length: int) -> EncodedSide:
        """New segmentations of the sequences of `usual`, none of which is empty. A sequence keeps its usual one if the
        new one has more than `max_length` pieces."""
        pieces = usual.pieces.tolist()
        begins = self._begins_word[usual.pieces]
        begins[usual.offsets[:-1]] = True
        starts = np.flatnonzero(begins)
        places = np.arange(len(pieces)) - np.repeat(starts, np.diff(starts, append=len(pieces)))  # in the word
        begins |= places % MAX_WORD_PIECES == 0
        starts = np.flatnonzero(begins)
        words = [tuple(pieces[start:end]) for start, end in pairwise([*starts.tolist(), len(pieces)])]
        drawn: list[Sequence[int]] = [self._draw(word, random) for word in words]
        first_words = np.searchsorted(starts, usual.offsets)  # of each sequence, and behind the last
        lengths = np.add.reduceat(np.fromiter(map(len, drawn), np.int64, len(drawn)), first_words[:-1])
        for number in np.flatnonzero(lengths > max_length).tolist():
            own = slice(first_words[number], first_words[number + 1])
            drawn[own] = words[own]
            lengths[number] = usual.offsets[number + 1] - usual.offsets[number]
        offsets = np.concatenate(([0], lengths.cumsum()))
        return EncodedSide(np.fromiter(chain.from_iterable(drawn), np.int32, int(offsets[-1])), offsets)

    def _find_text(self, word: Word) -> str | None:
        """The text of a word; None if the word keeps its segmentation."""
        text = "".join(self._pieces[piece] for piece in word)
        is_drawn = all(piece in self._scores for piece in word) and all(letter in self._ids for letter in text)
        return text if is_drawn else None

    def _draw_unigram(self, word: Word, random: Random) -> Sequence[int]:
        lattice = self._lattice(word)
        if lattice is None:
            return word
        drawn = []
        end = len(lattice) - 1
        while end:
            bounds, last_pieces = lattice[end]
            end, piece = last_pieces[bisect(bounds, random.random())]
            drawn.append(piece)
        return drawn[::-1]

    def _make_lattice(self, word: Word) -> list[tuple[list[float], list[tuple[int, int]]]] | None:
        """For each end in the word's text, the pieces that may end there with their beginnings, and the cumulative
        probabilities of all of these but the last: forward filtering, for backward sampling."""
        text = self._text(word)
        if text is None:
            return None
        lattice: list[tuple[list[float], list[tuple[int, int]]]] = [([], [])]
        log_sums = [0.0]  # of the weights of all segmentations up to each end
        for end in range(1, len(text) + 1):
            last_pieces: list[tuple[int, int]] = []
            log_weights: list[float] = []
            for start in range(max(0, end - self._longest), end):
                piece = self._ids.get(text[start:end])
                if piece is not None:
                    last_pieces.append((start, piece))
                    log_weights.append(log_sums[start] + self._alpha * self._scores[piece])
            largest = max(log_weights)
            weights = [math.exp(weight - largest) for weight in log_weights]
            total = sum(weights)
            log_sums.append(largest + math.log(total))
            lattice.append(([bound / total for bound in accumulate(weights[:-1])], last_pieces))
        return lattice

    def _draw_bpe(self, word: Word, random: Random) -> Sequence[int]:
        if self._text(word) is None:
            return word
        left_out: tuple[int, ...] = ()
        next_left_out = self._num_made(random)
        while True:
            pieces, num_merges = self._merge(word, left_out)
            if next_left_out >= num_merges:
                return pieces
            left_out = (*left_out, next_left_out)
            next_left_out += 1 + self._num_made(random)

    def _num_made(self, random: Random) -> int:
        """The number of merges before the next one that is left out, a geometric number: one draw instead of many."""
        return int(math.log(1 - random.random()) / math.log1p(-self._alpha)) if self._alpha < 1 else 0

    def _merge_all_but(self, word: Word, left_out: tuple[int, ...]) -> tuple[list[int], int]:
        """Merges the two neighbours that form the best piece, repeatedly, except for the merges numbered `left_out`.
        Returns the pieces and the number of merges, those left out included."""
        text = self._text(word)
        assert text is not None
        parts = [*text]  # "" where one has become the end of another
        before, behind = [*range(-1, len(parts) - 1)], [*range(1, len(parts)), -1]
        merges: list[tuple[float, int, int, str]] = []
        proposed = [*pairwise(range(len(parts)))]
        num_merges = 0
        while True:
            for first, second in proposed:
                merged = parts[first] + parts[second]
                if merged in self._ids:
                    heappush(merges, (-self._scores[self._ids[merged]], first, second, merged))
            proposed = []
            if not merges:
                return [self._ids[part] for part in parts if part], num_merges
            _, first, second, merged = heappop(merges)
            if not parts[first] or not parts[second] or parts[first] + parts[second] != merged:
                continue  # a neighbour has gone into another merge
            num_merges += 1
            if num_merges - 1 in left_out:
                continue
            parts[first], parts[second] = merged, ""
            behind[first] = behind[second]
            if behind[first] >= 0:
                before[behind[first]] = first
                proposed.append((first, behind[first]))
            if before[first] >= 0:
                proposed.append((before[first], first))
