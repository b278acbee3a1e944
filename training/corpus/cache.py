"""The training corpus on the disk, of any size: one pool of it is in memory at a time.

Each text file is encoded once, into a file named by a fingerprint of everything that the encoding depends on, so that
later starts find it. A pair is usable if neither side is blank or too long.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from dragoman.model.codec import Codec, Side
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.encoded_file import FORMAT, EncodedFile, write_encoded
from dragoman.training.corpus.epoch_plan import Span, part_quotas, plan_epoch
from dragoman.training.corpus.finishing import Finisher
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs, is_usable
from dragoman.training.corpus.text_file import TextFile
from dragoman.training.text_config import AugmentationConfig, DataConfig, SubwordRegularizationConfig


@dataclass(frozen=True, slots=True)
class ParallelFiles:
    """A corpus in one direction. repeat: how often an epoch has each of its pairs. name: of the corpus, the same in all
    of its directions."""

    direction: Direction
    source: TextFile
    target: TextFile
    repeat: int = 1
    name: str = ""


@dataclass(frozen=True, slots=True)
class CorpusPart:
    """A corpus in one direction, encoded. block_sizes: usable pairs of each block."""

    files: ParallelFiles
    source: EncodedFile
    target: EncodedFile
    block_sizes: npt.NDArray[np.int64]
    skipped: SkippedPairs

    def __len__(self) -> int:
        return int(self.block_sizes.sum())

    def read(
        self, block: int, max_length: int, rows: npt.NDArray[np.int64] | slice | None = None
    ) -> tuple[EncodedSide, EncodedSide]:
        """The usable pairs of a block, all or those of some rows among them. Raises what reading a block raises."""
        source, target = self.source.read(block), self.target.read(block)
        lines = np.flatnonzero(is_usable(source.lengths, target.lengths, max_length))
        lines = lines if rows is None else lines[rows]
        return source.choose(lines), target.choose(lines)


class CachedCorpus:
    """Training pairs as pieces, in files. Sources carry the language tag and the end of sentence, targets the end of
    sentence. A `training.corpus.batching.PooledCorpus`."""

    def __init__(
        self,
        parts: Sequence[CorpusPart],
        vocabulary: Codec,
        data: DataConfig,
        regularization: SubwordRegularizationConfig,
        augmentation: AugmentationConfig | None = None,
        lexicons: Mapping[Direction, Mapping[str, str]] | None = None,
    ) -> None:
        """Raises InvalidInputError if no pair is usable, or a vocabulary cannot sample segmentations or lacks the
        pieces that the augmentation needs. lexicons: of each direction, for `augmentation.terms`."""
        self.parts = parts
        self.vocabulary = vocabulary
        self._shape = vocabulary.shape
        self.data = data
        self.finisher = Finisher(vocabulary, data, regularization, augmentation, lexicons)
        self.skipped = SkippedPairs(
            blank=sum(part.skipped.blank for part in parts), too_long=sum(part.skipped.too_long for part in parts)
        )
        if not any(map(len, parts)):
            raise InvalidInputError(
                f"the corpus is empty: {self.skipped.blank} pairs have a blank side, "
                f"{self.skipped.too_long} have more than {data.max_length} pieces on a side"
            )
        self.names = tuple(dict.fromkeys(part.files.name for part in parts))
        self.quotas = part_quotas([len(part) * part.files.repeat for part in parts], data.sampling_temperature)

    def __len__(self) -> int:
        """Usable pairs of all parts; an epoch may repeat or omit some of them."""
        return sum(map(len, self.parts))

    def describe(self) -> str:
        """The number of pairs, and of several parts those of each in an epoch, for people."""
        whole = f"{len(self):,} sentence pairs; left out: {self.skipped.blank:,} with a blank side, "
        whole += f"{self.skipped.too_long:,} too long"
        if len(self.parts) == 1:
            return whole
        lines = [
            f"\n  {part.files.direction}  {part.files.source.path} → {part.files.target.path}: {len(part):,} pairs, "
            f"{quota:,} an epoch, {quota / sum(self.quotas):.1%}"
            for part, quota in zip(self.parts, self.quotas, strict=True)
        ]
        return whole + "".join(lines)

    def length_of_share(self, share: float) -> int:
        """Pieces of a source sentence, without those that the codec adds, that this share of an epoch's pairs does not
        exceed. Reading lengths may raise DragomanError."""
        counts = np.zeros(self.data.max_length + 1)
        for part, quota in zip(self.parts, self.quotas, strict=True):
            found = np.zeros_like(counts)
            for block in range(part.source.num_blocks):
                lengths = part.source.lengths(block)
                usable = is_usable(lengths, part.target.lengths(block), self.data.max_length)
                found += np.bincount(lengths[usable], minlength=len(counts))
            counts += found * (quota / max(1, len(part)))
        return int(np.searchsorted(counts.cumsum(), share * counts.sum() * (1 - 1e-9)))

    def pools(self, *, seed: int, epoch: int) -> list[Callable[[], EncodedCorpus]]:
        """See `training.corpus.batching.PooledCorpus`; reading a pool may raise DragomanError."""
        plan = plan_epoch(
            [part.block_sizes for part in self.parts],
            self.quotas,
            pool_pairs=self.data.shuffle_pairs,
            seed=(seed, epoch),
        )
        return [partial(self._read, pool, (seed, epoch, number)) for number, pool in enumerate(plan)]

    def _read(self, pool: Sequence[Span], seed: tuple[int, int, int]) -> EncodedCorpus:
        sides = [self._read_span(span, Random(repr((*seed, place)))) for place, span in enumerate(pool)]
        corpora = [self.names.index(self.parts[span.part].files.name) for span in pool]
        return EncodedCorpus(
            EncodedSide.concatenate([source for source, _ in sides]),
            EncodedSide.concatenate([target for _, target in sides]),
            self.skipped,
            self._shape,
            self.names,
            np.repeat(corpora, [len(source) for source, _ in sides]) if len(self.names) > 1 else None,
        )

    def _read_span(self, span: Span, random: Random) -> tuple[EncodedSide, EncodedSide]:
        part = self.parts[span.part]
        source, target = part.read(span.block, self.data.max_length, span.rows)
        return self.finisher.finish(part.files.direction, source, target, random)


def open_corpus(
    folder: Path,
    train: Sequence[ParallelFiles],
    vocabulary: Codec,
    data: DataConfig,
    regularization: SubwordRegularizationConfig,
    augmentation: AugmentationConfig | None = None,
    lexicons: Mapping[Direction, Mapping[str, str]] | None = None,
) -> CachedCorpus:
    """Opens the corpus, encoding it into `folder` if necessary; deletes other encoded files there.

    Raises NotFoundError and InvalidInputError like reading lines, InvalidInputError if no pair is usable or a
    vocabulary cannot sample segmentations or lacks pieces, and DragomanError if the disk fails.
    """
    parts = open_parts(folder, train, vocabulary, data)
    return CachedCorpus(parts, vocabulary, data, regularization, augmentation, lexicons)


def open_parts(folder: Path, train: Sequence[ParallelFiles], vocabulary: Codec, data: DataConfig) -> list[CorpusPart]:
    """Opens corpora, each in its direction; otherwise like `open_corpus`."""
    opened: dict[str, EncodedFile] = {}

    def encoded(file: TextFile, model: Side) -> EncodedFile:
        fingerprint = _fingerprint(file, model, data.max_length)
        if fingerprint not in opened:
            opened[fingerprint] = _open_or_write(folder, file, model, data.max_length, fingerprint)
        return opened[fingerprint]

    parts = []
    for files in train:
        source, target = encoded(files.source, vocabulary.source), encoded(files.target, vocabulary.target)
        parts.append(CorpusPart(files, source, target, *_count_pairs(source, target, data.max_length)))
    for path in {*folder.glob("*.pieces")} - {file.path for file in opened.values()}:
        path.unlink(missing_ok=True)
    return parts


def _fingerprint(file: TextFile, model: Side, max_length: int) -> str:
    pieces = hashlib.sha256(model.serialized).hexdigest()
    text = json.dumps([FORMAT, file.checksum, pieces, max_length])
    return hashlib.sha256(text.encode()).hexdigest()


def _open_or_write(folder: Path, file: TextFile, model: Side, max_length: int, fingerprint: str) -> EncodedFile:
    path = folder / f"{fingerprint[:32]}.pieces"
    try:
        found = EncodedFile(path)
    except InvalidInputError:  # missing or incomplete
        write_encoded(path, file.path, model, fingerprint, max_length=max_length)
        return EncodedFile(path)
    if found.fingerprint != fingerprint:
        raise InvalidInputError(f"{path}: is of another corpus; delete it, and it is made anew")
    return found


def _count_pairs(
    source: EncodedFile, target: EncodedFile, max_length: int
) -> tuple[npt.NDArray[np.int64], SkippedPairs]:
    """The numbers of usable pairs of each block, and of the skipped ones."""
    skipped = SkippedPairs()
    sizes = np.zeros(source.num_blocks, np.int64)
    for block in range(source.num_blocks):
        source_lengths, target_lengths = source.lengths(block), target.lengths(block)
        sizes[block] = np.count_nonzero(is_usable(source_lengths, target_lengths, max_length))
        num_blank = int(np.count_nonzero((source_lengths == 0) | (target_lengths == 0)))
        skipped.blank += num_blank
        skipped.too_long += len(source_lengths) - int(sizes[block]) - num_blank
    return sizes, skipped
