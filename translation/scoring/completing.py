"""The likeliest next words of a text, by a language model."""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dragoman.model.codec import Codec, joined_ids
from dragoman.model.config import Architecture, VocabularyShape
from dragoman.model.decoding.loading import open_language_model
from dragoman.model.decoding.tracing.trace import trace
from dragoman.model.errors import InvalidInputError
from dragoman.model.weights import read_weights

MAX_LOOKS = 200
"""Beginnings of words that are looked at: each takes a pass through the network."""

NUM_BRANCHES = 32
"""Likeliest pieces that a beginning is continued with."""


@dataclass(frozen=True, slots=True)
class NextWord:
    """word: as it is written, without spaces around; "" is the end of the text. probability: that the text goes on with
    exactly this word."""

    word: str
    probability: float


class Completer:
    """Continues texts with one language model, in NumPy."""

    def __init__(self, name_or_path: str | Path) -> None:
        """Reads the weights. Raises NotFoundError or InvalidInputError for a bundle that is unknown, damaged or no
        language model."""
        model = open_language_model(name_or_path)
        self.name = model.info.name
        self.architecture: Architecture = model.info.architecture
        self.vocabulary: Codec = model.vocabulary
        self._shape: VocabularyShape = model.info.vocabulary
        self._weights = read_weights(model.folders[0], model.info)
        self._joined = np.zeros(self._shape.target_size, np.bool_)
        self._joined[joined_ids(self.vocabulary.target)] = True
        self._forbidden = model.vocabulary.forbidden_ids()

    def next_words(self, text: str, num_words: int) -> list[NextWord]:
        """The likeliest words that follow a text, given that its last word is complete, the likeliest first.

        A word of several pieces has the product of their probabilities, and a word ends where the next piece begins
        another: all its endings count. Words are found best first, so none that is left out is likelier; of a word's
        other spellings by pieces, which are rare, those that are found count, too.

        Raises InvalidInputError for a text that is too long.
        """
        ids = self.vocabulary.target.encode(text)
        most = self.architecture.max_target_length - 8
        if len(ids) > most:
            raise InvalidInputError(
                f"the text has {len(ids)} pieces, but at most {most} can be continued: leave out its beginning"
            )
        read = (self._shape.start_id, *ids)
        first = self._next_pieces(read)
        if ids:
            first[self._joined] = 0.0  # they would go on with the last word
        first /= first.sum()
        order = itertools.count()
        # Of all that may be: minus its probability, its number, its pieces, and whether it is a whole word.
        waiting: list[tuple[float, int, tuple[int, ...], bool]] = []

        def add(probabilities: NDArray[np.float64], beginning: tuple[int, ...]) -> None:
            for piece in np.argsort(-probabilities, kind="stable")[:NUM_BRANCHES].tolist():
                if probabilities[piece] > 0:
                    is_whole = piece == self._shape.eos_id or not self._may_go_on(piece, bool(beginning))
                    entry = (-float(probabilities[piece]), next(order), (*beginning, piece), is_whole)
                    heapq.heappush(waiting, entry)

        add(first, ())
        found: dict[str, float] = {}
        num_looks = 0
        while waiting and len(found) < num_words:
            negative, _, pieces, is_whole = heapq.heappop(waiting)
            if is_whole:
                word = self._spell(pieces)
                if word or pieces[-1] == self._shape.eos_id:  # a space alone is no word
                    found[word] = found.get(word, 0.0) - negative
            elif num_looks < MAX_LOOKS and len(pieces) < 8:
                num_looks += 1
                following = self._next_pieces((*read, *pieces)) * -negative
                ended = float(following[~self._joined].sum())
                heapq.heappush(waiting, (-ended, next(order), pieces, True))
                add(np.where(self._joined, following, 0.0), pieces)
        ranked = sorted(found.items(), key=lambda one: -one[1])
        return [NextWord(word, probability) for word, probability in ranked]

    def is_strange(self, text: str) -> bool:
        """Whether the vocabulary has next to nothing of a text, such as its script: most is unknown or spelt in
        bytes."""
        side = self.vocabulary.target
        ids = side.encode(text)
        unknown = [piece for piece, name in zip(ids, side.pieces(ids), strict=True) if name.startswith("<0x")]
        return len(unknown) + ids.count(side.unk_id) > len(ids) / 2

    def _next_pieces(self, read: Sequence[int]) -> NDArray[np.float64]:
        """[V] probabilities; 0 for pieces that no text has."""
        log_probs = trace(self.architecture, self._weights, (), read).log_probs[-1].astype(np.float64)
        probabilities: NDArray[np.float64] = np.exp(log_probs)
        probabilities[self._forbidden] = 0.0
        return probabilities

    def _may_go_on(self, piece: int, is_within: bool) -> bool:
        """Whether a word may go on behind a piece: behind letters and digits, and a space that stands alone."""
        text = self.vocabulary.target.pieces([piece])[0].lstrip("▁")
        return is_within or not text or any(sign.isalnum() for sign in text) or text.startswith("<0x")

    def _spell(self, pieces: Sequence[int]) -> str:
        return "" if pieces == (self._shape.eos_id,) else self.vocabulary.target.decode(pieces).strip()
