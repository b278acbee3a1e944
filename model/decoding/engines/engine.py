"""The in-flight decoding engine: sentences come and go between any two steps, whatever else is decoding."""

import heapq
import logging
import time
from collections.abc import Sequence

import numpy as np

from dragoman.model.decoding.decoder import Admission, Decoder, Extensions, Rows
from dragoman.model.decoding.limits import EngineLimits, num_cached_positions
from dragoman.model.decoding.request import Event, Finished, Request, TokenHypothesis
from dragoman.model.decoding.search.beam import BeamStep
from dragoman.model.decoding.search.dense import DenseSlots, join_extensions
from dragoman.model.decoding.search.following import describe_progress
from dragoman.model.decoding.search.rules import coverage_penalty, length_penalty
from dragoman.model.decoding.search.state import Search
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics, RequestCounts, StepCounts, make_statistics
from dragoman.model.errors import InvalidInputError

logger = logging.getLogger(__name__)


class Engine:
    """Decodes up to `max_slots` sentences at once, one target position a step.

    Synchronous, for one thread alone (but for `check` and `statistics`); without queue or text. A sentence's hypotheses
    do not depend on what else is being decoded, but for what the decoder's rounding of sums may change.
    """

    def __init__(
        self, decoder: Decoder, *, max_slots: int | None = None, max_cached_positions: int | None = None
    ) -> None:
        """max_slots: sentences decoded at once, if fewer than the decoder has room for. max_cached_positions: most
        positions whose keys and values the decoder keeps; a request counts with its source pieces and with its beams
        times its max_target_length. None leaves it to the number of slots."""
        self.decoder = decoder
        self.max_slots = min(max_slots or decoder.max_slots, decoder.max_slots)
        self.limits = EngineLimits.of_decoder(decoder, max_cached_positions)
        self.step_counts = StepCounts()
        self._request_counts = RequestCounts()
        self._search = Search(self.max_slots, decoder.vocabulary)
        self._dense = DenseSlots(decoder.vocabulary.eos_id)
        self._free = list(range(self.max_slots))  # a heap: the lowest numbers are taken first
        self._requests: dict[int, Request] = {}  # by slot
        self._slots: dict[int, int] = {}  # by request id
        self._followed: set[int] = set()  # slots
        self._unstarted: list[int] = []  # slots that have taken no step
        self._first_token_at = [0.0] * self.max_slots
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
        num_positions, limit = self._num_reserved, self.limits.max_cached_positions
        for index, request in enumerate(requests[: self.free_slots]):
            num_positions += num_cached_positions(request)
            if limit is not None and num_positions > limit:
                return index
        return min(len(requests), self.free_slots)

    def check(self, request: Request) -> None:
        """Raises InvalidInputError for a request that `admit` will never take. May be called in any thread."""
        self.limits.check(request)

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
                f"{len(requests)} requests need more cached positions than are free, of "
                f"{self.limits.max_cached_positions}"
            )
        begin = time.monotonic()
        slots = heapq.nsmallest(len(requests), self._free)
        self.decoder.admit(
            [
                _admission(slot, request, self.limits.is_forced(request))
                for slot, request in zip(slots, requests, strict=True)
            ]
        )
        for slot, request in zip(slots, requests, strict=True):
            self._begin(slot, request)
        self._request_counts.count_admitted(requests)
        self.step_counts.step_seconds += time.monotonic() - begin

    def _begin(self, slot: int, request: Request) -> None:
        heapq.heappop(self._free)
        self._requests[slot] = request
        self._slots[request.id] = slot
        self._num_reserved += num_cached_positions(request)
        self._search.begin(
            slot,
            beam_size=request.options.num_beams,
            num_extensions=min(2 * request.options.num_beams, self.decoder.vocabulary.target_size),
            min_length=request.options.min_target_length,
            max_length=request.max_target_length,
        )
        self._dense.begin(slot, request)
        self._unstarted.append(slot)
        if request.is_followed:
            self._followed.add(slot)

    def step(self) -> list[Event]:
        """Decodes one target position of every sentence; returns those whose search is over, and how far those have
        come that are followed."""
        if not self._requests:
            return []
        begin, num_slots = time.monotonic(), len(self._requests)
        rows = self._search.rows()
        self.decoder.advance(rows)
        step = self._advance_some_dense(rows) if self._dense else self._search.advance(rows, self._extend(rows))
        end = time.monotonic()
        for slot in self._unstarted:
            self._first_token_at[slot] = end
        self._unstarted.clear()
        self.step_counts.count(num_slots, end - begin)
        events: list[Event] = self._finish(rows.slots[step.is_done].tolist()) if np.count_nonzero(step.is_done) else []
        events += [describe_progress(self._requests[slot], self._search, slot) for slot in self._followed]
        return events

    def _finish(self, slots: list[int]) -> list[Event]:
        """The outcomes of slots whose search is over, which become free."""
        finished = [
            Finished(self._requests[slot].id, self._hypotheses(slot), self._first_token_at[slot]) for slot in slots
        ]
        for one in finished:
            self._request_counts.count_finished(one)
        self._release(slots)
        return [*finished]

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
        self._request_counts.num_cancelled += 1
        return True

    def statistics(self) -> EngineStatistics:
        """What it has done so far. May be called in any thread."""
        return make_statistics(
            self._request_counts, [self.step_counts], num_slots=self.max_slots, num_active=self.num_active
        )

    def close(self) -> None:
        """Nothing to end: it has no thread of its own."""

    def _release(self, slots: list[int]) -> None:
        for slot in slots:
            request = self._requests.pop(slot)
            del self._slots[request.id]
            self._num_reserved -= num_cached_positions(request)
            heapq.heappush(self._free, slot)
        self._followed.difference_update(slots)
        self._unstarted = [slot for slot in self._unstarted if slot not in slots]
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


def _needs_attention(options: SearchOptions) -> bool:
    return options.return_attention or options.coverage_penalty > 0


def _admission(slot: int, request: Request, is_forced: bool) -> Admission:
    allowed_ids = None if is_forced else request.allowed_ids
    if allowed_ids is not None and request.prefix_ids:
        allowed_ids = np.union1d(allowed_ids, np.array(request.prefix_ids, np.int32))
    return Admission(
        slot=slot,
        source_ids=request.source_ids,
        beam_size=request.options.num_beams,
        max_target_length=request.max_target_length,
        allowed_ids=allowed_ids,
        keep_attention=_needs_attention(request.options),
        is_forced=is_forced,
    )
