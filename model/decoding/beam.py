"""One step of beam search for many sentences at once: a pure function on tensors, without a loop over sentences.

n slots (sentences), w beams of each, V pieces, T the longest target the tensors can hold. A slot whose request asks
for fewer beams than w uses the first ones; the others stay dead, with a log probability of -inf.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import EOS_ID
from model.decoding.rules import length_penalty


@dataclass(frozen=True, slots=True)
class BeamState:
    """Where the search of n slots stands. Every tensor has the slot as its first dimension.

    positions: [n] int64, target pieces decoded so far.
    tokens: [n, w, T] int64, the live hypotheses' pieces; what lies at or beyond `positions` is meaningless.
    log_probs: [n, w], sums of log probabilities of the live hypotheses, -inf for a dead beam.
    finished_scores: [n, w], length-normalized, of the best finished hypotheses, best first; -inf where there is none.
    finished_tokens: [n, w, T] int64; finished_lengths: [n, w] int64, pieces without the end of sentence.
    num_finished: [n] int64, hypotheses that finished so far, those pushed out by better ones included.
    beam_size, max_length: [n] int64; alpha: [n], the requests' options; max_length counts the end of sentence.
    """

    positions: Tensor
    tokens: Tensor
    log_probs: Tensor
    finished_scores: Tensor
    finished_tokens: Tensor
    finished_lengths: Tensor
    num_finished: Tensor
    beam_size: Tensor
    max_length: Tensor
    alpha: Tensor

    @classmethod
    def start(
        cls,
        beam_sizes: list[int],
        max_lengths: list[int],
        alphas: list[float],
        *,
        width: int,
        capacity: int,
        like: Tensor,
    ) -> Self:
        """New slots before their first step. width: w; capacity: T; like: a tensor of the wanted device and float type.

        Only the first beam is alive: all beams are equal yet, and would find the same hypotheses w times.
        """
        num_slots, device = len(beam_sizes), like.device
        log_probs = like.new_full((num_slots, width), -torch.inf)
        log_probs[:, 0] = 0.0
        return cls(
            positions=torch.zeros(num_slots, dtype=torch.int64, device=device),
            tokens=torch.zeros(num_slots, width, capacity, dtype=torch.int64, device=device),
            log_probs=log_probs,
            finished_scores=like.new_full((num_slots, width), -torch.inf),
            finished_tokens=torch.zeros(num_slots, width, capacity, dtype=torch.int64, device=device),
            finished_lengths=torch.zeros(num_slots, width, dtype=torch.int64, device=device),
            num_finished=torch.zeros(num_slots, dtype=torch.int64, device=device),
            beam_size=torch.tensor(beam_sizes, device=device),
            max_length=torch.tensor(max_lengths, device=device),
            alpha=like.new_tensor(alphas),
        )

    @property
    def width(self) -> int:
        return self.log_probs.shape[1]

    def select(self, slots: Tensor) -> Self:
        """The state of the given slots alone, in that order. slots: [m] int64."""
        return replace(self, **{field.name: getattr(self, field.name).index_select(0, slots) for field in fields(self)})

    def join(self, other: Self) -> Self:
        """These slots followed by the other's; both of the same width."""
        return replace(
            self,
            **{
                field.name: torch.cat((getattr(self, field.name), getattr(other, field.name))) for field in fields(self)
            },
        )

    def resize(self, width: int) -> Self:
        """The same search with w beams: more are dead, fewer must have been dead."""
        missing = width - self.width
        return replace(
            self,
            tokens=F.pad(self.tokens, (0, 0, 0, missing)),
            log_probs=F.pad(self.log_probs, (0, missing), value=-torch.inf),
            finished_scores=F.pad(self.finished_scores, (0, missing), value=-torch.inf),
            finished_tokens=F.pad(self.finished_tokens, (0, 0, 0, missing)),
            finished_lengths=F.pad(self.finished_lengths, (0, missing)),
        )


@dataclass(frozen=True, slots=True)
class BeamStep:
    """What a step decided.

    state: the search after it.
    parents: [n, w] int64, the beam that each live hypothesis grew from: caches must follow.
    token_ids: [n, w] int64, the piece that each live hypothesis gained: the next input.
    is_done: [n], True where the search is over.
    """

    state: BeamState
    parents: Tensor
    token_ids: Tensor
    is_done: Tensor


def beam_step(log_probs: Tensor, state: BeamState) -> BeamStep:
    """Extends every live hypothesis by one piece.

    log_probs: [n, w, V], of the next piece given each live hypothesis; V ≥ 2w.

    Of a slot's 2·beam_size best extensions, those among the best beam_size that end the sentence are finished; the
    best beam_size that do not end it live on. The search is over once beam_size hypotheses have finished; at max_length
    the best beam_size extensions all finish, ended or not.
    """
    num_slots, width, vocab_size = log_probs.shape
    totals = (state.log_probs.unsqueeze(2) + log_probs).view(num_slots, width * vocab_size)
    scores, places = totals.topk(2 * width, dim=1)  # [n, 2w], best first
    parents, token_ids = places // vocab_size, places % vocab_size

    ranks = torch.arange(2 * width, device=scores.device)
    beam_size = state.beam_size.unsqueeze(1)
    possible = scores > -torch.inf
    is_last = (state.positions + 1 >= state.max_length).unsqueeze(1)  # [n, 1]
    ends = token_ids == EOS_ID
    finishes = (ends | is_last) & possible & (ranks < beam_size)

    # The first beam_size extensions that do not end come first, in order of score; what is left over is dead.
    lives = ~ends & possible & (ranks < 2 * beam_size)
    live_order = torch.where(lives, ranks, ranks + 2 * width).argsort(dim=1)[:, :width]
    is_alive = lives.gather(1, live_order) & (ranks[:width] < beam_size)

    advanced = _finish(state, parents[:, :width], token_ids[:, :width], scores[:, :width], finishes[:, :width])
    live_parents, live_tokens = parents.gather(1, live_order), token_ids.gather(1, live_order)
    advanced = replace(
        advanced,
        positions=state.positions + 1,
        tokens=_grow(state, live_parents, live_tokens),
        log_probs=scores.gather(1, live_order).masked_fill(~is_alive, -torch.inf),
        num_finished=state.num_finished + finishes.sum(dim=1),
    )
    is_done = is_last.squeeze(1) | (advanced.num_finished >= state.beam_size) | ~is_alive.any(dim=1)
    return BeamStep(advanced, live_parents, live_tokens, is_done)


def _grow(state: BeamState, parents: Tensor, token_ids: Tensor) -> Tensor:
    """The pieces [n, w, T] of the parents [n, w], each with its new piece at the slot's position."""
    histories = state.tokens.gather(1, parents.unsqueeze(2).expand_as(state.tokens))
    places = state.positions.view(-1, 1, 1).expand(-1, histories.shape[1], 1)
    return histories.scatter(2, places, token_ids.unsqueeze(2))


def _finish(state: BeamState, parents: Tensor, token_ids: Tensor, log_probs: Tensor, finishes: Tensor) -> BeamState:
    """Takes the extensions where `finishes` [n, w] is True among the finished hypotheses and keeps the best w."""
    if not finishes.any():
        return state
    lengths = (state.positions + 1).unsqueeze(1)  # with the end of sentence, or cut off before it
    penalties = length_penalty(lengths.to(log_probs.dtype), state.alpha.unsqueeze(1))
    scores = (log_probs / penalties).masked_fill(~finishes, -torch.inf)
    all_scores = torch.cat((state.finished_scores, scores), dim=1)
    all_tokens = torch.cat((state.finished_tokens, _grow(state, parents, token_ids)), dim=1)
    all_lengths = torch.cat((state.finished_lengths, lengths - (token_ids == EOS_ID).long()), dim=1)
    best_scores, best = all_scores.topk(state.width, dim=1)
    return replace(
        state,
        finished_scores=best_scores,
        finished_tokens=all_tokens.gather(1, best.unsqueeze(2).expand(-1, -1, all_tokens.shape[2])),
        finished_lengths=all_lengths.gather(1, best),
    )
