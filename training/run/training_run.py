"""A whole training run: corpus, vocabulary, network, training, averaging, bundle."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from dragoman.model.bundle import CONFIG_FILE
from dragoman.model.codec import Codec
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import exclusive_lock, write_atomically
from dragoman.model.network.transformer import Transformer, num_parameters
from dragoman.training.config import RunConfig
from dragoman.training.corpus.cache import CachedCorpus, ParallelFiles, open_corpus
from dragoman.training.display import show_phase
from dragoman.training.evaluation.dev_translations import DevTranslations
from dragoman.training.evaluation.metrics import check_tokenizer
from dragoman.training.evaluation.validation import DECISIVE, Validator
from dragoman.training.learning.distributed import World, join_world
from dragoman.training.report.run_record import WARNINGS_FILE
from dragoman.training.run.best_bundle import BestBundle
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.contradictions import find_contradictions
from dragoman.training.run.folder import CHECKSUMS_FILE, check_same_corpus, circumstances, is_resumption, record_start
from dragoman.training.run.initialization import InitialBundle
from dragoman.training.run.prepare import (
    find_departures,
    learn_lexicons,
    load_vocabulary,
    make_vocabulary,
    read_run_text,
    save_vocabulary,
)
from dragoman.training.run.progress import Progress
from dragoman.training.run.reporting import MetricsLog, TrainingDisplay
from dragoman.training.run.trainer import Trainer

_PARALLEL_FILES = TypeAdapter(list[ParallelFiles])


@dataclass(frozen=True, slots=True)
class _Results:
    """A run's results, kept by the main process."""

    best: BestBundle
    validate: Validator
    translations: DevTranslations

    def offer(self, network: Transformer, progress: Progress, values: dict[str, float], averaged: list[int]) -> bool:
        """See `training.run.trainer.Offer`. Keeps the dev set's translations, too."""
        # Before the bundle, so that a kill between the two does not leave a bundle with another one's translations.
        is_best = values[DECISIVE] > self.best.bleu
        self.translations.write(progress.update, self.validate.hypotheses, averaged=averaged, is_best=is_best)
        return self.best.offer(network, progress, values, averaged)


@dataclass(frozen=True, slots=True)
class _Material:
    """The data, network and results of a process. results: None except in the main process, as contradictions, of
    which the others have none."""

    corpus: CachedCorpus
    network: Transformer
    results: _Results | None = None
    contradictions: tuple[str, ...] = ()


def train(config: RunConfig, *, resume: bool = False) -> Path:
    """Trains as configured and returns the folder of the best bundle, `best` in the run folder.

    The run folder holds config.json (the resolved configuration), checksums.json (of the data), provenance.json,
    vocabulary/, corpus cache/, checkpoints/, metrics.jsonl, tensorboard/, best/, translations of the dev set (see
    `training.evaluation.dev_translations`), and a lock that keeps a second run out.
    With `resume` a run continues from its newest complete checkpoint. Under torchrun several processes train together,
    in one run folder that all can read; a run that torchrun restarts after a failure resumes by itself.

    Raises InvalidInputError if the run folder has a run already and `resume` is not set, NotFoundError if there is no
    run to resume, Interrupted if a signal has ended the run, and the errors of reading the corpora and writing
    checkpoints.
    """
    with join_world() as world:
        resume = world.on_main(lambda: is_resumption(config, world, wanted=resume))
        with exclusive_lock(config.run_folder / "lock") if world.is_main else nullcontext():
            return _train(config, world, resume=resume)


def _train(config: RunConfig, world: World, *, resume: bool) -> Path:
    material = _gather_material(config, world, resume=resume)
    network, results = material.network, material.results
    checkpoints = CheckpointFolder(config.run_folder / "checkpoints", world)
    trainer = Trainer(
        config,
        network,
        material.corpus,
        checkpoints,
        validate=results.validate if results is not None else None,
        offer=results.offer if results is not None else None,
    )
    total = config.optimization.max_updates
    with TrainingDisplay(total_updates=total, is_shown=world.is_main) as display:
        newest = world.on_main(lambda: checkpoints.newest_whole(display.say) if resume else None)
        if newest is not None:
            trainer.resume(newest)
        progress = trainer.progress
        display.begin(progress.update)
        display.say(_summary(network, material.corpus))
        if newest is not None:
            display.say(f"goes on after update {newest:,} of {total:,}")
        elif resume:
            display.say("there is no checkpoint to go on from: begins anew")
        if world.size > 1:
            display.say(f"{world.size} processes, which share the {trainer.updater.num_batches} batches of each update")
        warnings = [*find_departures(config, material.corpus.vocabulary), *material.contradictions]
        for warning in warnings:
            display.say(f"warning: {warning}")
        log = None
        if results is not None:
            # Only now is the input known to be good.
            write_atomically(config.run_folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
            write_atomically(config.run_folder / WARNINGS_FILE, "".join(f"{warning}\n" for warning in warnings))
            record_start(
                config.run_folder, world, seed=config.seed, checksums=results.best.checksums, update=progress.update
            )
            validated = max((validation.update for validation in progress.validations), default=0)
            results.translations.forget_after(progress.update)
            log = MetricsLog(config.run_folder, resumed_update=progress.update, validated_update=validated)
        with log or nullcontext():
            trainer.run(display, log)
            world.on_main(lambda: trainer.average(display))
    return config.run_folder / "best"


def _gather_material(config: RunConfig, world: World, *, resume: bool) -> _Material:
    """The main process prepares the material while the others wait; these then read it from the run folder."""
    material: _Material | None = None

    def make() -> Any:
        nonlocal material
        material = _make_material(config, world, resume=resume)
        return _PARALLEL_FILES.dump_python([part.files for part in material.corpus.parts], mode="json")

    train = world.on_main(make)
    if material is None:
        vocabulary = load_vocabulary(config)
        corpus = _open_corpus(config, _PARALLEL_FILES.validate_python(train), vocabulary)
        material = _Material(corpus, _make_network(config, vocabulary, world.device))
    return material


def _make_material(config: RunConfig, world: World, *, resume: bool) -> _Material:
    """Writes vocabulary and checksums into the run folder as soon as the input is known to be good."""
    check_tokenizer(config.validation.tokenize)
    if config.validation.precision == "int8" and world.device.type != "cpu":
        raise InvalidInputError(f"validation.precision: int8 cannot be computed on the device {world.device.type}")
    name = config.initialization.bundle
    initial = InitialBundle(name) if name is not None else None
    if initial is not None:
        initial.check_directions(config.data.parsed_directions)
    with show_phase("reading the corpus"):
        text = read_run_text(config)
        contradictions = find_contradictions(text)
    checksums = text.checksums | (initial.checksum() if initial is not None else {})
    if resume:
        check_same_corpus(config.run_folder, checksums)
        vocabulary = load_vocabulary(config)
    elif initial is not None and config.initialization.vocabulary == "keep":
        vocabulary = initial.vocabulary
    else:
        with show_phase("preparing the vocabulary"):
            vocabulary = make_vocabulary(config, text.train, None if initial is None else initial.vocabulary)
    with show_phase("encoding the corpus"):
        corpus = _open_corpus(config, text.train, vocabulary)
    network = _make_network(config, vocabulary, world.device)
    best = BestBundle(
        config, vocabulary, network, num_pairs=len(corpus), checksums=checksums, start=circumstances(world)
    )
    validate = Validator(
        config.validation,
        best.info,
        vocabulary,
        text.dev,
        weights={name: dev.weight for name, dev in config.data.dev_sets.items()},
        low_precision=config.optimization.precision == "bfloat16",
    )
    if not resume:
        save_vocabulary(config, vocabulary)
        write_atomically(config.run_folder / CHECKSUMS_FILE, json.dumps(checksums, indent=2) + "\n")
    translations = DevTranslations(config.run_folder, validate.dev, seed=config.seed)
    return _Material(corpus, network, _Results(best, validate, translations), tuple(contradictions))


def _open_corpus(config: RunConfig, train: list[ParallelFiles], vocabulary: Codec) -> CachedCorpus:
    lexicons = learn_lexicons(train) if config.augmentation.terms else {}
    return open_corpus(
        config.run_folder / "corpus cache",
        train,
        vocabulary,
        config.data,
        config.subword_regularization,
        config.augmentation,
        lexicons,
    )


def _make_network(config: RunConfig, vocabulary: Codec, device: torch.device) -> Transformer:
    """A run's initial network, the same in all processes."""
    torch.manual_seed(config.seed)
    network = Transformer(config.architecture, vocabulary.shape)
    if config.initialization.bundle is not None:
        initial = InitialBundle(config.initialization.bundle)
        network.load_state_dict(initial.initial_weights(network, vocabulary, seed=config.seed))
    return network.to(device)


def _summary(network: Transformer, corpus: CachedCorpus) -> str:
    skipped = corpus.skipped
    return (
        f"{num_parameters(network):,} parameters; {len(corpus):,} sentence pairs; "
        f"left out: {skipped.blank:,} with a blank side, {skipped.too_long:,} too long{corpus.shares_table()}"
    )
