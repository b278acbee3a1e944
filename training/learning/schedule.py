"""The learning rate over time: plain functions of the update's number, 1, 2, …

All rise linearly to their peak at `warmup_updates`; then each falls in its own way.
"""

import math

from dragoman.training.config.run import OptimizationConfig


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
    """How much of the way from the end of the warm-up to the last update is behind, 0 to 1."""
    return min(1.0, (update - warmup_updates) / max(1, max_updates - warmup_updates))
