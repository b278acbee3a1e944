"""Dragoman's process: a whole run, `training.run.training_run.train`, with a counter before its objective."""

import torch

from dragoman.training.config import RunConfig
from dragoman.training.corpus.batching import Batch
from dragoman.training.learning.objective import LossSums, Objective
from dragoman.training.run.training_run import train as train_run
from tests.benchmarks.training.plan import (
    CLIP_NORM,
    DROPOUT,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    MAX_LENGTH,
    NEVER,
    SOURCE,
    TARGET,
    Plan,
)
from tests.benchmarks.training.rounds import Rounds


def train(rounds: Rounds, plan: Plan, precision: str = "bfloat16") -> None:
    """precision: of the matrix products, "bfloat16" or "float32"; the weights are in float32."""
    torch.set_num_threads(plan.threads)
    _count(rounds)
    train_run(_config(plan, precision))


def _count(rounds: Rounds) -> None:
    forward = Objective.forward

    def counted(objective: Objective, batch: Batch) -> LossSums:
        rounds.batch(
            objective.network,
            num_pairs=len(batch.source),
            num_target_tokens=batch.num_target_tokens,
            num_tokens=int(batch.source_mask.sum()) + batch.num_target_tokens,
            num_places=batch.source.numel() + batch.labels.numel(),
        )
        return forward(objective, batch)

    Objective.forward = counted  # type: ignore[assignment, method-assign]


def _config(plan: Plan, precision: str) -> RunConfig:
    sizes = plan.sizes
    return RunConfig.model_validate(
        {
            "run_folder": f"{plan.scratch}/run",
            "seed": plan.seed,
            "data": {
                "directions": [f"{SOURCE}-{TARGET}"],
                "train": [{language: plan.text("train", language) for language in (SOURCE, TARGET)}],
                "dev": {language: plan.text("dev", language) for language in (SOURCE, TARGET)},
                "max_length": MAX_LENGTH,
            },
            "vocabulary": {"source_file": plan.piece_model},
            "architecture": {
                "d_model": sizes.d_model,
                "d_ff": sizes.d_ff,
                "num_heads": sizes.num_heads,
                "num_encoder_layers": sizes.num_encoder_layers,
                "num_decoder_layers": sizes.num_decoder_layers,
                "dropout": DROPOUT,
            },
            "objective": {"label_smoothing": LABEL_SMOOTHING},
            "optimization": {
                "max_updates": NEVER,
                "batch_tokens": plan.batch_tokens,
                "learning_rate": LEARNING_RATE,
                "clip_norm": CLIP_NORM,
                "precision": precision,
                "checkpoint_every": NEVER,
            },
            "validation": {"every": NEVER},
        }
    )


if __name__ == "__main__":
    Rounds().serve(train, ("torch",))
