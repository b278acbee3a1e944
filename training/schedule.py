"""The learning rate over time."""

import math


def inverse_square_root(update: int, *, peak: float, warmup_updates: int) -> float:
    """Learning rate of update 1, 2, …: rises linearly to `peak` at `warmup_updates`, then falls as 1 / √update.

    The schedule of Vaswani et al. (2017), section 5.3, with its peak set by hand rather than by d_model.
    """
    return peak * min(update / warmup_updates, math.sqrt(warmup_updates / update))
