"""transformers' process: MarianMTModel with random weights in the loop that its users write."""

import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import MarianConfig, MarianMTModel

from tests.benchmarks.training.batches import batches_by_length
from tests.benchmarks.training.plan import CLIP_NORM, DROPOUT, LABEL_SMOOTHING, LEARNING_RATE, MAX_LENGTH, Plan
from tests.benchmarks.training.rounds import Rounds
from tests.pieces import EOS_ID, PAD_ID

IGNORED = -100
"""The label of padding, which the loss leaves out."""
PROFILED_UPDATES = 8


def train(rounds: Rounds, plan: Plan, precision: str, profile: str | None = None) -> None:
    """precision: "float32"; "autocast", weights in float32 and products in bfloat16; or "bfloat16", weights too.

    profile: a file for the time of torch's operators, of a few updates after as many to warm up.
    """
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    pairs = json.loads(Path(plan.encoded).read_text())
    sources, targets = ([torch.tensor(ids) for ids in pairs[side]] for side in ("source", "target"))
    model = _model(plan, num_pieces=_num_pieces(plan))
    if precision == "bfloat16":
        model.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0, fused=True)
    profiler = torch.profiler.profile() if profile else None
    for update, (source, labels) in enumerate(_batches(sources, targets, plan)):
        if profiler is not None and update == PROFILED_UPDATES:
            profiler.start()
        if profiler is not None and profile and update == 2 * PROFILED_UPDATES:
            profiler.stop()
            Path(profile).write_text(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=30))
            profiler = None
        num_target_tokens = int((labels != IGNORED).sum())
        rounds.batch(
            model,
            num_pairs=len(source),
            num_target_tokens=num_target_tokens,
            num_tokens=int((source != PAD_ID).sum()) + num_target_tokens,
            num_places=source.numel() + labels.numel(),
        )
        low_precision = torch.autocast("cpu", torch.bfloat16) if precision == "autocast" else nullcontext()
        with low_precision:
            # The model makes no loss of its own, which would have no label smoothing, when it is given no labels.
            logits = model(
                input_ids=source,
                attention_mask=(source != PAD_ID).long(),
                decoder_input_ids=_shifted(labels),
                use_cache=False,
            ).logits
            loss = cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, label_smoothing=LABEL_SMOOTHING
            )
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad()


def _batches(sources: list[Tensor], targets: list[Tensor], plan: Plan) -> Iterator[tuple[Tensor, Tensor]]:
    """Sources [N, S] and labels [N, T], epoch after epoch."""
    shuffler = random.Random(plan.seed)
    lengths = [(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
    while True:
        for batch in batches_by_length(lengths, plan.batch_tokens, shuffler):
            yield (
                pad_sequence([sources[pair] for pair in batch], batch_first=True, padding_value=PAD_ID),
                pad_sequence([targets[pair] for pair in batch], batch_first=True, padding_value=IGNORED),
            )


def _shifted(labels: Tensor) -> Tensor:
    """The decoder's input: padding, with which Marian begins, then all labels but the last. [N, T]"""
    start = labels.new_full((len(labels), 1), PAD_ID)
    return torch.cat((start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, PAD_ID)), dim=1)


def _num_pieces(plan: Plan) -> int:
    return Path(plan.piece_list).read_text(encoding="utf-8").count("\n") + EOS_ID + 1


def _model(plan: Plan, *, num_pieces: int) -> nn.Module:
    sizes = plan.sizes
    config = MarianConfig(
        vocab_size=num_pieces,
        d_model=sizes.d_model,
        encoder_layers=sizes.num_encoder_layers,
        decoder_layers=sizes.num_decoder_layers,
        encoder_ffn_dim=sizes.d_ff,
        decoder_ffn_dim=sizes.d_ff,
        encoder_attention_heads=sizes.num_heads,
        decoder_attention_heads=sizes.num_heads,
        activation_function="relu",
        dropout=DROPOUT,
        attention_dropout=0.0,
        activation_dropout=0.0,
        max_position_embeddings=2 * MAX_LENGTH,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=PAD_ID,
        eos_token_id=EOS_ID,
        decoder_start_token_id=PAD_ID,
        forced_eos_token_id=None,
    )
    model: nn.Module = MarianMTModel(config).train()
    return model


if __name__ == "__main__":
    Rounds().serve(train, ("torch", "transformers"))
