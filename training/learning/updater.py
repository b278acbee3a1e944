"""One update of the weights: the gradients of its batches, over all processes, and the optimizer's step."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from dragoman.model.network.network import Network
from dragoman.training.config import RunConfig
from dragoman.training.corpus.batching import PlannedBatch
from dragoman.training.learning.averaging import MovingAverage
from dragoman.training.learning.distributed import World, distribute, gather, gradient_exchange
from dragoman.training.learning.guided_alignment import AlignmentPrior
from dragoman.training.learning.objective import Objective
from dragoman.training.learning.optimizer import learning_rate, make_optimizer


@dataclass(frozen=True, slots=True)
class Gradients:
    """The measures of an update before it is made; the same in all processes."""

    loss: float  # sum over its target tokens, in nats
    likelihoods: dict[str, float]  # the negative log-likelihood of each corpus, likewise
    norm: float  # of the gradient of the mean loss, before it is clipped
    tokens: dict[str, int]  # target tokens of each corpus
    is_stopping: bool  # a process was asked to end the run


class Updater:
    """Owns the optimizer and the moving average; the processes of a run share each update's batches among them."""

    def __init__(
        self, config: RunConfig, network: Network, world: World, alignment_prior: AlignmentPrior | None = None
    ) -> None:
        """alignment_prior: the target of guided alignment; None without it."""
        self.options = config.optimization
        self.seed = config.seed
        self.world = world
        self.network = network
        self.num_batches = self.options.accumulation * world.size  # to one update, of all processes
        objective = Objective(
            network,
            config.objective,
            low_precision=self.options.precision == "bfloat16",
            alignment_prior=alignment_prior,
        )
        self.module = distribute(objective, world, self.options.sharding)
        self.optimizer = make_optimizer(network, self.options)
        decay = config.averaging.ema_decay
        self.average = MovingAverage(network, decay) if decay else None

    def accumulate(
        self, update: int, batches: Sequence[PlannedBatch | None], *, is_stopping: bool = False
    ) -> Gradients:
        """Computes the gradient of the mean loss over all `num_batches` batches of an update. Batches of other
        processes may be None.

        Each batch has random numbers of its own, from the seed, the update and its place among the update's batches. So
        a checkpoint needs no generator's state, and any number of processes computes the same.
        """
        tokens = self._count_tokens(batches)
        num_tokens = sum(tokens.values())
        own = [(number, batch) for number, batch in list(enumerate(batches))[self._lanes] if batch is not None]
        loss = torch.zeros((), device=self.world.device)
        likelihoods = torch.zeros(len(tokens), device=self.world.device)
        for number, batch in own:
            torch.manual_seed(_mix(self.seed, update, number))
            with gradient_exchange(self.module, is_last=number == own[-1][0]):
                sums = self.module(batch.make().to(self.world.device))
                # The processes' gradients are averaged, but the loss is a mean over tokens.
                (sums.total / (num_tokens / self.world.size)).backward()
            loss = loss + sums.total.detach()
            likelihoods = likelihoods + sums.negative_log_likelihood.detach()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip_norm or math.inf)
        measured = torch.cat((torch.stack((loss, gather(norm).float())), likelihoods)).tolist()  # one wait, for all
        total_loss, total_norm, num_stopping, *total_likelihoods = self.world.sum(
            [*measured[:2], float(is_stopping), *measured[2:]]
        )
        return Gradients(
            total_loss,
            dict(zip(tokens, total_likelihoods, strict=True)),
            total_norm / self.world.size,
            tokens,
            num_stopping > 0,
        )

    @property
    def _lanes(self) -> slice:
        """Of an update's batches, those of this process."""
        return slice(self.world.rank, None, self.world.size)

    def _count_tokens(self, batches: Sequence[PlannedBatch | None]) -> dict[str, int]:
        """The target tokens of each corpus in an update's batches, of all processes."""
        known = [batch for batch in batches if batch is not None]
        counts = Counter(dict.fromkeys(known[0].pool.names, 0))
        for batch in known:
            counts.update(batch.target_tokens_by_corpus())
        if len(known) == len(batches):
            return dict(counts)
        return dict(zip(counts, map(int, self.world.sum([*counts.values()])), strict=True))

    def step(self, update: int) -> None:
        """Updates the weights with the gradient of `accumulate`."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(update, self.options)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.follow(update)

    def leave_out(self) -> None:
        """Discards the gradient of `accumulate`."""
        self.optimizer.zero_grad()

    def copy_weights_to(self, network: Network | None) -> None:
        """Copies the moving average if there is one, otherwise the weights, into a network of the same shape; None in
        processes that need no copy. All processes call it."""
        weights = dict(self.network.named_parameters()) if self.average is None else self.average.tensors()
        copies = {} if network is None else dict(network.named_parameters())
        with torch.no_grad():
            for name, weight in weights.items():
                whole = gather(weight.detach())
                if name in copies:
                    copies[name].copy_(whole)


def _mix(*numbers: int) -> int:
    """A seed of 63 bits from several numbers; similar numbers give unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little") >> 1
