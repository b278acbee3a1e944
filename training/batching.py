"""Batches of about equally many pieces and little padding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.config import BOS_ID, PAD_ID
from training.corpus import EncodedCorpus


@dataclass(frozen=True, slots=True)
class Batch:
    """N pairs as tensors.

    source: [N, S] int64; source_mask: [N, S], True at real pieces.
    target_input: [N, T] int64, beginning of sentence first; labels: [N, T], the pieces to predict, end included.
    label_mask: [N, T], True at real labels.
    """

    source: Tensor
    source_mask: Tensor
    target_input: Tensor
    labels: Tensor
    label_mask: Tensor
    num_target_tokens: int

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            source=self.source.to(device, non_blocking=True),
            source_mask=self.source_mask.to(device, non_blocking=True),
            target_input=self.target_input.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            label_mask=self.label_mask.to(device, non_blocking=True),
            num_target_tokens=self.num_target_tokens,
        )


class EpochBatches:
    """The batches of one epoch in an order that depends only on the corpus, the seed and the epoch's number.

    Pairs of like lengths go together: sorted by target, then source length, in random order among equals, and cut
    where padding would carry a side over `batch_tokens`; the batches then come in random order. A pair longer than
    `batch_tokens` makes a batch of its own.
    """

    def __init__(self, corpus: EncodedCorpus, batch_tokens: int, *, seed: int, epoch: int) -> None:
        self.corpus = corpus
        random = np.random.default_rng((seed, epoch))
        shuffled = random.permutation(len(corpus))
        source_lengths, target_lengths = corpus.source.lengths[shuffled], corpus.target.lengths[shuffled]
        order = np.lexsort((source_lengths, target_lengths))  # stable: equals keep their random order
        cuts = _cuts(source_lengths[order].tolist(), target_lengths[order].tolist(), batch_tokens)
        groups = np.split(shuffled[order], cuts)
        self._groups = [groups[i] for i in random.permutation(len(groups))]

    def __len__(self) -> int:
        return len(self._groups)

    def padding_share(self) -> float:
        """Padded places among all places of all batches, both sides, 0 to 1."""
        real = places = 0
        for side in (self.corpus.source, self.corpus.target):
            lengths = side.lengths
            real += int(lengths.sum())
            places += sum(int(lengths[group].max()) * len(group) for group in self._groups)
        return 1 - real / places

    def iterate(self, start: int = 0) -> Iterator[Batch]:
        """The batches from number `start` on."""
        for group in self._groups[start:]:
            yield make_batch(self.corpus, group)


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
    source = torch.from_numpy(corpus.source.pad(indices, PAD_ID))
    labels = torch.from_numpy(corpus.target.pad(indices, PAD_ID))
    label_mask = labels != PAD_ID
    beginnings = torch.full((len(indices), 1), BOS_ID)
    return Batch(
        source=source,
        source_mask=source != PAD_ID,
        target_input=torch.cat((beginnings, labels[:, :-1]), dim=1),
        labels=labels,
        label_mask=label_mask,
        num_target_tokens=int(label_mask.sum()),
    )
