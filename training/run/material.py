"""The material of a run: corpus, vocabulary, network and, in the main process, dev sets and results."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter

from dragoman.model.codec import Codec
from dragoman.model.config import LanguageModelConfig
from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.model.network.kinds import new_network
from dragoman.model.network.network import Network
from dragoman.training.config import RunConfig
from dragoman.training.corpus.cache import CachedCorpus, open_corpus, open_parts
from dragoman.training.corpus.finishing import Finisher
from dragoman.training.corpus.mixture import Mixture
from dragoman.training.corpus.sources import CachedSource, Source, StreamSource
from dragoman.training.display import show_phase
from dragoman.training.evaluation.dev_translations import DevTranslations
from dragoman.training.evaluation.metrics import check_tokenizer
from dragoman.training.evaluation.perplexity import PerplexityValidator
from dragoman.training.evaluation.ranking import decisive_score, rank
from dragoman.training.evaluation.validation import Validator
from dragoman.training.learning.distributed import World
from dragoman.training.run.best_bundle import BestBundle
from dragoman.training.run.contradictions import find_contradictions
from dragoman.training.run.folder import CHECKSUMS_FILE, check_same_corpus, circumstances
from dragoman.training.run.initialization import InitialBundle
from dragoman.training.run.lessons import learn_fluent_length, learn_words
from dragoman.training.run.prepare import (
    RunText,
    TrainingText,
    learn_lexicons,
    load_vocabulary,
    make_vocabulary,
    read_run_text,
    save_vocabulary,
)
from dragoman.training.run.progress import Progress

_TRAINING_TEXT = TypeAdapter(TrainingText)


@dataclass(frozen=True, slots=True)
class Results:
    """A run's results, kept by the main process."""

    best: BestBundle
    validate: Validator | PerplexityValidator
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
        is_best = rank(decisive_score(values), values) > self.best.rank
        if self.validate.hypotheses:  # a language model translates nothing
            self.translations.write(progress.update, self.validate.hypotheses, averaged=averaged, is_best=is_best)
        return self.best.offer(network, progress, values, averaged, share)


@dataclass(frozen=True, slots=True)
class Material:
    """The data, network and results of a process. results: None except in the main process, as contradictions, of
    which the others have none."""

    corpus: CachedCorpus | Mixture
    network: Network
    results: Results | None = None
    contradictions: tuple[str, ...] = ()


def gather_material(config: RunConfig, world: World, *, resume: bool) -> Material:
    """The main process prepares the material while the others wait; these then read it from the run folder."""
    material: Material | None = None

    def make() -> Any:
        nonlocal material
        material, text = _make_material(config, world, resume=resume)
        return _TRAINING_TEXT.dump_python(text, mode="json")

    shared = world.on_main(make)
    if material is None:
        vocabulary = load_vocabulary(config)
        corpus = _open_corpus(config, _TRAINING_TEXT.validate_python(shared), vocabulary, is_shown=False)
        material = Material(corpus, _make_network(config, vocabulary, world.device))
    return material


def _make_material(config: RunConfig, world: World, *, resume: bool) -> tuple[Material, TrainingText]:
    """Writes vocabulary and checksums into the run folder as soon as the input is known to be good."""
    check_tokenizer(config.validation.tokenize)
    if config.validation.precision == "int8" and world.device.type != "cpu":
        raise InvalidInputError(f"validation.precision: int8 cannot be computed on the device {world.device.type}")
    name = config.initialization.bundle
    initial = InitialBundle(name) if name is not None else None
    if initial is not None and config.initialization.vocabulary == "keep":
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
            vocabulary = make_vocabulary(config, text.readable, None if initial is None else initial.vocabulary)
    with show_phase("encoding the corpus"):
        corpus = _open_corpus(config, text, vocabulary)
    network = _make_network(config, vocabulary, world.device)
    with show_phase("counting words"):
        known_words = learn_words(text.readable, initial)
    best = BestBundle(
        config,
        vocabulary,
        network,
        num_pairs=len(corpus) if isinstance(corpus, CachedCorpus) else None,
        checksums=checksums,
        start=circumstances(world),
        fluent_length=learn_fluent_length(corpus, initial),
        known_words=known_words,
    )
    validate = _make_validator(config, best, vocabulary, text)
    if not resume:
        save_vocabulary(config, vocabulary)
        write_atomically(config.run_folder / CHECKSUMS_FILE, json.dumps(checksums, indent=2) + "\n")
    translations = DevTranslations(config.run_folder, validate.dev, seed=config.seed)
    material = Material(corpus, network, Results(best, validate, translations), tuple(contradictions))
    return material, TrainingText(text.train, text.streamed)


def _make_validator(
    config: RunConfig, best: BestBundle, vocabulary: Codec, text: RunText
) -> Validator | PerplexityValidator:
    weights = {name: dev.weight for name, dev in config.data.dev_sets.items()}
    low_precision = config.optimization.precision == "bfloat16"
    if isinstance(config.architecture, LanguageModelConfig):
        return PerplexityValidator(
            config.architecture,
            vocabulary,
            text.dev,
            weights=weights,
            low_precision=low_precision,
            max_sentences=config.validation.max_sentences,
        )
    return Validator(
        config.validation,
        best.info,
        vocabulary,
        text.dev,
        weights=weights,
        low_precision=low_precision,
        known_words=best.known_words,
    )


def _open_corpus(
    config: RunConfig, text: TrainingText, vocabulary: Codec, *, is_shown: bool = True
) -> CachedCorpus | Mixture:
    lexicons = {}
    data, changes = config.data, (config.subword_regularization, config.augmentation)
    if config.augmentation.terms:
        with show_phase("learning a lexicon of terms", is_shown=is_shown):
            lexicons = learn_lexicons(text.readable)
    folder = config.run_folder / "corpus cache"
    if not data.is_mixed:
        return open_corpus(folder, text.train, vocabulary, data, *changes, lexicons)
    parts = open_parts(folder, text.train, vocabulary, data)
    num_directions = Counter(part.files.name for part in parts)
    sources: list[Source] = [CachedSource(part, data.max_length, 1 / num_directions[part.files.name]) for part in parts]
    for corpus in text.streamed:
        taught = [part.direction for part in corpus.sample]
        sources.append(StreamSource(corpus.name, corpus.shards, taught, vocabulary, data.max_length))
    return Mixture(
        sources,
        {name: corpus.steps for name, corpus in zip(data.corpus_names, data.train, strict=True)},
        Finisher(vocabulary, data, *changes, lexicons),
        vocabulary,
        pool_pairs=data.shuffle_pairs,
        seed=config.seed,
        max_updates=config.optimization.max_updates,
    )


def _make_network(config: RunConfig, vocabulary: Codec, device: torch.device) -> Network:
    """A run's initial network, the same in all processes."""
    torch.manual_seed(config.seed)
    network = new_network(config.architecture, vocabulary.shape)
    if config.initialization.bundle is not None:
        initial = InitialBundle(config.initialization.bundle)
        network.load_state_dict(initial.initial_weights(network, vocabulary, seed=config.seed))
    return network.to(device)
