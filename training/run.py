"""A whole training run: corpus, vocabulary, network, training, averaging, bundle."""

import json
import platform
import time
from pathlib import Path

import torch
from pydantic import ValidationError

from model.bundle import CONFIG_FILE, BundleConfig, read_config, write_bundle
from model.config import describe_validation_error
from model.errors import InvalidInputError, NotFoundError
from model.files import exclusive_lock, write_atomically
from model.storage import pack_weights
from model.transformer import Transformer, num_parameters
from model.vocabulary import Vocabulary
from training.allocator import keep_freed_memory
from training.card import model_card
from training.checkpoint import CheckpointFolder, Progress
from training.config import RunConfig
from training.corpus_cache import CachedCorpus, open_corpus
from training.display import TrainingDisplay, show_phase
from training.metrics_log import MetricsLog
from training.prepare import RunText, load_vocabulary, make_vocabulary, read_run_text, save_vocabulary
from training.trainer import Trainer
from training.validation import Validator

CHECKSUMS_FILE = "checksums.json"
"""SHA-256 of each corpus file, by its path as configured."""


def train(config: RunConfig, *, resume: bool = False) -> Path:
    """Trains as configured and returns the folder of the best bundle, `best` in the run folder.

    The run folder holds config.json (the resolved configuration), checksums.json (of the corpora), vocabulary/,
    checkpoints/, metrics.jsonl, tensorboard/, best/ and a lock that keeps a second process out. With `resume` a run
    goes on from its newest checkpoint.

    Raises InvalidInputError if the run folder holds a run already and `resume` is not set, NotFoundError if there is
    none to resume, and what reading the corpora and writing checkpoints raise.
    """
    keep_freed_memory()
    if resume:
        _check_same_run(config)
    with exclusive_lock(config.run_folder / "lock"):
        return _train(config, resume=resume)


def _train(config: RunConfig, *, resume: bool) -> Path:
    if not resume and (config.run_folder / CONFIG_FILE).exists():
        raise InvalidInputError(
            f"{config.run_folder}: holds a run already; go on with it by --resume, "
            "or name another by --set run_folder=FOLDER"
        )
    with show_phase("reading the corpus"):
        text = read_run_text(config)
    _check_same_corpus(config.run_folder / CHECKSUMS_FILE, text, resume=resume)
    if resume:
        vocabulary = load_vocabulary(config)
    else:
        with show_phase("learning the vocabulary"):
            vocabulary = make_vocabulary(config, text.train)
    with show_phase("encoding the corpus"):
        folder = config.run_folder / "corpus cache"
        corpus = open_corpus(folder, text.train, vocabulary, config.data, config.subword_regularization)

    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Transformer(config.architecture, vocabulary.shape).to(device)
    best = _BestBundle(config, text, corpus, vocabulary, network)
    validate = Validator(config.validation, best.info, vocabulary, text.dev)
    checkpoints = CheckpointFolder(config.run_folder / "checkpoints")
    trainer = Trainer(config, network, corpus, checkpoints, validate=validate, offer=best.offer)
    if not resume:
        save_vocabulary(config, vocabulary)
        write_atomically(config.run_folder / CHECKSUMS_FILE, json.dumps(text.checksums, indent=2) + "\n")
    elif checkpoints.updates():
        trainer.resume(checkpoints.updates()[-1])
    # Only now is it certain that the input is good.
    write_atomically(config.run_folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
    done, total = trainer.progress.update, config.optimization.max_updates
    with (
        TrainingDisplay(total_updates=total, done_updates=done) as display,
        MetricsLog(config.run_folder, resumed_update=done) as log,
    ):
        display.say(_summary(network, corpus))
        trainer.run(display, log)
        trainer.average(display)
    return best.folder


def _check_same_corpus(path: Path, text: RunText, *, resume: bool) -> None:
    """Refuses to resume with edited corpora: the place in the data would be another. path: the checksums' file."""
    if not resume:
        return
    try:
        begun: dict[str, str] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path}: the checksums of the run's corpora cannot be read: {error}") from error
    for name, checksum in text.checksums.items():
        if begun.get(name) != checksum:
            raise InvalidInputError(f"{name}: has changed since the run began; put it back, or begin a new run")


def _check_same_run(config: RunConfig) -> None:
    """Refuses to resume where what has been learnt, or the place in the data, would lose its meaning."""
    path = config.run_folder / CONFIG_FILE
    try:
        begun = RunConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(f"{config.run_folder}: there is no run to resume") from error
    except ValidationError as error:
        raise InvalidInputError(f"{path}: {describe_validation_error(error)}") from error
    fixed = {
        "seed": (begun.seed, config.seed),
        "data": (begun.data, config.data),
        "vocabulary": (begun.vocabulary, config.vocabulary),
        "subword_regularization": (begun.subword_regularization, config.subword_regularization),
        "architecture": (begun.architecture, config.architecture),
        "optimization.batch_tokens": (begun.optimization.batch_tokens, config.optimization.batch_tokens),
        "optimization.accumulation": (begun.optimization.accumulation, config.optimization.accumulation),
    }
    for key, (before, now) in fixed.items():
        if before != now:
            raise InvalidInputError(f"{path}: {key} differs from what the run began with; it cannot change on the way")


def _summary(network: Transformer, corpus: CachedCorpus) -> str:
    skipped = corpus.skipped
    return (
        f"{num_parameters(network):,} parameters; {len(corpus):,} sentence pairs; "
        f"left out: {skipped.blank:,} with a blank side, {skipped.too_long:,} too long{corpus.shares_table()}"
    )


class _BestBundle:
    """The bundle `best` of a run folder, written anew whenever a better network is offered."""

    def __init__(
        self, config: RunConfig, text: RunText, corpus: CachedCorpus, vocabulary: Vocabulary, network: Transformer
    ) -> None:
        self.config = config
        self.text = text
        self.corpus = corpus
        self.vocabulary = vocabulary
        self.folder = config.run_folder / "best"
        self.info = BundleConfig(
            name=config.bundle.name,
            directions=config.data.parsed_directions,
            architecture=config.architecture,
            vocabulary=vocabulary.shape,
            storage=config.bundle.storage,
            num_parameters=num_parameters(network),
        )

        self.bleu = self._kept_bleu()

    def _kept_bleu(self) -> float:
        """Dev BLEU of the bundle that an earlier process of this run kept; below all others if there is none."""
        try:
            return float(read_config(self.folder).provenance["dev_bleu"])
        except (InvalidInputError, KeyError, TypeError, ValueError):
            return -1.0

    def offer(self, network: Transformer, progress: Progress, bleu: float, averaged: list[int]) -> bool:
        """See `training.trainer.Offer`."""
        if bleu <= self.bleu:
            return False
        self.bleu = bleu
        options = self.config.bundle
        provenance = {
            "description": options.description,
            "data": options.data,
            "licence": options.licence,
            "dev_bleu": bleu,
            "sentence_pairs": len(self.corpus),
            "updates": progress.update,
            "target_tokens": progress.target_tokens,
            "hours": round(progress.seconds / 3600, 2),
            "averaged_checkpoints": averaged,
            "date": time.strftime("%Y-%m-%d"),
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "data_checksums": self.text.checksums,
            "run": json.loads(self.config.model_dump_json()),
        }
        info = self.info.model_copy(update={"provenance": provenance})
        write_bundle(self.folder, info, self.vocabulary, pack_weights(network, options.storage), model_card(info))
        return True
