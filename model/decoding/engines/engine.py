"""The in-flight decoding engine: sentences are admitted and finish between any two steps."""

import heapq
import logging
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dragoman.model.decoding.decoder import Admission, Decoder, Extensions, Given, GivenScore, Rows
from dragoman.model.decoding.engines.trimming import trim
from dragoman.model.decoding.limits import EngineLimits, num_cached_positions
from dragoman.model.decoding.request import Event, Finished, Request, TokenHypothesis
from dragoman.model.decoding.search.automaton import Automaton
from dragoman.model.decoding.search.beam import join_extensions
from dragoman.model.decoding.search.following import describe_progress
from dragoman.model.decoding.search.rule import SlotRules
from dragoman.model.decoding.search.rules import Rules, hypothesis_score
from dragoman.model.decoding.search.sampling import Sampler
from dragoman.model.decoding.search.state import Ending, Search
from dragoman.model.decoding.search.stepping import SearchingDecoder
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.decoding.statistics import EngineStatistics, RequestCounts, StepCounts, make_statistics
from dragoman.model.errors import InvalidInputError

PARTIAL_SECONDS = 0.05
"""Seconds between two reports of the progress of followed requests."""

MAX_SCORED_PIECES = 512
"""Pieces of given translations scored in a step, so that decoding does not wait long; one is always scored."""

logger = logging.getLogger(__name__)


class Engine:
    """Decodes up to `max_slots` sentences at once, one target position a step.

    Synchronous, without queue or text; only `check` and `statistics` may be called in other threads. A sentence's
    hypotheses do not depend on the other sentences, except through the decoder's rounding of sums.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        max_slots: int | None = None,
        max_cached_positions: int | None = None,
        joined_ids: Sequence[int] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """max_slots: sentences decoded at once, at most the decoder's slots. max_cached_positions: most positions whose
        keys and values the decoder keeps; a request counts its source pieces, and its beams times its
        max_target_length. None: no bound but the slots. joined_ids: the pieces that continue a word, so that none
        follows a term. clock: times the reports of followed requests."""
        self.decoder = decoder
        self._searching_decoder = decoder if isinstance(decoder, SearchingDecoder) else None
        self.max_slots = min(max_slots or decoder.max_slots, decoder.max_slots)
        self.limits = EngineLimits.of_decoder(decoder, max_cached_positions)
        self.step_counts = StepCounts()
        self._request_counts = RequestCounts()
        self._search = Search(self.max_slots, decoder.vocabulary)
        self._rules = Rules(self.max_slots, decoder.vocabulary)
        self._joined_ids = np.unique(np.array(joined_ids, np.int32))
        self._automata: dict[int, Automaton] = {}  # by slot with terms
        self._sampler = Sampler(decoder.vocabulary.eos_id)
        self._given: list[int] = []  # slots whose translation is given, to be scored, in order of arrival
        self._clock = clock
        self._report_at = -float("inf")
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
        """The number of first requests that `admit` has room for now."""
        num_positions, limit = self._num_reserved, self.limits.max_cached_positions
        for index, request in enumerate(requests[: self.free_slots]):
            num_positions += num_cached_positions(request)
            if limit is not None and num_positions > limit:
                return index
        return min(len(requests), self.free_slots)

    def check(self, request: Request) -> None:
        """Raises InvalidInputError for a request that `admit` can never take. May be called in any thread."""
        self.limits.check(request)

    def admit(self, requests: Sequence[Request]) -> None:
        """Encodes the sources and begins their search at the next step.

        Raises InvalidInputError, before anything has changed, for more requests than fit now, a repeated id, or what
        `check` refuses.
        """
        for request in requests:
            self.check(request)
        self.admit_checked(requests)

    def admit_checked(self, requests: Sequence[Request]) -> None:
        """`admit` for requests that `check` has accepted."""
        if not requests:
            return
        if len(requests) > self.free_slots:
            raise InvalidInputError(f"{len(requests)} requests for {self.free_slots} free slots")
        ids = {request.id for request in requests}
        if len(ids) < len(requests) or not ids.isdisjoint(self._slots):
            raise InvalidInputError("a request has the id of another in flight")
        if self.count_fitting(requests) < len(requests):
            raise InvalidInputError(
                f"{len(requests)} requests need more cached positions than are free, of "
                f"{self.limits.max_cached_positions}"
            )
        begin = time.monotonic()
        slots = heapq.nsmallest(len(requests), self._free)
        placed = zip(slots, requests, strict=True)
        searched = [_admission(slot, request) for slot, request in placed if not self.limits.is_forced(request)]
        if searched:
            self.decoder.admit(searched)
        for slot, request in zip(slots, requests, strict=True):
            self._begin(slot, request)
        self._request_counts.count_admitted(requests)
        self.step_counts.step_seconds += time.monotonic() - begin

    def _begin(self, slot: int, request: Request) -> None:
        heapq.heappop(self._free)
        self._requests[slot] = request
        self._slots[request.id] = slot
        self._num_reserved += num_cached_positions(request)
        self._unstarted.append(slot)
        if self.limits.is_forced(request):
            self._given.append(slot)
            return
        rules = SlotRules.of_request(request, self._joined_ids)
        is_sampled = request.options.sampling_temperature is not None
        delegate = None if is_sampled else self._searching_decoder
        self._search.begin(
            slot,
            beam_size=rules.beam_size,
            num_extensions=min(2 * rules.beam_size, self.decoder.vocabulary.target_size),
            max_length=rules.max_length,
            least_length=rules.least_length,
            is_delegated=delegate is not None,
        )
        if delegate is None:
            self._rules.begin(slot, rules)
        elif rules.has_any:
            delegate.constrain(slot, rules)
        if rules.automaton is not None:
            self._automata[slot] = rules.automaton
        self._sampler.begin(slot, request)
        if request.is_followed:
            self._followed.add(slot)

    def step(self) -> list[Event]:
        """Decodes one target position of every sentence, and scores some of the given translations. Returns the
        finished requests and, from time to time, the progress of followed ones."""
        if not self._requests:
            return []
        begin, num_slots = time.monotonic(), len(self._requests)
        scored = self._score_some() if self._given else {}
        ended = self._advance() if num_slots > len(self._given) else []
        end = time.monotonic()
        if self._unstarted:
            for slot in self._unstarted:
                self._first_token_at[slot] = end
            self._unstarted = [slot for slot in self._given if slot not in scored]
        self.step_counts.count(num_slots, end - begin)
        events: list[Event] = []
        if scored or ended:
            events = self._finish(scored | {slot: self._hypotheses(slot) for slot in ended})
        if self._followed and self._clock() >= self._report_at:
            self._report_at = self._clock() + PARTIAL_SECONDS
            events += [describe_progress(self._requests[slot], self._search, slot) for slot in self._followed]
        return events

    def _advance(self) -> list[int]:
        """Decodes one position of every sentence being searched. Returns the slots whose search is over."""
        ended: list[int] = []
        if self._search.num_delegated:
            assert self._searching_decoder is not None
            ended = self._search.step(self._searching_decoder).tolist()
        return ended + self._advance_own() if self._search.num_own else ended

    def _advance_own(self) -> list[int]:
        """`_advance` for the sentences whose steps are taken here: with sampling, or with a decoder that takes none."""
        rows = self._rules.apply(self._search.rows())
        self.decoder.advance(rows)
        extensions = self._extend(rows)
        self._rules.choose(rows, extensions)
        step = self._search.advance(rows, extensions)
        self._rules.follow(rows, extensions, step)
        if self._sampler:
            self._sampler.follow(rows, step)
        ended: list[int] = rows.slots[step.is_done].tolist() if np.count_nonzero(step.is_done) else []
        return ended

    def _score_some(self) -> dict[int, tuple[TokenHypothesis, ...]]:
        """The scores of the given translations that have waited longest, by slot."""
        chosen: list[int] = []
        num_pieces = 0
        for slot in self._given:
            num_pieces += len(self._requests[slot].prefix_ids)
            if chosen and num_pieces > MAX_SCORED_PIECES:
                break
            chosen.append(slot)
        requests, start_id = [self._requests[slot] for slot in chosen], self.decoder.vocabulary.start_id
        scores = self.decoder.score(
            [
                Given(request.source_ids, (start_id, *request.prefix_ids), _needs_attention(request.options))
                for request in requests
            ]
        )
        found = zip(chosen, requests, scores, strict=True)
        return {slot: self._given_hypothesis(request, score) for slot, request, score in found}

    def _given_hypothesis(self, request: Request, score: GivenScore) -> tuple[TokenHypothesis, ...]:
        log_probs: list[float] = score.log_probs.tolist()
        if not np.isfinite(sum(log_probs)):
            logger.warning("request %d: the translation has no probability", request.id)
            return ()
        value = hypothesis_score(request.options, sum(log_probs), len(log_probs), score.attention)
        attention = score.attention if request.options.return_attention else None
        return (TokenHypothesis(request.prefix_ids[:-1], value, tuple(log_probs), attention),)

    def _finish(self, found: dict[int, tuple[TokenHypothesis, ...]]) -> list[Event]:
        """Frees slots and returns their outcomes."""
        finished = [
            Finished(self._requests[slot].id, hypotheses, self._first_token_at[slot])
            for slot, hypotheses in found.items()
        ]
        for one in finished:
            self._request_counts.count_finished(one)
        self._release(list(found))
        return [*finished]

    def _extend(self, rows: Rows) -> Extensions:
        """The extensions of all slots: the best from the decoder, or drawn ones where a slot is sampled."""
        every = np.arange(len(rows.slots), dtype=np.int32)
        if not self._sampler:
            return self.decoder.extend(rows, every)
        is_drawn = self._sampler.find(rows)
        drawn, plain = every[is_drawn], every[~is_drawn]
        parts = [(plain, self.decoder.extend(rows, plain))] if len(plain) else []
        if len(drawn):
            extended = self._sampler.extend(rows, drawn, self.decoder.log_probs(rows, drawn))
            parts += [(drawn[index : index + 1], one) for index, one in enumerate(extended)]
        return join_extensions(len(rows.slots), parts)

    def cancel(self, request_id: int) -> bool:
        """Frees the slot of a request at once; False if it is not in flight."""
        if request_id not in self._slots:
            return False
        self._release([self._slots[request_id]])
        self._request_counts.num_cancelled += 1
        return True

    def statistics(self) -> EngineStatistics:
        """The counts so far. May be called in any thread."""
        return make_statistics(
            self._request_counts, [self.step_counts], num_slots=self.max_slots, num_active=self.num_active
        )

    def trim(self) -> None:
        """See `Trims`."""
        if not self.num_active:
            trim(self.decoder)

    def close(self) -> None:
        """Does nothing: the engine has no thread of its own."""

    def _release(self, slots: list[int]) -> None:
        for slot in slots:
            request = self._requests.pop(slot)
            del self._slots[request.id]
            self._num_reserved -= num_cached_positions(request)
            heapq.heappush(self._free, slot)
        self._followed.difference_update(slots)
        self._unstarted = [slot for slot in self._unstarted if slot not in slots]
        self._given = [slot for slot in self._given if slot not in slots]
        searched = [slot for slot in slots if self._search.is_active(slot)]
        self._search.remove(searched)
        self._rules.remove(searched)
        self._sampler.remove(searched)
        for slot in searched:
            self._automata.pop(slot, None)
        self.decoder.release(searched)

    def _hypotheses(self, slot: int) -> tuple[TokenHypothesis, ...]:
        """The best hypotheses of a slot whose search is over."""
        options = self._requests[slot].options
        weights = self.decoder.attention(slot) if _needs_attention(options) else None  # [positions, beams, source]
        scored = []
        for ending in self._search.endings(slot):
            attention = _attention_of(ending, weights) if options.coverage_penalty else None
            scored.append((hypothesis_score(options, ending.log_prob, len(ending.beams), attention), ending))
        scored.sort(key=lambda found: -found[0])  # stable: of equal scores, the one that finished first comes first
        if slot in self._automata and len(scored) > 1:
            automaton = self._automata[slot]
            scored.sort(key=lambda found: automaton.count_unmet(self._search.pieces(slot, found[1])))
        hypotheses = []
        for score, ending in scored[: options.n_best]:
            path = self._search.trace(slot, ending)
            attention = _attention_of(ending, weights) if options.return_attention else None
            hypotheses.append(TokenHypothesis(path.token_ids, score, path.token_log_probs, attention))
        if not hypotheses:  # the network's probabilities are NaN
            logger.warning("request %d: no translation is possible", self._requests[slot].id)
        return tuple(hypotheses)


def _needs_attention(options: SearchOptions) -> bool:
    return options.return_attention or options.coverage_penalty > 0


def _attention_of(ending: Ending, weights: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """[pieces, source pieces] of a finished hypothesis. weights: of all beams, see `Decoder.attention`."""
    return None if weights is None else weights[np.arange(len(ending.beams)), ending.beams]


def _admission(slot: int, request: Request) -> Admission:
    return Admission(
        slot=slot,
        source_ids=request.source_ids,
        beam_size=request.options.max_hypotheses,
        max_target_length=request.max_target_length,
        allowed_ids=request.possible_ids,
        keep_attention=_needs_attention(request.options),
        fusion_weight=request.options.fusion_weight,
    )
