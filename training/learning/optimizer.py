"""The optimizer of a run, and its learning rate as a function of the update's number, 1, 2, …"""

import math
from collections.abc import Iterator, MutableMapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dragoman.training.config import OptimizationConfig


class Optimizer(Protocol):
    """The part of torch's optimizers that a run needs."""

    @property
    def state(self) -> MutableMapping[Any, Any]: ...

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...

    def step(self) -> Any: ...

    def zero_grad(self) -> None: ...


class MuonWithAdamW:
    """Muon (Jordan et al. 2024) makes each update of a matrix orthogonal, so that it moves all directions equally. Its
    steps are scaled to those of AdamW (Liu et al. 2025), so the two share the learning rate."""

    def __init__(self, muon: torch.optim.Muon, adamw: torch.optim.AdamW) -> None:
        self._parts = (muon, adamw)
        self.param_groups = [*muon.param_groups, *adamw.param_groups]
        muon.state = adamw.state  # by parameter, of which they have none in common
        self.state: MutableMapping[Any, Any] = adamw.state

    def step(self) -> None:
        for part in self._parts:
            part.step()  # type: ignore[no-untyped-call] # Muon's

    def zero_grad(self) -> None:
        for part in self._parts:
            part.zero_grad()


def make_optimizer(network: nn.Module, options: OptimizationConfig) -> Optimizer:
    """The configured optimizer. Weight decay applies to matrices alone; without it, AdamW (Loshchilov and Hutter 2019)
    is Adam (Kingma and Ba 2015)."""
    parameters = list(network.parameters())
    matrices = list(_layer_matrices(network)) if options.optimizer == "muon" else []
    others = [parameter for parameter in parameters if not any(parameter is matrix for matrix in matrices)]
    adamw = torch.optim.AdamW(
        [
            {"params": [weight for weight in others if weight.dim() >= 2], "weight_decay": options.weight_decay},
            {"params": [weight for weight in others if weight.dim() < 2], "weight_decay": 0.0},
        ],
        betas=(options.adam_beta1, options.adam_beta2),
        eps=options.adam_epsilon,
        fused=True,
    )
    if not matrices:
        return adamw
    muon = torch.optim.Muon(matrices, weight_decay=options.weight_decay, adjust_lr_fn="match_rms_adamw")
    return MuonWithAdamW(muon, adamw)


def _layer_matrices(network: nn.Module) -> Iterator[Tensor]:
    """The weights of linear layers except the output projection. That, like an embedding, has a row for each piece and
    is not a map between spaces, for which Muon is made."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and name != "output_projection":
            yield module.weight


def learning_rate(update: int, options: OptimizationConfig) -> float:
    """The rate of an update by the configured schedule."""
    peak, warmup_updates = options.learning_rate, options.warmup_updates
    if options.schedule == "inverse_square_root":
        return inverse_square_root(update, peak=peak, warmup_updates=warmup_updates)
    decay = linear if options.schedule == "linear" else cosine
    return decay(
        update,
        peak=peak,
        warmup_updates=warmup_updates,
        max_updates=options.max_updates,
        final=peak * options.final_learning_rate_ratio,
    )


def inverse_square_root(update: int, *, peak: float, warmup_updates: int) -> float:
    """Falls as 1 / √update.

    The schedule of Vaswani et al. (2017), section 5.3, with its peak set by hand rather than by d_model.
    """
    return peak * min(update / warmup_updates, math.sqrt(warmup_updates / update))


def linear(update: int, *, peak: float, warmup_updates: int, max_updates: int, final: float) -> float:
    """Falls along a straight line to `final` at `max_updates`, and stays there."""
    if update <= warmup_updates:
        return peak * update / warmup_updates
    return peak + (final - peak) * _share_of_decay(update, warmup_updates, max_updates)


def cosine(update: int, *, peak: float, warmup_updates: int, max_updates: int, final: float) -> float:
    """Falls along half a cosine to `final` at `max_updates` (Loshchilov and Hutter 2017), and stays there."""
    if update <= warmup_updates:
        return peak * update / warmup_updates
    share = _share_of_decay(update, warmup_updates, max_updates)
    return final + (peak - final) * (1 + math.cos(math.pi * share)) / 2


def _share_of_decay(update: int, warmup_updates: int, max_updates: int) -> float:
    """The share of the updates from the end of the warm-up to the last update that are done, 0 to 1."""
    return min(1.0, (update - warmup_updates) / max(1, max_updates - warmup_updates))
