"""A run's progress: all of its state except the weights, the optimizer and the moving average."""

import json
from dataclasses import dataclass, field
from typing import Any

from dragoman.training.corpus.batching import Position
from dragoman.training.learning.stability import Stability
from dragoman.training.learning.updater import Gradients


@dataclass(slots=True)
class Window:
    """Sums since the last line of metrics."""

    updates: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    negative_log_likelihood: float = 0.0
    gradient_norm: float = 0.0

    def means(self) -> dict[str, float]:
        """Means per target token, of the norm per update; there must have been an update."""
        return {
            "loss": self.loss / self.tokens,
            "negative_log_likelihood": self.negative_log_likelihood / self.tokens,
            "gradient_norm": self.gradient_norm / self.updates,
            "tokens_per_second": self.tokens / max(self.seconds, 1e-9),
        }


@dataclass(slots=True)
class Progress:
    """A run's progress."""

    update: int = 0  # updates done
    position: Position = field(default_factory=Position)  # in the stream of batches
    num_batches: int = 0  # per update, of all processes; 0 before the first
    seconds: float = 0.0  # spent training, over all resumptions
    target_tokens: int = 0  # trained on
    validations: list[tuple[int, float]] = field(default_factory=list)  # (update, mean BLEU)
    stability: Stability = field(default_factory=Stability)
    window: Window = field(default_factory=Window)
    awaits_checkpoint: bool = False  # one is due
    awaits_validation: bool = False
    stops: list[int] = field(default_factory=list)  # updates whose checkpoint a signal, not the schedule, requested

    @property
    def best(self) -> tuple[int, float] | None:
        """The best validation so far, the earliest among equals."""
        return max(self.validations, key=lambda validation: (validation[1], -validation[0]), default=None)

    def count(self, gradients: Gradients) -> None:
        """Adds a good update."""
        self.target_tokens += gradients.num_tokens
        window = self.window
        window.updates += 1
        window.tokens += gradients.num_tokens
        window.loss += gradients.loss
        window.negative_log_likelihood += gradients.negative_log_likelihood
        window.gradient_norm += gradients.norm

    def count_seconds(self, seconds: float) -> None:
        self.seconds += seconds
        self.window.seconds += seconds

    @classmethod
    def from_json(cls, text: str) -> "Progress":
        """Raises ValueError, TypeError or KeyError for a text that is not a Progress as JSON."""
        values: dict[str, Any] = json.loads(text)
        values["position"] = Position(**values["position"])
        values["stability"] = Stability(**values["stability"])
        values["window"] = Window(**values["window"])
        values["validations"] = [(update, bleu) for update, bleu in values["validations"]]
        return cls(**values)
