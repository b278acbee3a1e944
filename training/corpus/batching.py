"""Batches of about equally many pieces and little padding."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dragoman.training.corpus.pairs import EncodedCorpus


@dataclass(frozen=True, slots=True)
class Batch:
    """N pairs as tensors.

    source: [N, S] int64; source_mask: [N, S], True at real pieces.
    target_input: [N, T] int64, beginning of sentence first; labels: [N, T], the pieces to predict, end included.
    label_mask: [N, T], True at real labels. label_places: [labels] int64, their places in [N · T], found on the host:
    to index by a mask would wait for the device.
    corpora: [N] int64, the number of each pair's corpus, below num_corpora.
    """

    source: Tensor
    source_mask: Tensor
    target_input: Tensor
    labels: Tensor
    label_mask: Tensor
    label_places: Tensor
    corpora: Tensor
    num_corpora: int
    num_target_tokens: int

    def to(self, device: torch.device) -> "Batch":
        def move(tensor: Tensor) -> Tensor:
            # From pinned memory the copy to an accelerator waits for nothing.
            return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)

        return Batch(
            source=move(self.source),
            source_mask=move(self.source_mask),
            target_input=move(self.target_input),
            labels=move(self.labels),
            label_mask=move(self.label_mask),
            label_places=move(self.label_places),
            corpora=move(self.corpora),
            num_corpora=self.num_corpora,
            num_target_tokens=self.num_target_tokens,
        )


@dataclass(frozen=True, slots=True)
class LanePlace:
    """A lane's place in a mixture, see `training.corpus.mixture`.

    pool: pools done; batch: batches of this pool done; batches: those of all pools before it. share: of the run, when
    the pool began. cursors: there, in each source.
    """

    pool: int
    batch: int
    batches: int
    share: float
    cursors: tuple[tuple[int, int, int], ...]

    @classmethod
    def beginning(cls, num_sources: int) -> "LanePlace":
        """Before the first pair."""
        return cls(0, 0, 0, 0.0, ((0, 0, 0),) * num_sources)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> "LanePlace":
        """The inverse of `dataclasses.asdict`, after JSON."""
        return cls(**values | {"cursors": tuple(map(tuple, values["cursors"]))})

    def after_batch(self) -> "LanePlace":
        """Behind one batch more of the same pool."""
        return replace(self, batch=self.batch + 1)


@dataclass(frozen=True, slots=True)
class Position:
    """A run's place in its endless stream of batches."""

    epoch: int = 0
    pool: int = 0  # pools of this epoch done
    batch: int = 0  # batches of this pool done
    lanes: tuple[LanePlace, ...] = ()  # of a mixture, which has no pools that all share

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> "Position":
        """The inverse of `dataclasses.asdict`, after JSON."""
        return cls(**values | {"lanes": tuple(map(LanePlace.from_values, values.get("lanes", ())))})


class PooledCorpus(Protocol):
    """A corpus that is read in pools, each of which fits into memory."""

    def pools(self, *, seed: int, epoch: int) -> Sequence[Callable[[], EncodedCorpus]]:
        """An epoch's pools, at least one; calling one reads its pairs and raises the errors of reading files.

        They depend only on the corpus, the seed and the epoch's number.
        """


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """The pairs of a batch, not yet padded into tensors."""

    pool: EncodedCorpus
    indices: npt.NDArray[np.int64]
    num_target_tokens: int

    def make(self) -> Batch:
        return make_batch(self.pool, self.indices)

    def target_tokens_by_corpus(self) -> dict[str, int]:
        """Target pieces of each corpus, by its name."""
        pool = self.pool
        if pool.corpora is None:
            return {pool.names[0]: self.num_target_tokens}
        lengths = pool.target.lengths[self.indices]
        counts = np.bincount(pool.corpora[self.indices], weights=lengths, minlength=len(pool.names))
        return {name: int(count) for name, count in zip(pool.names, counts, strict=True)}


class PoolBatches:
    """The batches of one pool in an order that depends only on its pairs and the seed.

    Pairs of similar length go together: they are sorted by target, then source length, in random order among equals,
    and cut where padding would carry a side over `batch_tokens`. The batches then come in random order. A pair longer
    than `batch_tokens` is a batch of its own.
    """

    def __init__(self, pool: EncodedCorpus, batch_tokens: int, *, seed: Sequence[int]) -> None:
        self.pool = pool
        random = np.random.default_rng(seed)
        shuffled = random.permutation(len(pool))
        source_lengths, target_lengths = pool.source.lengths[shuffled], pool.target.lengths[shuffled]
        order = np.lexsort((source_lengths, target_lengths))  # stable: equals keep their random order
        cuts = _cuts(source_lengths[order].tolist(), target_lengths[order].tolist(), batch_tokens)
        groups = np.split(shuffled[order], cuts)
        num_target_tokens = np.add.reduceat(target_lengths[order], [0, *cuts])
        self._groups = [(groups[i], int(num_target_tokens[i])) for i in random.permutation(len(groups))]

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, number: int) -> PlannedBatch:
        indices, num_target_tokens = self._groups[number]
        return PlannedBatch(self.pool, indices, num_target_tokens)

    def __iter__(self) -> Iterator[PlannedBatch]:
        return map(self.__getitem__, range(len(self)))

    def padding_share(self) -> float:
        """Padded places among all places of all batches, both sides, 0 to 1."""
        real = places = 0
        for side in (self.pool.source, self.pool.target):
            lengths = side.lengths
            real += int(lengths.sum())
            places += sum(int(lengths[group].max()) * len(group) for group, _ in self._groups)
        return 1 - real / places


class BatchStream:
    """The batches of a corpus, epoch after epoch without end, pool after pool.

    Their order depends only on the corpus, `batch_tokens` and the seed: a resumed run gets the same batches as an
    undisturbed one. A thread prepares the next pool while the run trains on the present one.
    """

    def __init__(self, corpus: PooledCorpus, batch_tokens: int, *, seed: int) -> None:
        self.corpus = corpus
        self.batch_tokens = batch_tokens
        self.seed = seed

    def updates(
        self, start: Position, num_batches: int, *, rank: int = 0, size: int = 1
    ) -> Generator[tuple[list[PlannedBatch | None], Position], None, None]:
        """For each update its batches, and the position after it. Every process plans the batches of all."""
        with closing(self.batches(start)) as batches:
            while True:
                planned = list(islice(batches, num_batches))
                yield [batch for batch, _ in planned], planned[-1][1]

    def batches(self, start: Position) -> Generator[tuple[PlannedBatch, Position], None, None]:
        """The batches from a position on, each with the position after it. Raises what reading a pool raises."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pool")
        tasks = (executor.submit(self._prepare, *task) for task in self._tasks(start))
        try:
            upcoming = next(tasks)
            first = start.batch
            while True:
                here, following, batches = upcoming.result()
                upcoming = next(tasks)
                for number in range(first, len(batches)):
                    after = replace(here, batch=number + 1) if number + 1 < len(batches) else following
                    yield batches[number], after
                first = 0
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def _tasks(self, start: Position) -> Iterator[tuple[Position, Position, Callable[[], EncodedCorpus]]]:
        """Pools without end: where each begins, where the one after it begins, and what reads it."""
        first = start.pool
        for epoch in count(start.epoch):
            pools = self.corpus.pools(seed=self.seed, epoch=epoch)
            for number in range(first, len(pools)):
                is_last = number + 1 == len(pools)
                following = Position(epoch + 1) if is_last else Position(epoch, number + 1)
                yield Position(epoch, number), following, pools[number]
            first = 0

    def _prepare(
        self, here: Position, following: Position, read: Callable[[], EncodedCorpus]
    ) -> tuple[Position, Position, PoolBatches]:
        batches = PoolBatches(read(), self.batch_tokens, seed=(self.seed, here.epoch, here.pool))
        return here, following, batches


def _cuts(source_lengths: list[int], target_lengths: list[int], batch_tokens: int) -> list[int]:
    """Where to cut a sorted list of pairs so that no batch, padded, has more than `batch_tokens` places on a side."""
    cuts: list[int] = []
    start = longest = 0
    for index, lengths in enumerate(zip(source_lengths, target_lengths, strict=True)):
        longest = max(longest, *lengths)
        if index > start and longest * (index - start + 1) > batch_tokens:
            cuts.append(index)
            start, longest = index, max(lengths)
    return cuts


def make_batch(corpus: EncodedCorpus, indices: npt.NDArray[np.int64]) -> Batch:
    """The chosen pairs as one padded batch."""
    special = corpus.vocabulary
    source, labels = (torch.from_numpy(side.pad(indices, special.pad_id)) for side in (corpus.source, corpus.target))
    source_mask, label_mask = (
        torch.arange(ids.shape[1]) < torch.from_numpy(side.lengths[indices]).unsqueeze(1)
        for ids, side in ((source, corpus.source), (labels, corpus.target))
    )
    beginnings = torch.full((len(indices), 1), special.start_id)
    corpora = np.zeros(len(indices), np.int64) if corpus.corpora is None else corpus.corpora[indices]
    return Batch(
        source=source,
        source_mask=source_mask,
        target_input=torch.cat((beginnings, labels[:, :-1]), dim=1),
        labels=labels,
        label_mask=label_mask,
        label_places=label_mask.flatten().nonzero().squeeze(1),
        corpora=torch.from_numpy(corpora),
        num_corpora=len(corpus.names),
        num_target_tokens=int(label_mask.sum()),
    )
