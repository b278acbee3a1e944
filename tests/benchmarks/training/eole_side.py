"""Eole's process: its own `eole.bin.run.train.train`, with a counter before each batch. Eole follows OpenNMT-py."""

from typing import Any

import torch
from eole.bin.run.train import train as train_run  # type: ignore[import-not-found]
from eole.config.run import TrainConfig  # type: ignore[import-not-found]
from eole.trainer import BatchProcessor  # type: ignore[import-not-found]

from tests.benchmarks.training.plan import (
    BUCKET_PAIRS,
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


def train(rounds: Rounds, plan: Plan, precision: str) -> None:
    """precision: "float32"; "autocast", weights in float32 and products in bfloat16; or "bfloat16", weights too."""
    torch.set_num_threads(plan.threads)
    _count(rounds)
    train_run(TrainConfig(**_config(plan, precision)))


def _count(rounds: Rounds) -> None:
    process = BatchProcessor.process_batch

    def counted(processor: Any, batch: dict[str, Any], *arguments: Any) -> Any:
        labels = batch["tgt"][:, 1:]
        num_target_tokens = int(labels.ne(processor.train_loss.padding_idx).sum())
        rounds.batch(
            processor.model,
            num_pairs=len(labels),
            num_target_tokens=num_target_tokens,
            num_tokens=int(batch["srclen"].sum()) + num_target_tokens,
            num_places=batch["src"].numel() + labels.numel(),
        )
        return process(processor, batch, *arguments)

    BatchProcessor.process_batch = counted


def _config(plan: Plan, precision: str) -> dict[str, Any]:
    sizes = plan.sizes
    return {
        "seed": plan.seed,
        "src_vocab": plan.piece_list,
        "share_vocab": True,
        "transforms": ["sentencepiece"],
        "transforms_configs": {
            "sentencepiece": {"src_subword_model": plan.piece_model, "tgt_subword_model": plan.piece_model}
        },
        "data": {
            "corpus": {
                "path_src": plan.text("train", SOURCE),
                "path_tgt": plan.text("train", TARGET),
                "transforms": ["sentencepiece"],
            }
        },
        "model": {
            "architecture": "transformer",
            "hidden_size": sizes.d_model,
            "transformer_ff": sizes.d_ff,
            "heads": sizes.num_heads,
            "add_qkvbias": True,
            "add_final_linear_bias": True,
            "add_ffnbias": True,
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "embeddings": {
                "word_vec_size": sizes.d_model,
                "position_encoding": True,
                "position_encoding_type": "SinusoidalInterleaved",
            },
            "encoder": {"encoder_type": "transformer", "layers": sizes.num_encoder_layers},
            "decoder": {"decoder_type": "transformer", "layers": sizes.num_decoder_layers},
        },
        "training": {
            "model_path": f"{plan.scratch}/model",
            "optim": "adam",
            "adam_beta2": 0.98,
            "learning_rate": LEARNING_RATE,
            "max_grad_norm": CLIP_NORM,
            "label_smoothing": LABEL_SMOOTHING,
            "dropout": [DROPOUT],
            "attention_dropout": [0.0],
            "param_init_method": "xavier_uniform",
            "normalization": "tokens",
            "batch_size": plan.batch_tokens,
            "batch_type": "tokens",
            "bucket_size": BUCKET_PAIRS,
            "num_workers": 0,  # as the others do: on two cores a loader's own process takes time from the network
            "train_steps": NEVER,
            "valid_steps": NEVER,
            "save_checkpoint_steps": NEVER,
            "log_attention_entropy": False,
            "compute_dtype": "fp32" if precision == "float32" else "bf16",
            "use_amp": precision == "autocast",
        },
    }


if __name__ == "__main__":
    Rounds().serve(train, ("torch", "eole"))
