"""Label-smoothed cross-entropy of the output projection, in blocks: the logits never exist as a whole."""

from typing import Any

import torch
from torch import Tensor

BLOCK_ROWS = 512
"""Target positions per block: block logits of a vocabulary of 8,000 stay within a processor's cache."""


class _ProjectedCrossEntropy(torch.autograd.Function):
    """See `projected_cross_entropy`. Gradients are made in the forward pass, while a block's logits are at hand."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        needs_gradient = any(ctx.needs_input_grad)
        num_pieces = weight.shape[0]
        product_weight = weight.to(states.dtype)
        states_gradient = torch.empty_like(states) if needs_gradient else None
        weight_gradient = torch.zeros_like(weight) if needs_gradient else None
        smoothed_loss = states.new_zeros((), dtype=torch.float32)
        negative_log_likelihood = states.new_zeros((), dtype=torch.float32)
        for start in range(0, states.shape[0], BLOCK_ROWS):
            block, block_labels = states[start : start + BLOCK_ROWS], labels[start : start + BLOCK_ROWS].unsqueeze(1)
            logits = (block @ product_weight.T).float()  # [rows, V]
            log_normalizer = logits.logsumexp(dim=1, keepdim=True)
            label_log_probs = logits.gather(1, block_labels) - log_normalizer
            mean_log_probs = logits.mean(dim=1, keepdim=True) - log_normalizer
            negative_log_likelihood -= label_log_probs.sum()
            smoothed_loss -= ((1 - smoothing) * label_log_probs + smoothing * mean_log_probs).sum()
            if states_gradient is None or weight_gradient is None:
                continue
            # d loss / d logits = probabilities - smoothed labels
            logits_gradient = logits.sub_(log_normalizer).exp_()
            logits_gradient.sub_(smoothing / num_pieces)
            logits_gradient.scatter_add_(1, block_labels, logits_gradient.new_full(block_labels.shape, smoothing - 1))
            low_precision = logits_gradient.to(states.dtype)
            torch.mm(low_precision, product_weight, out=states_gradient[start : start + BLOCK_ROWS])
            weight_gradient += low_precision.T @ block
        ctx.save_for_backward(states_gradient, weight_gradient)
        ctx.mark_non_differentiable(negative_log_likelihood)
        return smoothed_loss, negative_log_likelihood

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        states_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        return states_gradient * scale.to(states_gradient.dtype), weight_gradient * scale, None, None


def projected_cross_entropy(states: Tensor, weight: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Sums over all positions of the label-smoothed cross-entropy (Szegedy et al. 2016) and of the plain negative
    log-likelihood, both in nats, of the logits `states @ weight.T`.

    states: [rows, d_model] in any float type, which the matrix products use; sums are in float32.
    weight: [V, d_model]; labels: [rows], no padding among them; smoothing: mass spread evenly over all V pieces.
    Only the first of the two returned scalars can be differentiated.
    """
    sums: tuple[Tensor, Tensor] = _ProjectedCrossEntropy.apply(states, weight, labels, smoothing)  # type: ignore[no-untyped-call]
    return sums
