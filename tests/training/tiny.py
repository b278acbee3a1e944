"""What the tests share: a task and a network so small that they train in seconds, and a disk that is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dragoman.model.config import VocabularyShape
from dragoman.model.network.transformer import Transformer
from dragoman.training.config import RunConfig
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.grammar import write_corpus
from tests.architectures import transformer_shape
from tests.pieces import EOS_ID

NUM_RESERVED, NUM_SYMBOLS = 4, 12
FILES = {"en": "nowhere.en", "de": "nowhere.de"}
"""Of a run that reads no corpus."""

VOCABULARY = VocabularyShape(source_size=NUM_RESERVED + NUM_SYMBOLS, target_size=NUM_RESERVED + NUM_SYMBOLS, joint=True)


def grammar_data(folder: Path, **options: Any) -> dict[str, Any]:
    """The table [data] of a run that learns from 200 sentences of the grammar, which it writes into a folder."""
    write_corpus(folder, num_train=200, num_held_out=10, seed=1)
    train, dev = ({code: str(folder / f"{split}.{code}") for code in ("en", "de")} for split in ("train", "dev"))
    return {"train": [train], "dev": dev, **options}


def write_config(path: Path, text: str) -> None:
    """Writes a configuration whose corpus, called corpus/ in it, is one of the grammar's beside it."""
    write_corpus(path.parent / "corpus", num_train=200, num_held_out=10, seed=1)
    path.write_text(text.replace('"corpus/', f'"{path.parent}/corpus/'), encoding="utf-8")


def tiny_config(folder: Path, **tables: Any) -> RunConfig:
    """A run of a tiny network; `tables` adds to, or overrides, the keys of each table."""
    defaults: dict[str, dict[str, Any]] = {
        "data": {"directions": ["en-de"], "max_length": 20, "train": [FILES], "dev": FILES},
        "architecture": {
            "d_model": 16,
            "d_ff": 32,
            "num_heads": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 1,
            "dropout": 0.0,
            "max_source_length": 32,
            "max_target_length": 32,
        },
        "optimization": {"batch_tokens": 64, "warmup_updates": 4, "precision": "float32"},
    }
    values = {name: defaults.get(name, {}) | tables.get(name, {}) for name in {*defaults, *tables}}
    return RunConfig.model_validate({"run_folder": folder, **values})


def copy_corpus(num_pairs: int, *, longest: int = 8, seed: int = 1) -> EncodedCorpus:
    """A task that can be checked: pairs whose target is their source, 2 to `longest` symbols."""
    random = np.random.default_rng(seed)
    sequences = [
        [*random.integers(NUM_RESERVED, NUM_RESERVED + NUM_SYMBOLS, random.integers(2, longest + 1)).tolist(), EOS_ID]
        for _ in range(num_pairs)
    ]
    return EncodedCorpus(EncodedSide.pack(sequences), EncodedSide.pack(sequences), SkippedPairs(), VOCABULARY)


def tiny_network(config: RunConfig) -> Transformer:
    return Transformer(transformer_shape(config.architecture), VOCABULARY)


@contextmanager
def small_disk(num_bytes: int) -> Iterator[None]:
    """No file may grow beyond `num_bytes`: a write then stops half-way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))  # Python ignores the signal that goes with it
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
