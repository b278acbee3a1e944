"""Losses on the output projection, in blocks of positions: all logits never exist at once."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

BLOCK_ROWS = 512
"""Target positions per block on a processor: block logits of a vocabulary of 8,000 stay within its cache."""

DEVICE_LOGITS = 1 << 28
"""Logits per block on an accelerator, 1 GiB in float32: mostly all of a batch, in one product."""

Groups = tuple[Tensor, int] | None
"""The group of each position, [rows] int64, and the number of groups; None if all positions are one group."""

_SMALLEST = torch.finfo(torch.float32).tiny
"""Bounds the reported loss of a label at 87 nats if its probability underflows; its gradient is not bounded."""

CrossEntropy = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]
"""Takes the logits of a block, [rows, V], whose memory it may use, its labels, [rows], and a share. Returns the
gradient by the logits of `normalizer - share · the label's logit`, in their precision; the normalizers, which
are the logarithms of the sums of their exponentials; and the labels' log-probabilities: both [rows], in float32."""


def torch_cross_entropy(logits: Tensor, labels: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """See `CrossEntropy`."""
    places = labels.unsqueeze(1)
    probabilities = logits.softmax(dim=1, dtype=torch.float32)
    label_log_probs = probabilities.gather(1, places).float().clamp(min=_SMALLEST).log()
    normalizers = logits.gather(1, places).float() - label_log_probs
    gradient = _minus_at(probabilities, places, share).to(logits.dtype)
    return gradient, normalizers.squeeze(1), label_log_probs.squeeze(1)


class _Gradients:
    """Gradients of states and weight, gathered block by block from the gradients of the logits.

    The cross-entropy's gradient by the logits is `probabilities - smoothed labels`. The smoothing's even share is the
    same for every position, so `finish` subtracts it from the sums, and no block needs it.
    """

    def __init__(self, states: Tensor, weight: Tensor, product_weight: Tensor) -> None:
        """product_weight: the weight in the precision of states."""
        self._rows, self._product_weight = states, product_weight
        self.states = torch.empty_like(states)
        self.weight = torch.zeros_like(weight)

    def add(self, block: slice, logits_gradient: Tensor) -> None:
        """logits_gradient: [rows of the block, V], without the even share of the smoothing."""
        torch.mm(logits_gradient, self._product_weight, out=self.states[block])
        self.weight += logits_gradient.T @ self._rows[block]

    def finish(self, smoothing: float, mean_weight: Tensor) -> None:
        if smoothing:
            self.states -= (smoothing * mean_weight).to(self.states.dtype)
            self.weight -= smoothing / self.weight.shape[0] * self._rows.sum(dim=0, dtype=self.weight.dtype)


class _LikelihoodSums:
    """The negative log-likelihood, summed over all positions, or over those of each group."""

    def __init__(self, states: Tensor, groups: Groups) -> None:
        self._groups = None if groups is None else groups[0]
        self.negative = states.new_zeros(() if groups is None else (groups[1],), dtype=torch.float32)

    def add(self, block: slice, log_probs: Tensor) -> None:
        """log_probs: [rows of the block], of the labels."""
        if self._groups is None:
            self.negative -= log_probs.sum()
        else:
            self.negative.index_add_(0, self._groups[block], log_probs, alpha=-1)


def block_rows(device: torch.device, vocab_size: int) -> int:
    """Target positions per block."""
    return BLOCK_ROWS if device.type == "cpu" else max(BLOCK_ROWS, DEVICE_LOGITS // vocab_size)


def _blocks(rows: int, weight: Tensor) -> Iterator[slice]:
    size = block_rows(weight.device, weight.shape[0])
    return (slice(start, start + size) for start in range(0, rows, size))


class _ProjectedCrossEntropy(torch.autograd.Function):
    """See `projected_cross_entropy`. The forward pass computes the gradients while a block's logits are in memory."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        labels: Tensor,
        smoothing: float,
        groups: Groups,
        cross_entropy: CrossEntropy,
    ) -> tuple[Tensor, Tensor]:
        product_weight = weight.to(states.dtype)
        mean_weight = weight.mean(dim=0)  # [d_model]: the mean logit of a position is its state times this
        gradients = _Gradients(states, weight, product_weight) if any(ctx.needs_input_grad) else None
        smoothed_loss = states.new_zeros((), dtype=torch.float32)
        likelihood = _LikelihoodSums(states, groups)
        for block in _blocks(states.shape[0], weight):
            logits = states[block] @ product_weight.T  # [rows, V]
            logits_gradient, normalizers, label_log_probs = cross_entropy(logits, labels[block], 1 - smoothing)
            mean_log_probs = states[block].to(weight.dtype) @ mean_weight - normalizers
            likelihood.add(block, label_log_probs)
            smoothed_loss -= ((1 - smoothing) * label_log_probs + smoothing * mean_log_probs).sum()
            if gradients is not None:
                gradients.add(block, logits_gradient)
        _save(ctx, gradients, smoothing, mean_weight)
        ctx.mark_non_differentiable(likelihood.negative)
        return smoothed_loss, likelihood.negative

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        return *_scaled(ctx, gradients[0]), None, None, None, None


class _ProjectedRDrop(torch.autograd.Function):
    """See `projected_r_drop`; works like the plain cross-entropy."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        labels: Tensor,
        smoothing: float,
        strength: float,
        groups: Groups,
    ) -> tuple[Tensor, Tensor]:
        rows = labels.shape[0]
        product_weight = weight.to(states.dtype)
        mean_weight = weight.mean(dim=0)
        gradients = _Gradients(states, weight, product_weight) if any(ctx.needs_input_grad) else None
        total = states.new_zeros((), dtype=torch.float32)
        likelihood = _LikelihoodSums(states, groups)
        for first in _blocks(rows, weight):
            first = slice(first.start, min(first.stop, rows))
            second = slice(rows + first.start, rows + first.stop)
            block_labels = labels[first].unsqueeze(1)
            log_probs = [(states[block] @ product_weight.T).float().log_softmax(dim=1) for block in (first, second)]
            probabilities = [values.exp() for values in log_probs]
            difference = log_probs[0] - log_probs[1]  # [rows, V]
            forward_divergence = (probabilities[0] * difference).sum(dim=1, keepdim=True)  # KL(first ‖ second)
            backward_divergence = -(probabilities[1] * difference).sum(dim=1, keepdim=True)
            total += strength / 4 * (forward_divergence + backward_divergence).sum()
            for values in log_probs:
                label_log_probs = values.gather(1, block_labels)
                likelihood.add(first, label_log_probs.squeeze(1) / 2)
                total -= ((1 - smoothing) * label_log_probs.sum() + smoothing * values.mean(dim=1).sum()) / 2
            if gradients is None:
                continue
            # Of half the symmetric divergence by the first logits: p (d - KL(p ‖ q)) + p - q, halved again.
            own = [1 + strength / 2 * (1 + difference - forward_divergence)]
            own.append(1 + strength / 2 * (1 - difference - backward_divergence))
            for block, mine, factor, other in zip(
                (first, second), probabilities, own, reversed(probabilities), strict=True
            ):
                logits_gradient = (mine * factor).sub_(other, alpha=strength / 2)
                _minus_at(logits_gradient, block_labels, 1 - smoothing)
                gradients.add(block, logits_gradient.mul_(0.5).to(states.dtype))
        _save(ctx, gradients, smoothing / 2, mean_weight)
        ctx.mark_non_differentiable(likelihood.negative)
        return total, likelihood.negative

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        return *_scaled(ctx, gradients[0]), None, None, None, None


def _minus_at(values: Tensor, columns: Tensor, amount: float) -> Tensor:
    """Subtracts `amount` from one column, [rows, 1], of each row, in place."""
    return values.scatter_add_(1, columns, values.new_full(columns.shape, -amount))


def _save(ctx: Any, gradients: _Gradients | None, smoothing: float, mean_weight: Tensor) -> None:
    if gradients is None:
        return
    gradients.finish(smoothing, mean_weight)
    ctx.save_for_backward(gradients.states, gradients.weight)


def _scaled(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor]:
    states_gradient, weight_gradient = ctx.saved_tensors
    return states_gradient * scale.to(states_gradient.dtype), weight_gradient * scale


def projected_cross_entropy(
    states: Tensor,
    weight: Tensor,
    labels: Tensor,
    smoothing: float,
    groups: Groups = None,
    cross_entropy: CrossEntropy = torch_cross_entropy,
) -> tuple[Tensor, Tensor]:
    """Sums over all positions of the label-smoothed cross-entropy (Szegedy et al. 2016) and of the plain negative
    log-likelihood, both in nats, of the logits `states @ weight.T`.

    states: [rows, d_model] in any float type, which the matrix products use; probabilities and sums are in float32.
    weight: [V, d_model]; labels: [rows], no padding among them; smoothing: mass spread evenly over all V pieces;
    cross_entropy: what computes a block.
    Returns two scalars, or with groups a scalar and the likelihoods of the groups, [number]; only the first can be
    differentiated.
    """
    sums: tuple[Tensor, Tensor] = _ProjectedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        states, weight, labels, smoothing, groups, cross_entropy
    )
    return sums


def projected_r_drop(
    states: Tensor, weight: Tensor, labels: Tensor, smoothing: float, strength: float, groups: Groups = None
) -> tuple[Tensor, Tensor]:
    """R-Drop (Wu et al. 2021): the loss of two passes of the same positions under different dropout, plus the
    divergence of their predictions p and q.

    states: [2 · rows, d_model], the second pass after the first; weight, labels [rows] and smoothing as for
    `projected_cross_entropy`. strength: α of the paper, of ½ (KL(p ‖ q) + KL(q ‖ p)).
    Returns half of the paper's loss, so that a position counts as much as without R-Drop, and the mean negative
    log-likelihood of both passes, by group if there are groups of labels; sums in nats. Only the first can be
    differentiated.
    """
    sums: tuple[Tensor, Tensor] = _ProjectedRDrop.apply(states, weight, labels, smoothing, strength, groups)  # type: ignore[no-untyped-call]
    return sums
