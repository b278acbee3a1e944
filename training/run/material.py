"""The material of a run: corpus, vocabulary, network and, in the main process, dev sets and results."""

import json
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter

from dragoman.model.codec import Codec
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.model.network.kinds import new_network
from dragoman.model.network.network import Network
from dragoman.training.config import RunConfig
from dragoman.training.corpus.cache import CachedCorpus, ParallelFiles, open_corpus
from dragoman.training.display import show_phase
from dragoman.training.evaluation.dev_translations import DevTranslations
from dragoman.training.evaluation.metrics import check_tokenizer
from dragoman.training.evaluation.validation import DECISIVE, Validator
from dragoman.training.learning.distributed import World
from dragoman.training.run.best_bundle import BestBundle
from dragoman.training.run.contradictions import find_contradictions
from dragoman.training.run.folder import CHECKSUMS_FILE, check_same_corpus, circumstances
from dragoman.training.run.initialization import InitialBundle
from dragoman.training.run.lessons import learn_fluent_length, learn_words
from dragoman.training.run.prepare import (
    learn_lexicons,
    load_vocabulary,
    make_vocabulary,
    read_run_text,
    save_vocabulary,
)
from dragoman.training.run.progress import Progress

_PARALLEL_FILES = TypeAdapter(list[ParallelFiles])


@dataclass(frozen=True, slots=True)
class Results:
    """A run's results, kept by the main process."""

    best: BestBundle
    validate: Validator
    translations: DevTranslations

    def offer(
        self,
        network: Network,
        progress: Progress,
        values: dict[str, float],
        averaged: list[int],
        share: float = 0.0,
    ) -> bool:
        """See `training.run.trainer.Offer`. Keeps the dev set's translations, too."""
        # Before the bundle, so that a kill between the two does not leave a bundle with another one's translations.
        is_best = values[DECISIVE] > self.best.bleu
        self.translations.write(progress.update, self.validate.hypotheses, averaged=averaged, is_best=is_best)
        return self.best.offer(network, progress, values, averaged, share)


@dataclass(frozen=True, slots=True)
class Material:
    """The data, network and results of a process. results: None except in the main process, as contradictions, of
    which the others have none."""

    corpus: CachedCorpus
    network: Network
    results: Results | None = None
    contradictions: tuple[str, ...] = ()


def gather_material(config: RunConfig, world: World, *, resume: bool) -> Material:
    """The main process prepares the material while the others wait; these then read it from the run folder."""
    material: Material | None = None

    def make() -> Any:
        nonlocal material
        material = _make_material(config, world, resume=resume)
        return _PARALLEL_FILES.dump_python([part.files for part in material.corpus.parts], mode="json")

    train = world.on_main(make)
    if material is None:
        vocabulary = load_vocabulary(config)
        corpus = _open_corpus(config, _PARALLEL_FILES.validate_python(train), vocabulary, is_shown=False)
        material = Material(corpus, _make_network(config, vocabulary, world.device))
    return material


def _make_material(config: RunConfig, world: World, *, resume: bool) -> Material:
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
    with show_phase("counting words"):
        known_words = learn_words(text.train, initial)
    best = BestBundle(
        config,
        vocabulary,
        network,
        num_pairs=len(corpus),
        checksums=checksums,
        start=circumstances(world),
        fluent_length=learn_fluent_length(corpus, initial),
        known_words=known_words,
    )
    validate = Validator(
        config.validation,
        best.info,
        vocabulary,
        text.dev,
        weights={name: dev.weight for name, dev in config.data.dev_sets.items()},
        low_precision=config.optimization.precision == "bfloat16",
        known_words=known_words,
    )
    if not resume:
        save_vocabulary(config, vocabulary)
        write_atomically(config.run_folder / CHECKSUMS_FILE, json.dumps(checksums, indent=2) + "\n")
    translations = DevTranslations(config.run_folder, validate.dev, seed=config.seed)
    return Material(corpus, network, Results(best, validate, translations), tuple(contradictions))


def _open_corpus(
    config: RunConfig, train: list[ParallelFiles], vocabulary: Codec, *, is_shown: bool = True
) -> CachedCorpus:
    lexicons = {}
    if config.augmentation.terms:
        with show_phase("learning a lexicon of terms", is_shown=is_shown):
            lexicons = learn_lexicons(train)
    return open_corpus(
        config.run_folder / "corpus cache",
        train,
        vocabulary,
        config.data,
        config.subword_regularization,
        config.augmentation,
        lexicons,
    )


def _make_network(config: RunConfig, vocabulary: Codec, device: torch.device) -> Network:
    """A run's initial network, the same in all processes."""
    torch.manual_seed(config.seed)
    network = new_network(config.architecture, vocabulary.shape)
    if config.initialization.bundle is not None:
        initial = InitialBundle(config.initialization.bundle)
        network.load_state_dict(initial.initial_weights(network, vocabulary, seed=config.seed))
    return network.to(device)
