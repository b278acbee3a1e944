"""Reading parallel text: one sentence a line, line N of one side the translation of line N of the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dragoman.model.codec import Codec
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import InvalidInputError
from dragoman.translation.batch.lines import read_lines


def read_parallel(paths: Sequence[Path]) -> list[list[str]]:
    """All sides of a corpus. Raises InvalidInputError if they differ in length or have no sentence at all."""
    sides = [list(read_lines(path)) for path in paths]
    for path, side in zip(paths, sides, strict=True):
        check_same_length((paths[0], len(sides[0])), (path, len(side)))
        if not any(sentence.strip() for sentence in side):
            raise InvalidInputError(f"{path}: the corpus is empty")
    return sides


def check_same_length(first: tuple[Path, int], other: tuple[Path, int]) -> None:
    """Raises InvalidInputError if two sides of a corpus, each a file and its number of lines, differ in length."""
    if first[1] != other[1]:
        raise InvalidInputError(
            f"{first[0]} has {first[1]:,} lines, but {other[0]} has {other[1]:,}: "
            "line N of one must be the translation of line N of the other"
        )


@dataclass(frozen=True, slots=True)
class ParallelText:
    """Sentences of one direction: line N of the source, line N of the target. set_name: of their dev set, "" if it has
    none."""

    direction: Direction
    source: list[str]
    target: list[str]
    set_name: str = ""

    @property
    def label(self) -> str:
        """Such as "en→de", or "domain en→de" in a named set."""
        return f"{self.set_name} {self.direction}".lstrip()


@dataclass(slots=True)
class SkippedPairs:
    """Counts of the pairs that training skips, by reason."""

    blank: int = 0
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class EncodedSide:
    """Many piece sequences end to end: sequence i is pieces[offsets[i] : offsets[i + 1]]."""

    pieces: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def pack(cls, sequences: Sequence[Sequence[int]]) -> "EncodedSide":
        lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
        pieces = np.fromiter((piece for sequence in sequences for piece in sequence), np.int32, int(lengths.sum()))
        return cls(pieces, np.concatenate(([0], lengths.cumsum())))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.offsets)

    def sequences(self) -> list[list[int]]:
        """The inverse of `pack`."""
        pieces = self.pieces.tolist()
        return [pieces[start:end] for start, end in pairwise(self.offsets.tolist())]

    @classmethod
    def concatenate(cls, sides: Sequence["EncodedSide"]) -> "EncodedSide":
        lengths = np.concatenate([side.lengths for side in sides])
        return cls(np.concatenate([side.pieces for side in sides]), np.concatenate(([0], lengths.cumsum())))

    def choose(self, indices: npt.NDArray[np.int64]) -> "EncodedSide":
        """The chosen sequences, in the order of `indices`."""
        lengths = self.lengths[indices]
        offsets = np.concatenate(([0], lengths.cumsum()))
        places = np.repeat(self.offsets[indices] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return EncodedSide(self.pieces[places], offsets)

    def framed(self, before: Sequence[int], after: Sequence[int]) -> "EncodedSide":
        """Every sequence between the same first and the same last pieces."""
        num_added = len(before) + len(after)
        offsets = self.offsets + num_added * np.arange(len(self.offsets))
        pieces = np.empty(offsets[-1], np.int32)
        is_own = np.ones(offsets[-1], np.bool_)
        firsts = [(offsets[:-1] + i, piece) for i, piece in enumerate(before)]
        lasts = [(offsets[1:] - len(after) + i, piece) for i, piece in enumerate(after)]
        for places, piece in firsts + lasts:
            pieces[places] = piece
            is_own[places] = False
        pieces[is_own] = self.pieces
        return EncodedSide(pieces, offsets)

    def pad(self, indices: npt.NDArray[np.int64], pad_id: int) -> npt.NDArray[np.int64]:
        """The chosen sequences as [len(indices), longest], padded at the end."""
        lengths = self.lengths[indices]
        columns = np.arange(int(lengths.max()))
        real = columns < lengths[:, None]
        places = np.where(real, self.offsets[indices][:, None] + columns, 0)
        return np.where(real, self.pieces[places], pad_id).astype(np.int64)


def is_usable(
    source_lengths: npt.NDArray[np.int64], target_lengths: npt.NDArray[np.int64], max_length: int
) -> npt.NDArray[np.bool_]:
    """[pairs], True where both sides have pieces, but not too many."""
    shorter, longer = np.minimum(source_lengths, target_lengths), np.maximum(source_lengths, target_lengths)
    usable: npt.NDArray[np.bool_] = (shorter > 0) & (longer <= max_length)
    return usable


@dataclass(frozen=True, slots=True)
class EncodedCorpus:
    """Training pairs as pieces. Sources carry the language tag and the end of sentence, targets the end of sentence.

    vocabulary: of the pieces; its special ids pad and begin the sequences of a batch.
    names:      of the corpora from which the pairs come.
    corpora:    [pairs], the place of each pair's corpus in `names`; None if there is only one.
    """

    source: EncodedSide
    target: EncodedSide
    skipped: SkippedPairs
    vocabulary: VocabularyShape
    names: tuple[str, ...] = ("",)
    corpora: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.source)

    def pools(self, *, seed: int, epoch: int) -> "list[Callable[[], EncodedCorpus]]":
        """See `training.corpus.batching.PooledCorpus`: a corpus in memory is one pool."""
        return [lambda: self]


def encode_corpus(
    parts: Sequence[tuple[Direction, Sequence[str], Sequence[str]]], vocabulary: Codec, *, max_length: int
) -> EncodedCorpus:
    """Encodes (direction, source sentences, target sentences) for training, leaving out pairs with a blank side or
    with more than `max_length` pieces on a side. Raises InvalidInputError if no pair is left."""
    skipped, shape = SkippedPairs(), vocabulary.shape
    sources: list[list[int]] = []
    targets: list[list[int]] = []
    for direction, source_sentences, target_sentences in parts:
        frame = vocabulary.frame(direction)
        source_pieces = vocabulary.source.encode_all(source_sentences)
        target_pieces = vocabulary.target.encode_all(target_sentences)
        for source, target in zip(source_pieces, target_pieces, strict=True):
            if not source or not target:
                skipped.blank += 1
            elif max(len(source), len(target)) > max_length:
                skipped.too_long += 1
            else:
                sources.append([*frame.enclose(source)])
                targets.append([*frame.target, *target, shape.eos_id])
    if not sources:
        raise InvalidInputError(
            f"the corpus is empty: {skipped.blank} pairs have a blank side, "
            f"{skipped.too_long} have more than {max_length} pieces on a side"
        )
    return EncodedCorpus(EncodedSide.pack(sources), EncodedSide.pack(targets), skipped, shape)
