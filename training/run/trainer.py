"""The training loop."""

import copy
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, replace

from dragoman.model.errors import DragomanError
from dragoman.model.network.network import Network
from dragoman.training.config import RunConfig
from dragoman.training.corpus.batching import BatchStream, LanePlace, PlannedBatch, PooledCorpus, Position
from dragoman.training.corpus.mixture import MixedStream, Mixture
from dragoman.training.display import show_phase
from dragoman.training.evaluation.ranking import decisive_score, name_of_decisive
from dragoman.training.evaluation.validation import with_limits
from dragoman.training.learning.averaging import blend_weights, network_weights
from dragoman.training.learning.guided_alignment import AlignmentPrior
from dragoman.training.learning.optimizer import learning_rate
from dragoman.training.learning.updater import Gradients, Updater
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.interruption import Interrupted, StopSignals
from dragoman.training.run.outlook import describe_outlook
from dragoman.training.run.progress import Progress, Validation, Window
from dragoman.training.run.reporting import MetricsLog, Reporter, TrainingDisplay

Validate = Callable[[Network], dict[str, float]]
"""Measures a network in evaluation mode; see `training.evaluation.validation.Validator`."""

Offer = Callable[[Network, Progress, dict[str, float], list[int], float], bool]
"""Takes a validated network, the run's progress, what was measured, the updates of a mean of checkpoints, and the share
of the initial weights in a mean with them. Keeps the network and returns True if it is the best so far."""


class Trainer:
    """Trains a network on a corpus until the last update, or until BLEU stops rising; as long as that is near 0, until
    the dev loss stops falling.

    In a run of several processes each has a trainer and calls the same methods; only the main one validates, writes and
    shows. `progress` is the same in all of them.
    """

    def __init__(
        self,
        config: RunConfig,
        network: Network,
        corpus: PooledCorpus,
        checkpoints: CheckpointFolder,
        *,
        validate: Validate | None,
        offer: Offer | None,
    ) -> None:
        """network: on the device of `checkpoints.world`, the same in all processes.

        validate, offer: of the main process, None in the others.
        """
        self.config = config
        self.network = network
        self.corpus = corpus
        self.checkpoints = checkpoints
        self.world = checkpoints.world
        self.validate = validate
        self.offer = offer
        # The initial network may be better than all later ones.
        self.progress = Progress(awaits_validation=config.initialization.bundle is not None)
        self.candidate = (
            copy.deepcopy(network).eval() if self.world.is_main else None
        )  # the network that is validated and kept
        self._initial = network_weights(network) if config.averaging.initial_shares and self.world.is_main else []
        prior = None
        if config.objective.guided_alignment:
            with show_phase("learning word alignments", is_shown=self.world.is_main):
                prior = AlignmentPrior.learn(corpus.pools(seed=config.seed, epoch=0)[0]())
        self.updater = Updater(config, network, self.world, prior)

    def resume(self, update: int) -> None:
        """Restores a checkpoint. An update keeps its number of batches, however many processes now share them.

        Raises DragomanError if the batches cannot be shared evenly, or if the checkpoint is damaged or of another
        network.
        """
        updater, size = self.updater, self.world.size
        self.progress = self.checkpoints.restore(update, self.network, updater.optimizer, updater.average)
        num_batches = self.progress.num_batches
        if num_batches % size:
            self.world.fail(
                f"the run's updates have {num_batches} batches, which {size} processes cannot share evenly: "
                "start another number of processes"
            )
        updater.num_batches = num_batches

    def run(self, display: TrainingDisplay, log: MetricsLog | None) -> None:
        """Trains to the end. log: None except in the main process.

        Raises DragomanError if the run has become unstable or its last checkpoint cannot be written, Interrupted if a
        signal has ended it.
        """
        options = self.config.optimization
        reporter = Reporter(display, log)
        self.network.train()
        with closing(self._plan()) as updates, StopSignals() as signals:
            self._save_and_validate_if_due(reporter, signals)  # a kill may have come between the two
            while self.progress.update < options.max_updates and not self._has_stalled():
                clock = time.monotonic()
                batches, self.progress.position = next(updates)
                self.progress.update += 1
                self.progress.num_batches = len(batches)
                self._note_what_is_due()
                gradients = self._train_on(batches, reporter, signals)
                self.progress.count_seconds(time.monotonic() - clock)
                self._report_if_due(reporter)
                self._save_and_validate_if_due(reporter, signals)
                if gradients.is_stopping:
                    self._stop(signals)
        self.updater.copy_weights_to(self.candidate)

    def _plan(self) -> Generator[tuple[list[PlannedBatch | None], Position], None, None]:
        """The batches of each update from the present position on."""
        corpus, batch_tokens, world = self.corpus, self.config.optimization.batch_tokens, self.world
        stream = (
            MixedStream(corpus, batch_tokens)
            if isinstance(corpus, Mixture)
            else BatchStream(corpus, batch_tokens, seed=self.config.seed)
        )
        position, num_batches = self.progress.position, self.updater.num_batches
        return stream.updates(position, num_batches, rank=world.rank, size=world.size)

    def average(self, display: TrainingDisplay) -> None:
        """Validates the means that the averaging options ask for: of the last weights with other shares of the initial
        ones, and of checkpoints. Only the main process calls it, after `run`."""
        self._blend(display)
        updates = self.updates_to_average()
        if self.candidate is None or self.config.averaging.checkpoints == 1 or len(updates) < 2:
            return
        self.checkpoints.average(updates, self.candidate)
        values = self._measure()
        is_best = self._offer(values, updates)
        display.say(f"the mean of the checkpoints {', '.join(map(str, updates))}:")
        display.validated(self.progress.update, values, is_best=is_best)

    def _blend(self, display: TrainingDisplay) -> None:
        if self.candidate is None or not self._initial:
            return
        last = network_weights(self.candidate)
        for share in self.config.averaging.initial_shares[1:]:
            blend_weights(self.candidate, self._initial, last, share)
            values = self._measure()
            is_best = self._offer(values, [], share)
            display.say(_with_share(share))
            display.validated(self.progress.update, values, is_best=is_best)

    def _train_on(self, batches: list[PlannedBatch | None], reporter: Reporter, signals: StopSignals) -> Gradients:
        """Makes an update, unless it is bad."""
        progress, options = self.progress, self.config.stability
        gradients = self.updater.accumulate(progress.update, batches, is_stopping=bool(signals.received))
        fault = progress.stability.judge(gradients.loss, gradients.norm, spike_factor=options.spike_factor)
        if fault is None:
            self.updater.step(progress.update)
            progress.count(gradients)
        else:
            self.updater.leave_out()
            reporter.left_out(progress.update, fault)
            if progress.stability.bad_updates == options.bad_updates:
                self._go_back(fault, reporter)
        reporter.advance(self.progress.update)
        return gradients

    def _go_back(self, fault: str, reporter: Reporter) -> None:
        """Rolls back to the newest scheduled checkpoint, and continues with the data after this update's."""
        failed, options = self.progress, self.config.stability
        scheduled = self.world.share(self._scheduled_checkpoints())
        if failed.stability.rollbacks == options.rollbacks or not scheduled:
            tried = f"after going back {options.rollbacks} times" if scheduled else "and there is no checkpoint yet"
            self.world.fail(
                f"update {failed.update}: {fault}, as bad as all of the last {options.bad_updates} updates, {tried}: "
                "try a lower optimization.learning_rate, or clean the data; if the gradients are sound, raise "
                "stability.spike_factor"
            )
        self.resume(scheduled[-1])
        self.progress.position = failed.position
        self.progress.seconds = failed.seconds
        self.progress.stability.rollbacks = failed.stability.rollbacks + 1
        reporter.went_back(failed.update, self.progress.update, fault, number=self.progress.stability.rollbacks)
        if self.world.is_main:  # a later checkpoint, saved for a signal, would count as the run's newest
            self.checkpoints.prune({update for update in scheduled if update <= self.progress.update})
        self._save(reporter)  # a resumed run is past the bad data, too

    def _report_if_due(self, reporter: Reporter) -> None:
        update, window = self.progress.update, self.progress.window
        if update % self.config.optimization.log_every or not window.updates:
            return
        values = {
            **window.means(),
            "learning_rate": learning_rate(update, self.config.optimization),
            "epoch": self.progress.position.epoch,
        }
        reporter.trained(update, values)
        self.progress.window = Window()

    def _note_what_is_due(self) -> None:
        update, options = self.progress.update, self.config.optimization
        is_last = update == options.max_updates
        self.progress.awaits_validation |= is_last or update % self.config.validation.every == 0
        self.progress.awaits_checkpoint |= is_last or update % options.checkpoint_every == 0

    def _save_and_validate_if_due(self, reporter: Reporter, signals: StopSignals) -> None:
        progress = self.progress
        if progress.stability.bad_updates and progress.update < self.config.optimization.max_updates:
            return  # wait for the next good update: a checkpoint among bad ones would be useless for a rollback
        if progress.awaits_checkpoint or progress.awaits_validation:
            progress.awaits_checkpoint = False
            self._save(reporter)
        if progress.awaits_validation:
            self._validate(reporter, signals)
            progress.awaits_validation = False
            self._save(reporter)  # again, with what was measured

    def _save(self, reporter: Reporter) -> None:
        """Saves a checkpoint; on a full disk it reports the error, and the next checkpoint may find room. That of the
        last update raises it, but after the validation: the best bundle is smaller, and may find room."""
        try:
            self._write_checkpoint()
        except DragomanError as error:
            if self.progress.update == self.config.optimization.max_updates and not self.progress.awaits_validation:
                raise
            reporter.say(f"{error}; training goes on without this checkpoint")
        if self.world.is_main:
            self.checkpoints.prune(self._worth_keeping())

    def _write_checkpoint(self) -> None:
        if lanes := self.progress.position.lanes:  # each process knows the places of its own
            known = self.world.collect([asdict(lane) for lane in lanes[self.world.rank :: self.world.size]])
            size = self.world.size
            places = [LanePlace.from_values(known[lane % size][lane // size]) for lane in range(len(lanes))]
            self.progress.position = replace(self.progress.position, lanes=tuple(places))
        self.checkpoints.save(self.network, self.updater.optimizer, self.progress, self.updater.average)

    def _stop(self, signals: StopSignals) -> None:
        update, checkpoints = self.progress.update, self.checkpoints
        if self.world.share(update not in checkpoints.updates()):
            self.progress.stops.append(update)
            self._write_checkpoint()
        raise Interrupted(signals.received, update)

    def _validate(self, reporter: Reporter, signals: StopSignals) -> None:
        progress = self.progress
        self.updater.copy_weights_to(self.candidate)
        share = self.config.averaging.initial_shares[0] if self._initial and progress.update else 0.0
        if self.candidate is not None and share:
            blend_weights(self.candidate, self._initial, network_weights(self.candidate), share)
        reporter.validating()

        def measure() -> dict[str, float]:
            with signals.ending_at_once(progress.update):
                return self._measure()

        values = self.world.on_main(measure)
        progress.validations.append(Validation(progress.update, decisive_score(values), values))
        is_best = self.world.on_main(lambda: self._offer_unless_full(values, share, reporter))
        if share:
            reporter.say(_with_share(share))
        reporter.validated(progress.update, values, is_best=is_best)
        last_update, patience = self.config.optimization.max_updates, self.config.validation.patience
        if self._has_stalled():
            best = progress.best or progress.validations[-1]
            what = name_of_decisive(best.bleu, best.values)
            reporter.say(f"no better {what} in {patience} validations: stopping early")
        elif outlook := describe_outlook(progress.validations, last_update=last_update, patience=patience):
            reporter.say(f"  {outlook}")

    def _measure(self) -> dict[str, float]:
        """Validates the candidate. This and the following methods are for the main process alone."""
        assert self.candidate is not None
        assert self.validate is not None
        values, earlier = self.validate(self.candidate), self.progress.validations
        limits = {name: dev.max_loss for name, dev in self.config.data.dev_sets.items() if dev.max_loss is not None}
        return with_limits(values, earlier[0].values, limits) if earlier else values

    def _offer(self, values: dict[str, float], averaged: list[int], initial_share: float = 0.0) -> bool:
        assert self.candidate is not None
        assert self.offer is not None
        return self.offer(self.candidate, self.progress, values, averaged, initial_share)

    def _offer_unless_full(self, values: dict[str, float], initial_share: float, reporter: Reporter) -> bool:
        try:
            return self._offer(values, [], initial_share)
        except DragomanError as error:
            if self.progress.update == self.config.optimization.max_updates:
                raise
            reporter.say(f"{error}; training goes on")
            return False

    def _has_stalled(self) -> bool:
        best = self.progress.best
        if best is None:
            return False
        later = sum(validation.update > best.update for validation in self.progress.validations)
        return later >= self.config.validation.patience

    def _scheduled_checkpoints(self) -> list[int]:
        """The updates of checkpoints, except those requested by signals, which an undisturbed run would not have."""
        return [update for update in self.checkpoints.updates() if update not in self.progress.stops]

    def _worth_keeping(self) -> set[int]:
        """The newest checkpoints and, for averaging the best, those of the best validations."""
        newest = self._scheduled_checkpoints()[-self.config.optimization.keep_checkpoints :]
        return {*newest, *self.updates_to_average(), *self.checkpoints.updates()[-1:]}

    def updates_to_average(self) -> list[int]:
        """The checkpoints that the averaging options choose, oldest first."""
        options = self.config.averaging
        existing = [update for update in self._scheduled_checkpoints() if update > 0]
        if options.select == "last":
            return existing[-options.checkpoints :]
        ranked = sorted(self.progress.validations, key=lambda validation: validation.rank, reverse=True)
        return sorted([one.update for one in ranked if one.update in existing][: options.checkpoints])


def _with_share(share: float) -> str:
    return f"with {share:.0%} of the initial bundle's weights:"
