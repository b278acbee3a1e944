"""The network in 8-bit integers with torch alone: the native decoder's arithmetic where it cannot be compiled.

Weights have a fixed scale for each output; inputs have a scale for each row, found on the fly (Dettmers et al. 2022,
section 2.1, without its outliers). Sums of products of integers are exact, so a row's result depends on that row alone.
The keys and values that a decoder keeps have 16 bits.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

from dragoman.model.network.network import Network
from dragoman.model.parameters import describe_parameters

AnyNetwork = TypeVar("AnyNetwork", bound=Network)


def quantize_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """[rows, columns] -> int8 of the same shape and float32 scales [rows], so that matrix ≈ int8 · scale."""
    scales = (matrix.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
    return (matrix / scales.unsqueeze(1)).round().to(torch.int8), scales


class QuantizedLinear(nn.Module):
    """nn.Linear with an integer product."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scales = quantize_rows(linear.weight.detach().float())
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())
        self.weight: Tensor
        self.scales: Tensor
        self.bias: Tensor | None

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., num_inputs] -> [..., num_outputs], float32"""
        rows = inputs.flatten(0, -2)
        limits = rows.abs().amax(dim=1, keepdim=True)
        inverses = torch.where(limits > 0, 127 / limits, 0.0)
        quantized = (rows * inverses).round().to(torch.int8)
        sums = torch._int_mm(quantized, self.weight.t())
        products = sums.float() * (self.scales * (limits / 127))
        return (products if self.bias is None else products + self.bias).unflatten(0, inputs.shape[:-1])


class CachedLinear(QuantizedLinear):
    """A projection to keys or values that are kept, in bfloat16."""

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., num_inputs] -> [..., num_outputs], float32 of the precision of bfloat16"""
        return super().forward(inputs).bfloat16().float()


def quantize_network(network: AnyNetwork) -> AnyNetwork:
    """Converts in place every linear layer and embedding of the network to 8 bits, and the decoder's keys and values to
    16. Returns the network, which otherwise computes in float32 and can no longer be trained."""
    with torch.no_grad():
        for parameter in describe_parameters(network.config, network.vocabulary):
            module = network.get_submodule(parameter.module)
            match parameter.role:
                case "embedding":
                    assert isinstance(module, nn.Embedding)
                    integers, scales = quantize_rows(module.weight)
                    module.weight = nn.Parameter(integers.float() * scales.unsqueeze(1), requires_grad=False)
                case "projection" | "output" | "cached_projection":
                    assert isinstance(module, nn.Linear)
                    kind = CachedLinear if parameter.role == "cached_projection" else QuantizedLinear
                    network.set_submodule(parameter.module, kind(module))
    return network
