"""The exponential moving average of a network's weights (Polyak and Juditsky 1992)."""

import torch
from torch import Tensor, nn

from dragoman.training.learning.distributed import scatter_like


class MovingAverage:
    """Follows the weights, in float32: after each update it moves towards them by 1 - decay of the way.

    The decay rises to its final value as (1 + n) / (10 + n) over the updates n = 1, 2, …: the first weights, which are
    random, are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begins with the network's present weights. decay: of later updates, 0 to 1."""
        self.decay = decay
        self._parameters = dict(network.named_parameters())
        self._means = {name: weight.detach().float().clone() for name, weight in self._parameters.items()}

    @torch.no_grad()
    def follow(self, update: int) -> None:
        """Takes in the weights as update `update`, 1 or more, left them."""
        decay = min(self.decay, (1 + update) / (10 + update))
        for name, mean in self._means.items():
            mean.lerp_(self._parameters[name].float(), 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """The means by the parameters' names, in parts where the parameters are."""
        return self._means

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Puts whole tensors, by the parameters' names, in the means' place."""
        for name, mean in self._means.items():
            mean.copy_(scatter_like(tensors[name], mean))
