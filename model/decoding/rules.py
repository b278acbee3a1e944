"""The rules of the search, each a pure function on tensors. n slots, w beams of a slot, V pieces."""

import torch
from torch import Tensor

from model.config import EOS_ID


def length_penalty(lengths: Tensor, alpha: Tensor) -> Tensor:
    """((5 + |Y|) / 6) ** alpha of Wu et al. (2016), equation 14: a hypothesis' score is log P(Y|X) divided by it.

    lengths: target pieces with the end of sentence; alpha: broadcastable to lengths; both of float type.
    """
    return ((5.0 + lengths) / 6.0) ** alpha


def forbid_empty(log_probs: Tensor, positions: Tensor) -> Tensor:
    """No sentence ends before it has begun: at position 0 the end of sentence is impossible.

    log_probs: [n, w, V]; positions: [n], pieces decoded so far.
    """
    at_start = (positions == 0).view(-1, 1)
    ends = log_probs[:, :, EOS_ID].masked_fill(at_start, -torch.inf)
    return log_probs.index_copy(2, torch.tensor([EOS_ID], device=log_probs.device), ends.unsqueeze(2))


def forbid_pieces(log_probs: Tensor, forbidden: Tensor) -> Tensor:
    """log_probs: [n, w, V]; forbidden: [V], True at the pieces that no hypothesis may hold."""
    return log_probs.masked_fill(forbidden, -torch.inf)
