"""The in-flight decoding engine: sentences come and go between any two steps, whatever else is decoding."""

import heapq
import logging
from collections.abc import Sequence

import numpy as np

from model.config import EOS_ID
from model.decoding.beam import BeamStep
from model.decoding.decoder import Admission, Decoder, Extensions, Ints, Rows
from model.decoding.dense import DenseSlots, join_extensions
from model.decoding.request import Finished, Request, SearchOptions, TokenHypothesis
from model.decoding.rules import coverage_penalty, length_penalty
from model.decoding.search import Search
from model.errors import InvalidInputError

logger = logging.getLogger(__name__)


class Engine:
    """Decodes up to `max_slots` sentences at once, one target position a step.

    Synchronous, for one thread alone (but for `check`); without queue, clock or text. A sentence's hypotheses do not
    depend on what else is being decoded, but for what the decoder's rounding of sums may change.
    """

    def __init__(
        self, decoder: Decoder, *, max_slots: int | None = None, max_cached_positions: int | None = None
    ) -> None:
        """max_slots: sentences decoded at once, if fewer than the decoder has room for. max_cached_positions: most
        positions whose keys and values the decoder keeps; a request counts with its source pieces and with its beams
        times its max_target_length. None leaves it to the number of slots."""
        self.decoder = decoder
        self.max_slots = min(max_slots or decoder.max_slots, decoder.max_slots)
        self.max_cached_positions = max_cached_positions
        self._search = Search(self.max_slots)
        self._dense = DenseSlots()
        self._free = list(range(self.max_slots))  # a heap: the lowest numbers are taken first
        self._requests: dict[int, Request] = {}  # by slot
        self._slots: dict[int, int] = {}  # by request id
        self._num_reserved = 0  # positions

    @property
    def num_active(self) -> int:
        """Sentences being decoded."""
        return len(self._requests)

    @property
    def free_slots(self) -> int:
        """Sentences that could be admitted now, if their positions fit too."""
        return len(self._free)

    def count_fitting(self, requests: Sequence[Request]) -> int:
        """How many of the requests, counted from the first, `admit` has room for now."""
        num_positions = self._num_reserved
        for index, request in enumerate(requests[: self.free_slots]):
            num_positions += num_cached_positions(request)
            if self.max_cached_positions is not None and num_positions > self.max_cached_positions:
                return index
        return min(len(requests), self.free_slots)

    def check(self, request: Request) -> None:
        """Raises InvalidInputError for a request that `admit` will never take. May be called in any thread."""
        max_source_length, max_target_length = self.decoder.max_source_length, self.decoder.max_target_length
        if not 1 <= len(request.source_ids) <= max_source_length:
            raise InvalidInputError(
                f"a source of {len(request.source_ids)} pieces; 1 to {max_source_length} are possible"
            )
        if not 1 <= request.max_target_length <= max_target_length:
            raise InvalidInputError(
                f"max_target_length is {request.max_target_length}; 1 to {max_target_length} are possible"
            )
        if request.options.sampling_temperature is None and 2 * request.options.beam_size > self.decoder.vocab_size:
            raise InvalidInputError(f"a vocabulary this small cannot fill a beam of {request.options.beam_size}")
        _check_pieces(request, self.decoder.vocab_size)
        if self.max_cached_positions is not None and num_cached_positions(request) > self.max_cached_positions:
            raise InvalidInputError(
                f"the request needs {num_cached_positions(request)} cached positions, but the engine has "
                f"{self.max_cached_positions}: ask for fewer beams or a smaller max_target_length"
            )

    def admit(self, requests: Sequence[Request]) -> None:
        """Encodes the sources and begins their search at the next step.

        Raises InvalidInputError, before anything has changed, for more requests than fit now, a repeated id, or what
        `check` refuses.
        """
        if not requests:
            return
        if len(requests) > self.free_slots:
            raise InvalidInputError(f"{len(requests)} requests for {self.free_slots} free slots")
        ids = {request.id for request in requests}
        if len(ids) < len(requests) or not ids.isdisjoint(self._slots):
            raise InvalidInputError("a request has the id of another in flight")
        for request in requests:
            self.check(request)
        if self.count_fitting(requests) < len(requests):
            raise InvalidInputError(
                f"{len(requests)} requests need more cached positions than are free, of {self.max_cached_positions}"
            )
        slots = heapq.nsmallest(len(requests), self._free)
        self.decoder.admit([_admission(slot, request) for slot, request in zip(slots, requests, strict=True)])
        for slot, request in zip(slots, requests, strict=True):
            self._begin(slot, request)

    def _begin(self, slot: int, request: Request) -> None:
        heapq.heappop(self._free)
        self._requests[slot] = request
        self._slots[request.id] = slot
        self._num_reserved += num_cached_positions(request)
        self._search.begin(
            slot,
            beam_size=request.options.num_beams,
            num_extensions=min(2 * request.options.num_beams, self.decoder.vocab_size),
            min_length=request.options.min_target_length,
            max_length=request.max_target_length,
        )
        self._dense.begin(slot, request)

    def step(self) -> list[Finished]:
        """Decodes one target position of every sentence and returns those whose search is over."""
        if not self._requests:
            return []
        rows = self._search.rows()
        self.decoder.advance(rows)
        step = self._advance_some_dense(rows) if self._dense else self._search.advance(rows, self._extend(rows))
        if not np.count_nonzero(step.is_done):
            return []
        done = rows.slots[step.is_done].tolist()
        finished = [Finished(self._requests[slot].id, self._hypotheses(slot)) for slot in done]
        self._release(done)
        return finished

    def _extend(self, rows: Rows) -> Extensions:
        return self.decoder.extend(rows, np.arange(len(rows.slots), dtype=np.int32))

    def _advance_some_dense(self, rows: Rows) -> BeamStep:
        """A step where some slots, or all, need every piece's log probability."""
        is_dense = self._dense.find(rows)
        dense, plain = np.flatnonzero(is_dense).astype(np.int32), np.flatnonzero(~is_dense).astype(np.int32)
        parts = [(plain, self.decoder.extend(rows, plain))] if len(plain) else []
        log_probs = self.decoder.log_probs(rows, dense)
        extended = self._dense.extend(rows, dense, log_probs, self._search.live_pieces)
        parts += [(dense[index : index + 1], one) for index, one in enumerate(extended)]
        step = self._search.advance(rows, join_extensions(len(rows.slots), parts))
        self._dense.advance(rows, dense, step)
        return step

    def cancel(self, request_id: int) -> bool:
        """Frees the slot of a request at once; False if it is not in flight."""
        if request_id not in self._slots:
            return False
        self._release([self._slots[request_id]])
        return True

    def _release(self, slots: list[int]) -> None:
        for slot in slots:
            request = self._requests.pop(slot)
            del self._slots[request.id]
            self._num_reserved -= num_cached_positions(request)
            heapq.heappush(self._free, slot)
        self._search.remove(slots)
        self._dense.remove(slots)
        self.decoder.release(slots)

    def _hypotheses(self, slot: int) -> tuple[TokenHypothesis, ...]:
        """The best of a slot whose search is over."""
        options = self._requests[slot].options
        weights = self.decoder.attention(slot) if _needs_attention(options) else None  # [positions, beams, source]
        scored = []
        for ending in self._search.endings(slot):
            length = len(ending.beams)
            score = ending.log_prob / length_penalty(length, options.length_penalty, options.length_normalization)
            attention = None if weights is None else weights[np.arange(length), ending.beams]
            if attention is not None and options.coverage_penalty:
                score += coverage_penalty(attention, options.coverage_penalty)
            scored.append((score, ending, attention if options.return_attention else None))
        scored.sort(key=lambda found: -found[0])  # stable: of equals the one that finished first
        hypotheses = []
        for score, ending, attention in scored[: options.n_best]:
            path = self._search.trace(slot, ending)
            hypotheses.append(TokenHypothesis(path.token_ids, score, path.token_log_probs, attention))
        if not hypotheses:  # the network gives no numbers, or its shortlist holds nothing but the end of sentence
            logger.warning("request %d: no translation is possible", self._requests[slot].id)
        return tuple(hypotheses)


def num_cached_positions(request: Request) -> int:
    """Positions whose keys and values a request may need: its source's, and those of all its hypotheses."""
    return len(request.source_ids) + request.options.num_beams * request.max_target_length


def _needs_attention(options: SearchOptions) -> bool:
    return options.return_attention or options.coverage_penalty > 0


def _admission(slot: int, request: Request) -> Admission:
    allowed_ids = request.allowed_ids
    if allowed_ids is not None and request.prefix_ids:
        allowed_ids = np.union1d(allowed_ids, np.array(request.prefix_ids, np.int32))
    return Admission(
        slot=slot,
        source_ids=request.source_ids,
        beam_size=request.options.num_beams,
        max_target_length=request.max_target_length,
        allowed_ids=allowed_ids,
        keep_attention=_needs_attention(request.options),
    )


def _check_pieces(request: Request, vocab_size: int) -> None:
    """Refuses target pieces that make no sense."""
    if len(request.prefix_ids) >= request.max_target_length:
        raise InvalidInputError(
            f"target_prefix has {len(request.prefix_ids)} pieces, but max_target_length is "
            f"{request.max_target_length}: it must be greater"
        )
    if EOS_ID in request.prefix_ids:
        raise InvalidInputError("target_prefix holds the end of sentence")
    for name in ("prefix_ids", "suppressed_ids"):
        for piece in getattr(request, name):
            if not 0 <= piece < vocab_size:
                raise InvalidInputError(f"{name} holds {piece}, but the vocabulary has {vocab_size} pieces")
    if request.allowed_ids is not None and not _is_shortlist(request.allowed_ids, vocab_size):
        raise InvalidInputError("allowed_ids must be ascending pieces of the vocabulary with the end of sentence")


def _is_shortlist(ids: Ints, vocab_size: int) -> bool:
    end = int(ids.searchsorted(EOS_ID))
    return (
        end < len(ids)
        and bool(ids[end] == EOS_ID)
        and bool((ids[1:] > ids[:-1]).all())
        and bool(0 <= ids[0] <= ids[-1] < vocab_size)
    )
