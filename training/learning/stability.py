"""Detecting bad updates before they are made."""

import math
from dataclasses import dataclass, field
from statistics import median

WINDOW = 100
"""Gradient norms that the next is compared with: 100 outlast a single odd batch, yet follow the training."""

FEWEST = 20
"""With fewer norms no update is judged: the first norms fall steeply."""


@dataclass(slots=True)
class Stability:
    """A run's memory of its gradients; a part of each checkpoint."""

    norms: list[float] = field(default_factory=list)  # of the last updates, at most WINDOW; what is no number aside
    bad_updates: int = 0  # in a row, up to now
    rollbacks: int = 0  # so far

    def judge(self, loss: float, norm: float, *, spike_factor: float) -> str | None:
        """The fault of an update with this loss and gradient norm, None if it is good; remembers the norm.

        spike_factor: largest ratio of the norm to the median of the previous ones; 0: no limit.
        """
        fault = self._fault(loss, norm, spike_factor)
        if math.isfinite(norm):
            self.norms = [*self.norms, norm][-WINDOW:]
        self.bad_updates = 0 if fault is None else self.bad_updates + 1
        return fault

    def _fault(self, loss: float, norm: float, spike_factor: float) -> str | None:
        for name, value in (("loss", loss), ("norm of the gradient", norm)):
            if not math.isfinite(value):
                return f"the {name} is {value}"
        if spike_factor and len(self.norms) >= FEWEST:
            usual = median(self.norms)
            if norm > spike_factor * usual:
                return f"the norm of the gradient is {norm:.3g}, {norm / max(usual, 1e-30):.0f} times the usual"
        return None
