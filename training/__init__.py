"""From a parallel corpus to a bundle: batching, loss, schedule, trainer, checkpoints, and the scores that prove it."""
