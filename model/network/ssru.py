"""What may stand in the place of the decoder's self-attention: a recurrent unit, whose state alone is kept."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dragoman.model.config import ArchitectureConfig
from dragoman.model.network.operations import as_sums_take_it


class SSRU(nn.Module):
    """A simpler simple recurrent unit (Kim et al. 2019, "From Research to Production and Back"), which looks back on
    the target through a state of d_model numbers: c_t = f_t ∘ c_(t-1) + (1 - f_t) ∘ (x_t W), c_0 = 0, where
    f_t = σ(x_t W_f + b_f); its output is max(0, c_t)."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.forget = nn.Linear(config.d_model, config.d_model)
        self.input = nn.Linear(config.d_model, config.d_model, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """All positions at once: [N, T, d_model] -> [N, T, d_model]. Each of log₂ T rounds joins the spans of positions
        that those before have made: what a span multiplies the state before it by, and what it adds."""
        kept, added = self._gates(states)
        span = 1
        while span < states.shape[1]:
            added = added + kept * F.pad(added[:, :-span], (0, 0, span, 0))
            kept = kept * F.pad(kept[:, :-span], (0, 0, span, 0))
            span *= 2
        return F.relu(added)

    def step(self, states: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """One position of R rows: inputs and last states, [R, 1, d_model] -> outputs and new states, likewise."""
        kept, added = self._gates(states)
        state = kept * last + added
        return F.relu(state), state

    def _gates(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """f and (1 - f) ∘ (x W), in float32 at least: sums over many positions need it."""
        gates, inputs = (as_sums_take_it(projected) for projected in (self.forget(states), self.input(states)))
        return torch.sigmoid(gates), torch.sigmoid(-gates) * inputs
