"""Joey NMT's process: its own `joeynmt.training.train`, with a counter before each training step."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joeynmt.datasets  # type: ignore[import-not-found]
import joeynmt.training  # type: ignore[import-not-found]
import torch

from tests.benchmarks.training.batches import batches_by_length
from tests.benchmarks.training.plan import (
    CLIP_NORM,
    DROPOUT,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    NEVER,
    SOURCE,
    TARGET,
    Plan,
)
from tests.benchmarks.training.rounds import Rounds

LOG_EVERY = 50
POOL_PAIRS = 8192
"""Pairs that the help with batches sorts at a time."""


def train(rounds: Rounds, plan: Plan, helped: bool = False) -> None:
    """helped: with what it lacks, bfloat16 on a processor and batches of like lengths, both put in from outside."""
    torch.set_num_threads(plan.threads)
    _count(rounds)
    if helped:
        _use_bfloat16()
        _batch_by_length(plan.seed)
    Path(plan.scratch).mkdir(parents=True, exist_ok=True)
    joeynmt.training.train(rank=0, world_size=1, cfg=_config(plan), skip_test=True)


def _count(rounds: Rounds) -> None:
    step = joeynmt.training.TrainManager._train_step

    def counted(manager: Any, batch: Any) -> Any:
        rounds.batch(
            manager.model,
            num_pairs=batch.nseqs,
            num_target_tokens=batch.ntokens,
            num_tokens=int(batch.src_length.sum()) + batch.ntokens,
            num_places=batch.src.numel() + batch.trg.numel(),
        )
        return step(manager, batch)

    joeynmt.training.TrainManager._train_step = counted


def _use_bfloat16() -> None:
    parse = joeynmt.training.parse_global_args

    def parse_with_bfloat16(*arguments: Any, **named: Any) -> Any:
        autocast = {"device_type": "cpu", "enabled": True, "dtype": torch.bfloat16}
        return parse(*arguments, **named)._replace(autocast=autocast)

    joeynmt.training.parse_global_args = parse_with_bfloat16


def _batch_by_length(seed: int) -> None:
    shuffler = random.Random(seed)

    def batches(sampler: Any) -> Iterator[list[int]]:
        pool: list[int] = []
        lengths: list[tuple[int, int]] = []
        data = sampler.sampler.data_source
        for pair in sampler.sampler:
            _, source, target = data[pair]
            pool.append(pair)
            lengths.append((len(source) + 1, len(target) + 1))
            if len(pool) == POOL_PAIRS:
                for batch in batches_by_length(lengths, sampler.batch_size, shuffler):
                    yield [pool[place] for place in batch]
                pool, lengths = [], []
        for batch in batches_by_length(lengths, sampler.batch_size, shuffler):
            yield [pool[place] for place in batch]

    joeynmt.datasets.TokenBatchSampler.__iter__ = batches


def _config(plan: Plan) -> dict[str, Any]:
    sizes = plan.sizes

    def side(language: str) -> dict[str, Any]:
        return {
            "lang": language,
            "level": "bpe",
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {"model_file": plan.piece_model},
            "voc_file": plan.piece_list,
        }

    def stack(num_layers: int) -> dict[str, Any]:
        return {
            "type": "transformer",
            "num_layers": num_layers,
            "num_heads": sizes.num_heads,
            "embeddings": {"embedding_dim": sizes.d_model, "scale": True, "dropout": DROPOUT},
            "hidden_size": sizes.d_model,
            "ff_size": sizes.d_ff,
            "dropout": DROPOUT,
            "layer_norm": "pre",
        }

    return {
        "name": "bench",
        "model_dir": plan.scratch,
        "use_cuda": False,
        "random_seed": plan.seed,
        "normalization": "tokens",
        "data": {
            "train": f"{plan.corpus}/train",  # it adds the languages itself
            "dev": f"{plan.corpus}/dev",
            "dataset_type": "plain",
            "src": side(SOURCE),
            "trg": side(TARGET),
        },
        "testing": {},
        "training": {
            "optimizer": "adam",
            "adam_betas": [0.9, 0.98],
            "learning_rate": LEARNING_RATE,
            "learning_rate_min": 0.0,
            "scheduling": "warmupinversesquareroot",  # the one on validations asks torch for what it no longer has
            "clip_grad_norm": CLIP_NORM,
            "label_smoothing": LABEL_SMOOTHING,
            "normalization": "tokens",
            "batch_size": plan.batch_tokens,
            "batch_type": "token",
            "epochs": NEVER,
            "validation_freq": NEVER // LOG_EVERY * LOG_EVERY,
            "logging_freq": LOG_EVERY,
            "shuffle": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
            "tied_embeddings": True,
            "tied_softmax": True,
            "encoder": stack(sizes.num_encoder_layers),
            "decoder": stack(sizes.num_decoder_layers),
        },
    }


if __name__ == "__main__":
    Rounds().serve(train, ("torch", "joeynmt"))
