"""What training minimizes over a batch: one module, so that DDP and FSDP2 can wrap it as a whole."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.transformer import Transformer
from training.batching import Batch
from training.config import ObjectiveConfig
from training.loss import projected_cross_entropy


class LossSums(NamedTuple):
    """Sums over the target tokens of a batch, in nats, scalars in float32."""

    total: Tensor  # what is minimized, the only one that can be differentiated
    negative_log_likelihood: Tensor


class Objective(nn.Module):
    """Label-smoothed cross-entropy of a network's predictions."""

    def __init__(self, network: Transformer, options: ObjectiveConfig, *, low_precision: bool) -> None:
        super().__init__()
        self.network = network
        self.options = options
        self.low_precision = low_precision

    def forward(self, batch: Batch) -> LossSums:
        """A batch on the network's device; matrix products in bfloat16 if `low_precision`, sums in float32."""
        with torch.autocast(batch.source.device.type, torch.bfloat16, enabled=self.low_precision):
            encoded = self.network.encode(batch.source, batch.source_mask)
            decoded = self.network.decode(encoded, batch.source_mask, batch.target_input)
        states = decoded[batch.label_mask]  # [num_target_tokens, d_model]: padding costs no output projection
        total, negative_log_likelihood = projected_cross_entropy(
            states.to(torch.bfloat16) if self.low_precision else states,
            self.network.output_projection.weight,
            batch.labels[batch.label_mask],
            self.options.label_smoothing,
        )
        return LossSums(total, negative_log_likelihood)
