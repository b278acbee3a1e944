"""Perplexity on the dev sets during the training of a language model."""

import math
from collections.abc import Mapping, Sequence

from dragoman.model.codec import Codec
from dragoman.model.config import Architecture
from dragoman.model.errors import InvalidInputError
from dragoman.model.network.network import Network
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.evaluation.dev_loss import DevLoss
from dragoman.training.evaluation.ranking import LOSS, PERPLEXITY
from dragoman.training.evaluation.validation import weighted_mean


class PerplexityValidator:
    """Measures a language model on the texts of each dev set. It stands where a `Validator` stands for translation."""

    def __init__(
        self,
        architecture: Architecture,
        vocabulary: Codec,
        dev: Sequence[ParallelText],
        *,
        weights: Mapping[str, float],
        low_precision: bool,
        max_sentences: int,
    ) -> None:
        """See `Validator`. Raises InvalidInputError for a dev set of which no text can be measured."""
        self.weights = weights
        self.dev = [
            ParallelText(text.direction, text.source[:max_sentences], text.target[:max_sentences], text.set_name)
            for text in dev
        ]
        self.hypotheses: dict[str, list[str]] = {}
        self.dev_loss = DevLoss(self.dev, vocabulary, architecture, low_precision=low_precision)
        for text in self.dev:
            if text.label not in self.dev_loss.labels:
                raise InvalidInputError(f"data.dev: all texts of {text.label} are blank or too long")

    def __call__(self, network: Network) -> dict[str, float]:
        """The loss of each text, in nats per piece; and under PERPLEXITY what e to the power of their weighted mean is.
        network: in evaluation mode."""
        losses = self.dev_loss(network)
        mean = weighted_mean(((text.set_name, losses[text.label]) for text in self.dev), self.weights)
        return {PERPLEXITY: math.exp(mean), **{f"{LOSS}{label}": loss for label, loss in losses.items()}}
