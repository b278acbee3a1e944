"""OpenNMT-py's process: its own `onmt.bin.train.train`, with a counter before each batch. It knows no bfloat16."""

from typing import Any

import torch
from onmt.bin.train import _get_parser  # type: ignore[import-not-found]
from onmt.bin.train import train as train_run
from onmt.trainer import Trainer  # type: ignore[import-not-found]

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


def train(rounds: Rounds, plan: Plan) -> None:
    torch.set_num_threads(plan.threads)
    _count(rounds)
    train_run(_get_parser().parse_args(_arguments(plan)))


def _count(rounds: Rounds) -> None:
    accumulate = Trainer._gradient_accumulation

    def counted(trainer: Any, batches: list[dict[str, Any]], *arguments: Any) -> Any:
        (batch,) = batches  # it accumulates nothing
        labels = batch["tgt"][:, 1:, 0]
        num_target_tokens = int(labels.ne(trainer.train_loss.padding_idx).sum())
        rounds.batch(
            trainer.model,
            num_pairs=len(labels),
            num_target_tokens=num_target_tokens,
            num_tokens=int(batch["srclen"].sum()) + num_target_tokens,
            num_places=batch["src"].numel() + labels.numel(),
        )
        return accumulate(trainer, batches, *arguments)

    Trainer._gradient_accumulation = counted


def _arguments(plan: Plan) -> list[str]:
    sizes = plan.sizes
    corpus = f"{{corpus: {{path_src: {plan.text('train', SOURCE)}, path_tgt: {plan.text('train', TARGET)}}}}}"
    options = {
        "data": corpus,
        "save_model": f"{plan.scratch}/model",
        "src_vocab": plan.piece_list,
        "tgt_vocab": plan.piece_list,
        "src_subword_model": plan.piece_model,
        "tgt_subword_model": plan.piece_model,
        "seed": plan.seed,
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "enc_layers": sizes.num_encoder_layers,
        "dec_layers": sizes.num_decoder_layers,
        "hidden_size": sizes.d_model,
        "word_vec_size": sizes.d_model,
        "transformer_ff": sizes.d_ff,
        "heads": sizes.num_heads,
        "optim": "adam",
        "adam_beta2": 0.98,
        "learning_rate": LEARNING_RATE,
        "max_grad_norm": CLIP_NORM,
        "label_smoothing": LABEL_SMOOTHING,
        "dropout": DROPOUT,
        "attention_dropout": 0.0,
        "normalization": "tokens",
        "batch_size": plan.batch_tokens,
        "batch_type": "tokens",
        "bucket_size": BUCKET_PAIRS,
        "num_workers": 0,
        "train_steps": NEVER,
        "valid_steps": NEVER,
        "save_checkpoint_steps": NEVER,
    }
    flags = (
        "share_vocab",
        "share_embeddings",
        "share_decoder_embeddings",
        "position_encoding",
        "add_qkvbias",
        "add_ffnbias",
    )
    values = [text for name, value in options.items() for text in (f"-{name}", str(value))]
    return [*values, "-transforms", "sentencepiece", *(f"-{flag}" for flag in flags), "-param_init_glorot"]


if __name__ == "__main__":
    Rounds().serve(train, ("torch", "OpenNMT-py"))
