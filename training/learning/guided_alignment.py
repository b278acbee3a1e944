"""Guided alignment: the attention learns IBM Model 1's alignment (Chen et al. 2016; Garg et al. 2019)."""

import numpy as np
import torch
from torch import Tensor

from dragoman.training.corpus.batching import Batch
from dragoman.training.corpus.pairs import EncodedCorpus
from dragoman.training.learning.translation_table import TranslationTable, learn_translation_table

NUM_ITERATIONS = 5

_SMALLEST = 1e-6
"""Lower bound of attention in the loss: it costs 14 nats at most."""


class AlignmentPrior:
    """The alignment of each target piece by a lexicon of pieces.

    p(place | target piece, source) of IBM Model 1 is the translation probability of the piece at that place divided by
    the sum over all places (Brown et al. 1993, equation 17). It is computed from the pieces of each batch, so it needs
    no aligned corpus and works with sampled segmentations.
    """

    def __init__(self, table: TranslationTable) -> None:
        self._num_targets = int(table.targets.max()) + 1
        self._keys = table.sources * self._num_targets + table.targets  # ascending
        self._probabilities = table.probabilities

    @classmethod
    def learn(cls, corpus: EncodedCorpus) -> "AlignmentPrior":
        """Learns from the pairs of a corpus, or of a pool of it; deterministic."""
        return cls(learn_translation_table(corpus, NUM_ITERATIONS))

    def of(self, batch: Batch) -> Tensor:
        """[N, T, S] float32: the rows of real labels add up to 1, or are 0 if the lexicon has no entry; 0 at
        padding."""
        source, labels = batch.source.cpu().numpy(), batch.labels.cpu().numpy()
        keys = source[:, None, :] * self._num_targets + labels[:, :, None]
        places = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        is_known = (self._keys[places] == keys) & (labels < self._num_targets)[:, :, None]
        probabilities = np.where(is_known, self._probabilities[places], 0.0)
        probabilities *= batch.source_mask.cpu().numpy()[:, None, :] & batch.label_mask.cpu().numpy()[:, :, None]
        totals = probabilities.sum(axis=2, keepdims=True)
        posterior = np.divide(probabilities, totals, out=np.zeros_like(probabilities), where=totals > 0)
        return torch.from_numpy(posterior.astype(np.float32)).to(batch.source.device)


def alignment_loss(attention: Tensor, prior: Tensor) -> Tensor:
    """Cross-entropy, in nats, of the attention averaged over the heads against the prior; summed over target pieces.

    attention: [N, num_heads, T, S], whose rows add up to 1; prior: [N, T, S].
    """
    mean = attention.float().mean(dim=1)
    return -(prior * mean.clamp(min=_SMALLEST).log()).sum()
