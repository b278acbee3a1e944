"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from model.errors import DragomanError
from model.transformer import Transformer
from training.batching import Batch, BatchStream, PooledCorpus
from training.checkpoint import CheckpointFolder, Progress
from training.config import RunConfig
from training.display import TrainingDisplay
from training.metrics_log import MetricsLog
from training.objective import Objective
from training.schedule import inverse_square_root

Validate = Callable[[Transformer], dict[str, float]]
"""BLEU by direction of a network in evaluation mode."""

Offer = Callable[[Transformer, Progress, float, list[int]], bool]
"""Is offered a validated network, where the run stands, the network's mean BLEU and, if it is a mean of checkpoints,
their updates; keeps the network and returns True if it is the best so far."""


@dataclass(slots=True)
class _Window:
    """Sums since the last line of metrics."""

    start: float
    updates: int = 0
    tokens: int = 0
    loss: float = 0.0
    negative_log_likelihood: float = 0.0


class Trainer:
    """Trains a network on a corpus until the last update, or until BLEU has stopped rising."""

    def __init__(
        self,
        config: RunConfig,
        network: Transformer,
        corpus: PooledCorpus,
        checkpoints: CheckpointFolder,
        *,
        validate: Validate,
        offer: Offer,
    ) -> None:
        options = config.optimization
        self.config = config
        self.network = network
        self.objective = Objective(network, config.objective, low_precision=options.precision == "bfloat16")
        self.corpus = corpus
        self.checkpoints = checkpoints
        self.validate = validate
        self.offer = offer
        self.progress = Progress()
        self.device = next(network.parameters()).device
        self.optimizer = torch.optim.Adam(
            network.parameters(),
            betas=(options.adam_beta1, options.adam_beta2),
            eps=options.adam_epsilon,
            fused=True,
        )

    def resume(self, update: int) -> None:
        """Goes back to a checkpoint."""
        self.progress = self.checkpoints.restore(update, self.network, self.optimizer)

    def run(self, display: TrainingDisplay, log: MetricsLog) -> None:
        """Raises DragomanError when loss or gradient is no longer a number or a checkpoint cannot be written."""
        options = self.config.optimization
        window = _Window(time.monotonic())
        self.network.train()
        for batches in self._update_batches():
            started = time.monotonic()
            loss, negative_log_likelihood = self._update(batches)
            progress = self.progress
            tokens = sum(batch.num_target_tokens for batch in batches)
            progress.target_tokens += tokens
            progress.seconds += time.monotonic() - started
            window.updates += 1
            window.tokens += tokens
            window.loss += loss
            window.negative_log_likelihood += negative_log_likelihood
            display.advance(progress.update)
            if progress.update % options.log_every == 0:
                window = self._report(window, display, log)
            pause = time.monotonic()
            self._validate_and_save_when_due(display, log)
            window.start += time.monotonic() - pause
            if self._has_stalled():
                display.say(f"no better BLEU in {self.config.validation.patience} validations: stopping early")

    def average(self, display: TrainingDisplay) -> None:
        """Loads the mean of the checkpoints that the averaging options choose, and validates it."""
        updates = self.updates_to_average()
        if self.config.averaging.checkpoints == 1 or len(updates) < 2:
            return
        self.checkpoints.average(updates, self.network)
        self.network.eval()
        bleu = self.validate(self.network)
        is_best = self.offer(self.network, self.progress, _mean(bleu), updates)
        display.say(f"the mean of the checkpoints {', '.join(map(str, updates))}:")
        display.validated(self.progress.update, bleu, is_best=is_best)

    def _validate_and_save_when_due(self, display: TrainingDisplay, log: MetricsLog) -> None:
        update, options = self.progress.update, self.config.optimization
        is_validation = update == options.max_updates or update % self.config.validation.every == 0
        if is_validation or update % options.checkpoint_every == 0:
            self.checkpoints.save(self.network, self.optimizer, self.progress)
        if is_validation:
            self._validate(display, log)
            self.checkpoints.save(self.network, self.optimizer, self.progress)  # again, with what was measured
        self.checkpoints.prune(self._worth_keeping())

    def _update_batches(self) -> Iterator[list[Batch]]:
        """The batches of each update still to do, epoch after epoch; counts them in `progress` as it gives them out."""
        options = self.config.optimization
        stream = BatchStream(self.corpus, options.batch_tokens, seed=self.config.seed)
        with closing(stream.batches(self.progress.position)) as remaining:
            while self.progress.update < options.max_updates and not self._has_stalled():
                planned = list(islice(remaining, options.accumulation))
                self.progress.update += 1
                self.progress.position = planned[-1][1]
                yield [batch.make() for batch, _ in planned]

    def _update(self, batches: list[Batch]) -> tuple[float, float]:
        """One optimizer step over all batches; returns the sums of loss and negative log-likelihood, in nats."""
        options = self.config.optimization
        num_tokens = sum(batch.num_target_tokens for batch in batches)
        loss_sum = negative_log_likelihood_sum = 0.0
        for batch in batches:
            loss, negative_log_likelihood = self.objective(batch.to(self.device))
            (loss / num_tokens).backward()
            loss_sum += loss.item()
            negative_log_likelihood_sum += negative_log_likelihood.item()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), options.clip_norm or math.inf).item()
        for name, value in (("loss", loss_sum), ("norm of the gradient", norm)):
            if not math.isfinite(value):  # one step on it, and the next checkpoint would be of no use
                raise DragomanError(
                    f"the {name} of update {self.progress.update} is {value}: "
                    "resume with a lower optimization.learning_rate"
                )
        rate = inverse_square_root(
            self.progress.update, peak=options.learning_rate, warmup_updates=options.warmup_updates
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss_sum, negative_log_likelihood_sum

    def _report(self, window: _Window, display: TrainingDisplay, log: MetricsLog) -> _Window:
        now = time.monotonic()
        options = self.config.optimization
        update = self.progress.update
        loss = window.loss / window.tokens
        tokens_per_second = window.tokens / (now - window.start)
        display.measured(update, loss=loss, tokens_per_second=tokens_per_second)
        values = {
            "loss": loss,
            "negative_log_likelihood": window.negative_log_likelihood / window.tokens,
            "tokens_per_second": tokens_per_second,
            "learning_rate": inverse_square_root(
                update, peak=options.learning_rate, warmup_updates=options.warmup_updates
            ),
            "epoch": self.progress.position.epoch,
        }
        log.write("training", update, values)
        return _Window(now)

    def _validate(self, display: TrainingDisplay, log: MetricsLog) -> None:
        progress = self.progress
        self.network.eval()
        bleu = self.validate(self.network)
        mean = _mean(bleu)
        progress.validations.append((progress.update, mean))
        is_best = self.offer(self.network, progress, mean, [])
        display.validated(progress.update, bleu, is_best=is_best)
        log.write(
            "validation",
            progress.update,
            {f"bleu {direction}": score for direction, score in bleu.items()} | {"bleu": mean},
        )
        self.network.train()

    def _has_stalled(self) -> bool:
        best = self.progress.best
        if best is None:
            return False
        later = sum(update > best[0] for update, _ in self.progress.validations)
        return later >= self.config.validation.patience

    def _worth_keeping(self) -> set[int]:
        """The newest checkpoints and, for averaging the best, those of the best validations."""
        newest = self.checkpoints.updates()[-self.config.optimization.keep_checkpoints :]
        return {*newest, *self.updates_to_average()}

    def updates_to_average(self) -> list[int]:
        """The checkpoints that the averaging options choose, oldest first."""
        options = self.config.averaging
        existing = self.checkpoints.updates()
        if options.select == "last":
            return existing[-options.checkpoints :]
        ranked = sorted(self.progress.validations, key=lambda validation: validation[1], reverse=True)
        return sorted([update for update, _ in ranked if update in existing][: options.checkpoints])


def _mean(bleu: dict[str, float]) -> float:
    return sum(bleu.values()) / len(bleu)
