"""The in-flight decoding engine: sentences come and go between any two steps, whatever else is decoding."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.config import BOS_ID
from model.decoding.beam import BeamState, beam_step
from model.decoding.cache import SlotCache
from model.decoding.request import Finished, Request, TokenHypothesis
from model.decoding.rules import forbid_empty, forbid_pieces
from model.errors import InvalidInputError
from model.transformer import Transformer, pad_batch

MAX_ENCODED_PIECES = 8192
"""Padded source pieces that are encoded at once."""


class Engine:
    """Decodes up to `max_slots` sentences at once, one target position a step.

    Synchronous, for one thread alone; without queue, clock or text. A sentence's hypotheses do not depend on what
    else is being decoded, but for the rounding of sums in another order.
    """

    def __init__(self, network: Transformer, *, forbidden_ids: Sequence[int] = (), max_slots: int = 64) -> None:
        """network: in evaluation mode. forbidden_ids: pieces that no hypothesis may hold, such as language tags."""
        self.network = network
        self.max_slots = max_slots
        weight = network.output_projection.weight.detach()
        self._device = weight.device
        self._forbidden = torch.zeros(weight.shape[0], dtype=torch.bool, device=self._device)
        self._forbidden[list(forbidden_ids)] = True
        self._cache = SlotCache(network.config, max_slots, like=weight)
        self._like = weight
        self._requests: list[Request] = []  # of the slots in use, in order
        self._state: BeamState | None = None  # None when no slot is in use
        self._inputs = torch.zeros(0, 1, dtype=torch.int64, device=self._device)  # [n, w], the pieces to feed next

    @property
    def num_active(self) -> int:
        """Sentences being decoded."""
        return len(self._requests)

    @property
    def free_slots(self) -> int:
        """Sentences that could be admitted now."""
        return self.max_slots - self.num_active

    @torch.inference_mode()
    def admit(self, requests: Sequence[Request]) -> None:
        """Encodes the sources and begins their search at the next step.

        Raises InvalidInputError, before anything has changed, for more requests than free slots, a repeated id, or a
        sentence or target longer than the network's limits.
        """
        self._check(requests)
        for group in _encoding_groups(requests):
            self._admit_group(group)

    def _check(self, requests: Sequence[Request]) -> None:
        config = self.network.config
        if len(requests) > self.free_slots:
            raise InvalidInputError(f"{len(requests)} requests for {self.free_slots} free slots")
        ids = [request.id for request in (*self._requests, *requests)]
        if len(set(ids)) < len(ids):
            raise InvalidInputError("a request has the id of another in flight")
        for request in requests:
            if not 1 <= len(request.source_ids) <= config.max_source_length:
                raise InvalidInputError(
                    f"a source of {len(request.source_ids)} pieces; 1 to {config.max_source_length} are possible"
                )
            if not 1 <= request.max_target_length <= config.max_target_length:
                raise InvalidInputError(
                    f"max_target_length is {request.max_target_length}; 1 to {config.max_target_length} are possible"
                )
            if 2 * request.options.beam_size > len(self._forbidden):
                raise InvalidInputError(f"a vocabulary this small cannot fill a beam of {request.options.beam_size}")

    def _admit_group(self, requests: list[Request]) -> None:
        source = pad_batch([request.source_ids for request in requests]).to(self._device)
        lengths = torch.tensor([len(request.source_ids) for request in requests], device=self._device)
        source_mask = torch.arange(source.shape[1], device=self._device) < lengths.unsqueeze(1)
        encoded = self.network.encode(source, source_mask)
        self._set_width(max(request.options.beam_size for request in (*self._requests, *requests)))
        projections = self.network.project_source(encoded)
        new = BeamState.start(
            [request.options.beam_size for request in requests],
            [request.max_target_length for request in requests],
            [request.options.length_penalty for request in requests],
            width=self._cache.width,
            capacity=self.network.config.max_target_length,
            like=self._like,
        )
        state = new if self._state is None else self._state.join(new)
        beginnings = torch.full((len(requests), self._cache.width), BOS_ID, device=self._device)
        inputs = torch.cat((self._inputs, beginnings))
        # All that takes memory is done: whatever fails above leaves slots, state and requests in step.
        self._cache.admit(projections, source_mask)
        self._state, self._inputs = state, inputs
        self._requests += requests

    @torch.inference_mode()
    def step(self) -> list[Finished]:
        """Decodes one target position of every sentence and returns those whose search is over."""
        if self._state is None:
            return []
        state, cache = self._state, self._cache
        cache.begin_step()
        positions = state.positions.repeat_interleave(cache.width)
        logits = self.network.decode_step(self._inputs.flatten(), positions, cache)
        log_probs = logits.log_softmax(dim=-1).view(self.num_active, cache.width, -1)
        log_probs = forbid_empty(forbid_pieces(log_probs, self._forbidden), state.positions)
        step = beam_step(log_probs, state)
        cache.end_step(step.parents)
        self._state, self._inputs = step.state, step.token_ids
        if not step.is_done.any():
            return []
        done = step.is_done.nonzero().flatten().tolist()
        finished = [
            Finished(self._requests[slot].id, _hypotheses(step.state, slot, self._requests[slot])) for slot in done
        ]
        self._free(set(done))
        return finished

    def cancel(self, request_id: int) -> bool:
        """Frees the slot of a request at once; False if it is not in flight."""
        for slot, request in enumerate(self._requests):
            if request.id == request_id:
                self._free({slot})
                return True
        return False

    @torch.inference_mode()
    def _free(self, slots: set[int]) -> None:
        """Closes the gaps with the last slots in use, so that few are moved."""
        num_kept = self.num_active - len(slots)
        if num_kept == 0:
            self._requests, self._state = [], None
            self._inputs = self._inputs[:0]
            self._cache.keep(torch.zeros(0, dtype=torch.int64, device=self._device))
            return
        movers = iter([slot for slot in range(num_kept, self.num_active) if slot not in slots])
        order = [next(movers) if slot in slots else slot for slot in range(num_kept)]
        kept = torch.tensor(order, device=self._device)
        assert self._state is not None
        self._requests = [self._requests[slot] for slot in order]
        self._state = self._state.select(kept)
        self._inputs = self._inputs.index_select(0, kept)
        self._cache.keep(kept)
        self._set_width(max(request.options.beam_size for request in self._requests))

    def _set_width(self, width: int) -> None:
        """As many beams in every slot as the widest request in flight wants."""
        if width == self._cache.width:
            return
        missing = width - self._cache.width
        self._cache.resize(width)
        self._inputs = torch.nn.functional.pad(self._inputs, (0, missing), value=BOS_ID)
        if self._state is not None:
            self._state = self._state.resize(width)


def _encoding_groups(requests: Sequence[Request]) -> list[list[Request]]:
    """Requests of like length together, each group within MAX_ENCODED_PIECES when padded."""
    groups: list[list[Request]] = []
    for request in sorted(requests, key=lambda request: -len(request.source_ids)):  # a group's first is its longest
        if groups and (len(groups[-1]) + 1) * len(groups[-1][0].source_ids) <= MAX_ENCODED_PIECES:
            groups[-1].append(request)
        else:
            groups.append([request])
    return groups


def _hypotheses(state: BeamState, slot: int, request: Request) -> tuple[TokenHypothesis, ...]:
    scores = state.finished_scores[slot].tolist()
    lengths = state.finished_lengths[slot].tolist()
    tokens: Tensor = state.finished_tokens[slot]
    return tuple(
        TokenHypothesis(tuple(tokens[rank, : lengths[rank]].tolist()), scores[rank])
        for rank in range(request.options.n_best)
        if scores[rank] > -float("inf")
    )
