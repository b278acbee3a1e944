"""The loss of a network on dev sentences."""

from collections.abc import Sequence

import torch

from dragoman.model.codec import Codec
from dragoman.model.config import Architecture
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.network import Network
from dragoman.training.config import ObjectiveConfig
from dragoman.training.corpus.batching import PoolBatches
from dragoman.training.corpus.pairs import EncodedCorpus, ParallelText, encode_corpus
from dragoman.training.learning.objective import Objective

_BATCH_TOKENS = 4096


class DevLoss:
    """The negative log-likelihood of the references, without label smoothing, given all pieces before each one.

    Comparable with that of training, in which dropout takes part. It is of the weights before they are rounded for a
    bundle.
    """

    def __init__(
        self,
        dev: Sequence[ParallelText],
        vocabulary: Codec,
        architecture: Architecture,
        *,
        low_precision: bool,
    ) -> None:
        """Pairs with a side that is too long for the network are left out. low_precision: whether matrix products are
        in bfloat16, as in training."""
        self._low_precision = low_precision
        room = min(architecture.source_limit - 2, architecture.max_target_length - 1)
        self._batches = {
            text.label: PoolBatches(corpus, _BATCH_TOKENS, seed=())
            for text in dev
            if (corpus := _encode(text, vocabulary, max_length=room)) is not None
        }

    @property
    def labels(self) -> frozenset[str]:
        """Of the texts that are measured."""
        return frozenset(self._batches)

    def __call__(self, network: Network) -> dict[str, float]:
        """Nats per target piece, the end of the sentence included, by the texts' labels; none of a text whose pairs are
        all too long. network: in evaluation mode."""
        objective = Objective(network, ObjectiveConfig(), low_precision=self._low_precision)
        device = next(network.parameters()).device
        with torch.no_grad():
            return {
                label: sum(float(objective(batch.make().to(device)).negative_log_likelihood.sum()) for batch in batches)
                / sum(batch.num_target_tokens for batch in batches)
                for label, batches in self._batches.items()
            }


def _encode(text: ParallelText, vocabulary: Codec, *, max_length: int) -> EncodedCorpus | None:
    try:
        return encode_corpus([(text.direction, text.source, text.target)], vocabulary, max_length=max_length)
    except InvalidInputError:  # no pair is left
        return None
