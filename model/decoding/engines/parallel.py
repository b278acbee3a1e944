"""Several engines behind the face of one, each of which steps on a thread of its own.

No engine waits for another: `step` returns what the first of them has found, and while the caller deals with that, the
others go on. Decoders leave Python's lock to others while they compute, so that as many processors are busy as there
are engines. A single sentence is decoded by a single engine.
"""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.limits import EngineLimits, num_cached_positions
from dragoman.model.decoding.request import Event, Finished, Request
from dragoman.model.decoding.statistics import EngineStatistics, RequestCounts, make_statistics
from dragoman.model.errors import InvalidInputError

logger = logging.getLogger(__name__)


class _Lane:
    """One engine with what the caller asked of it while it was, or was not, in the middle of a step."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.waiting: list[Request] = []  # placed, and admitted by its next step
        self.cancelled: dict[int, Request] = {}  # given up in the middle of a step
        self.step: Future[list[Event]] | None = None  # None while it rests: only then may it be touched

    @property
    def load(self) -> int:
        """Sentences that it has or is to have."""
        return self.engine.num_active + len(self.waiting)

    def run(self) -> list[Event]:
        """One step, after the encoding of what waits. No other thread touches the lane meanwhile."""
        waiting, self.waiting = self.waiting, []
        self.engine.admit(waiting)
        return self.engine.step()


class ParallelEngine:
    """See `model.decoding.engines.engine.Engine`, whose methods mean the same here, for one calling thread alone."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        """engines: at least one, with decoders of the same weights and the same max_cached_positions, which holds for
        all of them together here."""
        self._lanes = [_Lane(engine) for engine in engines]
        self._in_flight: dict[int, tuple[Request, _Lane]] = {}  # by request id
        self._num_reserved = 0  # positions
        self._request_counts = RequestCounts()
        self._threads = ThreadPoolExecutor(len(engines), thread_name_prefix="dragoman-engine")
        self.max_slots = sum(engine.max_slots for engine in engines)

    @property
    def decoder(self) -> Decoder:
        """One of the decoders, which are all alike."""
        return self._lanes[0].engine.decoder

    @property
    def limits(self) -> EngineLimits:
        """Of one request, wherever it is decoded."""
        return self._lanes[0].engine.limits

    @property
    def num_active(self) -> int:
        """Sentences being decoded."""
        return len(self._in_flight)

    @property
    def free_slots(self) -> int:
        """Sentences that could be admitted now, to engines that rest, if their positions fit too."""
        return sum(lane.engine.max_slots - lane.load for lane in self._resting())

    def check(self, request: Request) -> None:
        """Raises InvalidInputError for a request that `admit` will never take. May be called in any thread."""
        self.limits.check(request)

    def count_fitting(self, requests: Sequence[Request]) -> int:
        """How many of the requests, counted from the first, `admit` has room for now.

        If nothing is in flight, it waits for the steps of what was cancelled: an empty engine has all of its room.
        """
        if not self._in_flight:
            for lane in self._lanes:
                if lane.step is not None:
                    self._end_step(lane)
        return len(self._place(requests))

    def admit(self, requests: Sequence[Request]) -> None:
        """Shares the requests among the engines that rest; their next step encodes them.

        Raises InvalidInputError, before anything has changed, for more requests than fit now, a repeated id, or what
        `check` refuses.
        """
        ids = {request.id for request in requests}
        if len(ids) < len(requests) or not ids.isdisjoint(self._in_flight):
            raise InvalidInputError("a request has the id of another in flight")
        for request in requests:
            self.check(request)
        lanes = self._place(requests)
        if len(lanes) < len(requests):
            raise InvalidInputError(f"{len(requests)} requests, but there is room for {len(lanes)}")
        for request, lane in zip(requests, lanes, strict=True):
            lane.waiting.append(request)
            self._in_flight[request.id] = request, lane
            self._num_reserved += num_cached_positions(request)
        self._request_counts.count_admitted(requests)

    def step(self) -> list[Event]:
        """Lets every engine that rests take a step, and returns what the first to end one has found."""
        resting = self._resting()
        ready = [lane for lane in resting if lane.load]
        if len(ready) == 1 and len(resting) == len(self._lanes):
            # No other engine has anything to do: on the caller's thread, since another would wake late.
            ready[0].step = _run_here(ready[0])
            return self._end_step(ready[0])
        for lane in ready:
            lane.step = self._threads.submit(lane.run)
        running = [lane.step for lane in self._lanes if lane.step is not None]
        if not running:
            return []
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        ended = [lane for lane in self._lanes if lane.step in done]
        return [event for lane in ended for event in self._end_step(lane)]

    def cancel(self, request_id: int) -> bool:
        """Gives a request up: its slot is free before its engine's next step. False if it is not in flight."""
        if request_id not in self._in_flight:
            return False
        request, lane = self._in_flight.pop(request_id)
        self._request_counts.num_cancelled += 1
        if lane.step is not None:
            lane.cancelled[request_id] = request
            return True
        self._num_reserved -= num_cached_positions(request)
        if not lane.engine.cancel(request_id):
            lane.waiting = [other for other in lane.waiting if other.id != request_id]
        return True

    def statistics(self) -> EngineStatistics:
        """What it has done so far, steps that still run not counted. May be called in any thread."""
        steps = [lane.engine.step_counts for lane in self._lanes]
        return make_statistics(self._request_counts, steps, num_slots=self.max_slots, num_active=self.num_active)

    def close(self) -> None:
        """Ends the threads, after the steps that they are in. May be called twice."""
        self._threads.shutdown()

    def _resting(self) -> list[_Lane]:
        return [lane for lane in self._lanes if lane.step is None]

    def _place(self, requests: Sequence[Request]) -> list[_Lane]:
        """The lane of each request, as far as there is room: always the one with the least to do."""
        resting = self._resting()
        loads = {lane: lane.load for lane in resting}
        limit = self.limits.max_cached_positions
        room = float("inf") if limit is None else limit - self._num_reserved
        placed = []
        for request in requests:
            room -= num_cached_positions(request)
            fitting = [lane for lane in resting if loads[lane] < lane.engine.max_slots]
            if not fitting or room < 0:
                break
            placed.append(min(fitting, key=loads.__getitem__))
            loads[placed[-1]] += 1
        return placed

    def _end_step(self, lane: _Lane) -> list[Event]:
        """What the lane, which rests again, has found for those who still want it; waits for it if need be.

        Raises what its engine raised, unless all that it had was cancelled meanwhile.
        """
        assert lane.step is not None
        failure = lane.step.exception()  # waits
        step, lane.step = lane.step, None
        cancelled, lane.cancelled = lane.cancelled, {}
        for request in cancelled.values():
            lane.engine.cancel(request.id)
            self._num_reserved -= num_cached_positions(request)
        if failure is not None and all(owner is not lane for _, owner in self._in_flight.values()):
            logger.warning("an engine failed after all of its requests were cancelled", exc_info=failure)
            return []
        events = [event for event in step.result() if event.id not in cancelled]
        for event in events:
            if isinstance(event, Finished):
                request, _ = self._in_flight.pop(event.id)
                self._num_reserved -= num_cached_positions(request)
                self._request_counts.count_finished(event)
        return events


def _run_here(lane: _Lane) -> "Future[list[Event]]":
    step: Future[list[Event]] = Future()
    try:
        step.set_result(lane.run())
    except Exception as error:
        step.set_exception(error)
    return step


def make_engine(
    decoder: Decoder, *, num_threads: int, max_slots: int, max_cached_positions: int | None = None
) -> Engine | ParallelEngine:
    """An engine for so many threads, which share the slots evenly; a single one where the decoder needs no more."""
    decoders = [decoder]
    while len(decoders) < min(num_threads, max_slots) and (replica := decoder.replicate()) is not None:
        decoders.append(replica)
    count = len(decoders)
    engines = [
        Engine(
            one,
            max_slots=max_slots // count + (number < max_slots % count),
            max_cached_positions=max_cached_positions,
        )
        for number, one in enumerate(decoders)
    ]
    return engines[0] if count == 1 else ParallelEngine(engines)


def default_threads() -> int:
    """OMP_NUM_THREADS, or the processors that this process may use."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdecimal() and int(chosen):
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
