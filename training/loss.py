"""Label-smoothed cross-entropy of the output projection, in blocks: the logits never exist as a whole."""

from typing import Any

import torch
from torch import Tensor

BLOCK_ROWS = 512
"""Target positions per block: block logits of a vocabulary of 8,000 stay within a processor's cache."""


class _ProjectedCrossEntropy(torch.autograd.Function):
    """See `projected_cross_entropy`. Gradients are made in the forward pass, while a block's logits are at hand.

    The gradient of the loss by the logits is `probabilities - smoothed labels`. Only the probabilities need a number
    for each piece and position; what the smoothing takes from all pieces alike is the same vector for every position,
    added at the end. So a block's logits are touched by three matrix products and one softmax, little more.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        needs_gradient = any(ctx.needs_input_grad)
        product_weight = weight.to(states.dtype)
        mean_weight = weight.mean(dim=0)  # [d_model]: the mean logit of a position is its state times this
        states_gradient = torch.empty_like(states) if needs_gradient else None
        weight_gradient = torch.zeros_like(weight) if needs_gradient else None
        smoothed_loss = states.new_zeros((), dtype=torch.float32)
        negative_log_likelihood = states.new_zeros((), dtype=torch.float32)
        for start in range(0, states.shape[0], BLOCK_ROWS):
            block, block_labels = states[start : start + BLOCK_ROWS], labels[start : start + BLOCK_ROWS].unsqueeze(1)
            logits = block @ product_weight.T  # [rows, V]
            probabilities = logits.softmax(dim=1)
            label_log_probs = probabilities.gather(1, block_labels).float().clamp(min=_SMALLEST).log()
            log_normalizer = logits.gather(1, block_labels).float() - label_log_probs
            mean_log_probs = (block.to(weight.dtype) @ mean_weight).unsqueeze(1) - log_normalizer
            negative_log_likelihood -= label_log_probs.sum()
            smoothed_loss -= ((1 - smoothing) * label_log_probs + smoothing * mean_log_probs).sum()
            if states_gradient is None or weight_gradient is None:
                continue
            difference = probabilities.scatter_add_(
                1, block_labels, probabilities.new_full(block_labels.shape, smoothing - 1)
            )
            torch.mm(difference, product_weight, out=states_gradient[start : start + BLOCK_ROWS])
            weight_gradient += difference.T @ block
        if states_gradient is not None and weight_gradient is not None and smoothing:
            states_gradient -= (smoothing * mean_weight).to(states.dtype)
            weight_gradient -= smoothing / weight.shape[0] * states.sum(dim=0, dtype=weight.dtype)
        ctx.save_for_backward(states_gradient, weight_gradient)
        ctx.mark_non_differentiable(negative_log_likelihood)
        return smoothed_loss, negative_log_likelihood

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        states_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        return states_gradient * scale.to(states_gradient.dtype), weight_gradient * scale, None, None


_SMALLEST = torch.finfo(torch.float32).tiny
"""Bounds the reported loss of a label, at 87 nats, where its probability is too small for a number; its gradient is
not bounded."""


def projected_cross_entropy(states: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Sums over all positions of the label-smoothed cross-entropy (Szegedy et al. 2016) and of the plain negative
    log-likelihood, both in nats, of the logits `states @ weight.T`.

    states: [rows, d_model] in any float type, which the matrix products use, as the probabilities do; sums are in
        float32.
    weight: [V, d_model]; labels: [rows], no padding among them; smoothing: mass spread evenly over all V pieces.
    Only the first of the two returned scalars can be differentiated.
    """
    sums: tuple[Tensor, Tensor] = _ProjectedCrossEntropy.apply(states, weight, labels, smoothing)  # type: ignore[no-untyped-call]
    return sums
