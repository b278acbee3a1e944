"""The oracle: a naive, uncached beam search over one sentence, slow and obvious, that the engine must agree with."""

from collections.abc import Collection, Sequence

import torch

from model.config import BOS_ID, EOS_ID
from model.decoding.request import SearchOptions, TokenHypothesis
from model.transformer import Transformer


@torch.inference_mode()
def reference_beam_search(
    network: Transformer,
    source_ids: Sequence[int],
    options: SearchOptions,
    max_target_length: int,
    forbidden_ids: Collection[int] = (),
) -> list[TokenHypothesis]:
    source = torch.tensor([list(source_ids)])
    source_mask = torch.ones_like(source, dtype=torch.bool)
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[TokenHypothesis] = []
    for position in range(max_target_length):
        extensions: list[tuple[float, list[int]]] = []
        for log_prob, tokens in live:
            logits = network(source, source_mask, torch.tensor([[BOS_ID, *tokens]]))
            for piece, piece_log_prob in enumerate(logits[0, -1].log_softmax(dim=0).tolist()):
                if piece in forbidden_ids or (piece == EOS_ID and position == 0):
                    continue
                extensions.append((log_prob + piece_log_prob, [*tokens, piece]))
        extensions.sort(key=lambda extension: -extension[0])
        penalty = ((5 + position + 1) / 6) ** options.length_penalty
        is_last = position + 1 == max_target_length
        live = []
        for rank, (log_prob, tokens) in enumerate(extensions[: 2 * options.beam_size]):
            ends = tokens[-1] == EOS_ID
            if (ends or is_last) and rank < options.beam_size:
                finished.append(TokenHypothesis(tuple(tokens[:-1] if ends else tokens), log_prob / penalty))
            if not ends and len(live) < options.beam_size:
                live.append((log_prob, tokens))
        if len(finished) >= options.beam_size:
            break
    finished.sort(key=lambda hypothesis: -hypothesis.score)
    return finished[: options.n_best]
