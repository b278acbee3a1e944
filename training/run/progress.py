"""A run's progress: all of its state except the weights, the optimizer and the moving average."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dragoman.training.corpus.batching import Position
from dragoman.training.evaluation.ranking import Rank, rank
from dragoman.training.learning.stability import Stability
from dragoman.training.learning.updater import Gradients

OWN_LOSS = "negative_log_likelihood "
"""Prefix of the names of the corpora's own losses in metrics.jsonl."""


@dataclass(slots=True)
class Window:
    """Sums since the last line of metrics."""

    updates: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    negative_log_likelihood: float = 0.0
    gradient_norm: float = 0.0
    corpora: dict[str, list[float]] = field(default_factory=dict)  # of each: negative log-likelihood, tokens

    def means(self) -> dict[str, float]:
        """Means per target token, of the norm per update; there must have been an update. Of several corpora also each
        one's own."""
        own = self.corpora.items() if len(self.corpora) > 1 else ()
        return {
            "loss": self.loss / self.tokens,
            "negative_log_likelihood": self.negative_log_likelihood / self.tokens,
            **{f"{OWN_LOSS}{name}": likelihood / tokens for name, (likelihood, tokens) in own if tokens},
            "gradient_norm": self.gradient_norm / self.updates,
            "tokens_per_second": self.tokens / max(self.seconds, 1e-9),
        }


class Validation(NamedTuple):
    """What a validation measured: `bleu` is what decides which network is the best, see `decisive_score`, `values` has
    all, see `Validator`."""

    update: int
    bleu: float
    values: dict[str, float]

    @property
    def rank(self) -> Rank:
        """The highest is the best."""
        return rank(self.bleu, self.values)


@dataclass(slots=True)
class Progress:
    """A run's progress."""

    update: int = 0  # updates done
    position: Position = field(default_factory=Position)  # in the stream of batches
    num_batches: int = 0  # per update, of all processes; 0 before the first
    seconds: float = 0.0  # spent training, over all resumptions
    target_tokens: int = 0  # trained on
    validations: list[Validation] = field(default_factory=list)
    stability: Stability = field(default_factory=Stability)
    window: Window = field(default_factory=Window)
    awaits_checkpoint: bool = False  # one is due
    awaits_validation: bool = False
    stops: list[int] = field(default_factory=list)  # updates whose checkpoint a signal, not the schedule, requested

    @property
    def best(self) -> Validation | None:
        """The best validation so far, the earliest among equals."""
        return max(self.validations, key=lambda validation: (validation.rank, -validation.update), default=None)

    def count(self, gradients: Gradients) -> None:
        """Adds a good update."""
        num_tokens = sum(gradients.tokens.values())
        self.target_tokens += num_tokens
        window = self.window
        window.updates += 1
        window.tokens += num_tokens
        window.loss += gradients.loss
        window.negative_log_likelihood += sum(gradients.likelihoods.values())
        for name, likelihood in gradients.likelihoods.items():
            sums = window.corpora.setdefault(name, [0.0, 0])
            sums[0] += likelihood
            sums[1] += gradients.tokens[name]
        window.gradient_norm += gradients.norm

    def count_seconds(self, seconds: float) -> None:
        self.seconds += seconds
        self.window.seconds += seconds

    @classmethod
    def from_json(cls, text: str) -> "Progress":
        """Raises ValueError, TypeError or KeyError for a text that is not a Progress as JSON."""
        values: dict[str, Any] = json.loads(text)
        values["position"] = Position.from_values(values["position"])
        values["stability"] = Stability(**values["stability"])
        values["window"] = Window(**values["window"])
        values["validations"] = [  # an older version kept update and BLEU alone
            Validation(update, bleu, *more or [{}]) for update, bleu, *more in values["validations"]
        ]
        return cls(**values)
