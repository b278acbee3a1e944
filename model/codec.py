"""The interface of a vocabulary: text to piece ids and back. `model.vocabulary` implements the one that Dragoman
trains, `model.foreign_vocabulary` those of other toolkits."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dragoman.model.config import Direction, VocabularyShape


@dataclass(frozen=True, slots=True)
class Frame:
    """The pieces that a direction adds to a sentence.

    before, after: source ids around the sentence's own, such as a language piece and the end of sentence.
    target:        target ids that every translation must begin with, such as a language piece; they leave no trace in
                   its text.
    """

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    target: tuple[int, ...] = ()

    @property
    def num_source(self) -> int:
        """Number of source pieces that the frame adds."""
        return len(self.before) + len(self.after)

    def enclose(self, pieces: Sequence[int]) -> tuple[int, ...]:
        """A sentence's own source ids with the frame around them."""
        return (*self.before, *pieces, *self.after)

    def inner(self, num_pieces: int) -> slice:
        """The slice of the sentence's own pieces in a source of `num_pieces`."""
        return slice(len(self.before), num_pieces - len(self.after))


NO_FRAME = Frame()


class Side(Protocol):
    """The pieces of one side, source or target. Safe to use from several threads."""

    @property
    def size(self) -> int:
        """Number of pieces, special ones included."""
        ...

    @property
    def unk_id(self) -> int:
        """The piece for text that has none."""
        ...

    @property
    def serialized(self) -> bytes:
        """What distinguishes it from other vocabularies; equal for equal pieces."""
        ...

    def encode(self, text: str) -> list[int]:
        """Piece ids of a text, without any frame; empty for a blank text."""
        ...

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Piece ids of many texts, on all cores."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of piece ids; special pieces leave no trace."""
        ...

    def decode_all(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        """The texts of many sequences of piece ids."""
        ...

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The pieces that ids stand for; "▁" begins a word."""
        ...

    def piece_id(self, piece: str) -> int | None:
        """The id of a piece, None if there is none."""
        ...

    def type(self) -> Literal["unigram", "bpe", "other"]:
        """How its segmentations can be sampled; other: not at all."""
        ...

    def scores(self) -> dict[int, float]:
        """Scores of the pieces that stand for text, by id, for sampling: of a unigram model log probabilities; in a
        BPE model, pieces learnt earlier have higher scores."""
        ...


class Codec(Protocol):
    """A model's vocabulary. Safe to use from several threads."""

    @property
    def source(self) -> Side: ...

    @property
    def target(self) -> Side: ...

    @property
    def shape(self) -> VocabularyShape:
        """The sizes and the special ids."""
        ...

    def frame(self, direction: Direction) -> Frame:
        """The frame of a direction. Raises NotFoundError if the vocabulary lacks the language piece for it."""
        ...

    def forbidden_ids(self) -> list[int]:
        """Target ids that the search never produces: special pieces except the end of sentence, language pieces, and
        control characters; a line feed, for instance, would break a file with one translation a line."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """File names and contents, for a bundle; equal for equal vocabularies."""
        ...


_WITHOUT_SPACES = ("\u0e00\u0eff", "\u1000\u109f", "\u1780\u17ff", "\u2e80\u31ff", "\u3400\u9fff", "\uf900\ufaff")
"""The first and the last letters of scripts that write words without spaces between them."""

_LETTER_BYTES = {f"<0x{byte:02X}>" for byte in range(0xC3, 0xE0)}
"""First bytes of the letters of alphabets, which a piece of their own may lack. Those of symbols are others."""


def joined_ids(side: Side) -> list[int]:
    """The pieces, ascending, that continue a word where they follow another piece: those that begin with a letter, a
    mark or a digit instead of a space."""
    pieces = side.pieces(range(side.size))
    letters = set(filter(_continues, {piece[:1] for piece in pieces}))
    return [piece_id for piece_id, piece in enumerate(pieces) if piece in _LETTER_BYTES or piece[:1] in letters]


def _continues(first: str) -> bool:
    if not first or unicodedata.category(first)[0] not in "LMN":
        return False
    return not any(span[0] <= first <= span[1] for span in _WITHOUT_SPACES)
