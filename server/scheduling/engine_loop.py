"""The loop of the thread that owns a decoding engine.

Between two steps it withdraws requests that were cancelled or are past their deadline and admits waiting ones, so that
concurrent calls share the engine (continuous batching). When idle it sleeps on a condition variable.
"""

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from dragoman.model.decoding.engines.trimming import QUIET_SECONDS, return_memory
from dragoman.model.decoding.request import Event, Finished, Lost, Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, NotFoundError, StalledError
from dragoman.server.scheduling.calls import (
    DeadlineError,
    EngineError,
    FollowedSubmission,
    Outbox,
    ReplicaLostError,
    Submission,
    Ticket,
)
from dragoman.server.scheduling.interfaces import ServedTranslator, WorkerObserver
from dragoman.server.scheduling.quarantine import Quarantine
from dragoman.server.scheduling.request_queue import RequestQueue, Throughput
from dragoman.translation.drafts import PreparedText

TRIAL_TEXT = "1"
"""A text that every vocabulary can encode."""

_TRIAL_ID = -1
"""Id of the trial's request; callers' ids count from 0."""


def still_translates(translator: ServedTranslator) -> bool:
    """Whether the translator's empty engine finishes a trial request; an engine that lost its device fails only when it
    decodes. Raises the engine's errors. Call it on the engine's thread."""
    engine = translator.engine
    trial = prepare_trial(translator, SearchOptions(beam_size=1, max_target_length=1, max_retries=0))
    if trial is None:
        return False
    engine.admit(trial.requests(itertools.count(_TRIAL_ID)))
    events = [*engine.step()]
    while engine.num_active:  # with several threads, a step returns the events of the first one to finish
        events += engine.step()
    return [type(event) for event in events] == [Finished]


def prepare_trial(translator: ServedTranslator, options: SearchOptions) -> PreparedText | None:
    """The trial text, prepared for the first direction that works: a shortlist may lack directions."""
    for direction in translator.directions:
        with suppress(NotFoundError):
            return translator.prepare(TRIAL_TEXT, direction, options, protect=False)  # a figure would be kept
    return None


NUM_LOOKS = 30
"""Checks of the thread within the time after which it counts as stuck. Several, so that a machine that was suspended
does not count as stuck."""

SLOTS_SECONDS = 0.05
"""Interval of checks for a free slot while all processes of an engine restart."""

QUARANTINED = "is quarantined: an engine ended or hung when it was translated, so it is refused for a while"
"""Reason of a refused text."""

logger = logging.getLogger(__name__)


class EngineLoop:
    """The loop of a `Worker`'s thread, which calls `run`. Only `is_broken`, `look` and `abandon` are for other
    threads."""

    def __init__(
        self,
        translator: ServedTranslator,
        queue: RequestQueue,
        *,
        throughput: Throughput,
        quarantine: Quarantine,
        on_broken: Callable[[], None] | None,
        observer: WorkerObserver,
        clock: Callable[[], float],
    ) -> None:
        """throughput: counts the finished requests. The other arguments: see `Worker`."""
        self.is_broken = False
        """Whether the engine has failed for good."""
        self.is_abandoned = False
        """Whether the thread is stuck and was given up."""
        self._num_rounds = 0  # odd while the thread works on the engine
        self._seen_round = 0
        self._num_looks = 0  # in a row that found the thread in the same round
        self._translator = translator
        self._engine = translator.engine
        self._queue = queue
        self._throughput = throughput
        self._quarantine = quarantine
        self._name = f"{translator.name} {translator.revision}"  # a new version may translate what the old one cannot
        self._on_broken = on_broken
        self._observer = observer
        self._clock = clock
        self._in_flight: dict[int, Ticket] = {}
        self._next_deadline = math.inf  # not after the earliest deadline in flight
        self._outbox = Outbox()

    def run(self) -> None:
        """Work until the queue is closed and all requests are done."""
        while self._in_flight or self._sleep_until_needed():
            self._num_rounds += 1
            began = self._clock()
            try:
                self._drop_unwanted()
                if self._admit_waiting():
                    self._drop_unwanted()  # admission takes time
                if self._in_flight:
                    events = self._engine.step()
                    if self.is_abandoned:  # its callers already have an error
                        return
                    num_finished = self._deliver(events)
                    self._throughput.count(num_finished, self._clock() - began)
                elif self._queue.num_waiting:
                    self._await_slots()
            except Exception as error:
                logger.exception("the decoding engine of %s failed", self._translator.name)
                if self.is_abandoned:
                    return
                self._recover(error)
            self._num_rounds += 1
            self._outbox.send()

    def _sleep_until_needed(self) -> bool:
        """Wait until there is work. After a while without any, give up the memory that it took."""
        needed = self._queue.sleep_until_needed(QUIET_SECONDS)
        if needed is None:
            try:
                self._engine.trim()
                return_memory()
            except Exception:
                logger.exception("the decoding engine of %s keeps its memory", self._translator.name)
            needed = self._queue.sleep_until_needed()
        return bool(needed)

    def look(self) -> bool:
        """Check the thread. Returns whether NUM_LOOKS checks in a row have found it in the same round of work. Called
        at regular intervals by one other thread."""
        current = self._num_rounds
        is_same = current % 2 == 1 and current == self._seen_round
        self._num_looks = self._num_looks + 1 if is_same else 0
        self._seen_round = current
        return self._num_looks >= NUM_LOOKS

    def abandon(self) -> None:
        """Fail all calls and refuse new ones; the stuck thread ends if it ever goes on. For the thread that calls
        `look`."""
        self.is_abandoned = True
        logger.error("the decoding engine of %s is stuck and is given up", self._translator.name)
        tickets, self._in_flight = list(self._in_flight.values()), {}
        self._accuse(tickets)
        self._observe_dropped(len(tickets), "failed")
        outbox = Outbox()  # the stuck thread may be using its own
        for call in dict.fromkeys(ticket.call for ticket in tickets):
            call.fail(ReplicaLostError("the decoding engine is stuck; the model is being loaded again"), outbox)
        self._give_up(outbox)

    def _await_slots(self) -> None:
        """Wait for an engine whose processes all restart."""
        self._deliver(self._engine.step())
        if not self._engine.free_slots:
            self._queue.pause(SLOTS_SECONDS)

    def _drop_unwanted(self) -> None:
        for call in self._queue.take_withdrawn():
            self._drop(call.request_ids, "cancelled")
        now = self._clock()
        late = self._queue.take_late(now)
        self._observe_dropped(len(late), "deadline")
        if now >= self._next_deadline:
            late += [ticket for ticket in self._in_flight.values() if ticket.call.deadline <= now]
        for call in dict.fromkeys(ticket.call for ticket in late):
            self._fail(call, DeadlineError("the call's deadline has passed"), "deadline")
        if now >= self._next_deadline:
            self._next_deadline = min((ticket.call.deadline for ticket in self._in_flight.values()), default=math.inf)

    def _fail(self, call: Submission, error: Exception, reason: str) -> None:
        call.fail(error, self._outbox)
        self._drop(call.request_ids, reason)

    def _drop(self, request_ids: Iterable[int], reason: str) -> int:
        """Remove requests from the queue and the engine. Returns how many were there."""
        num_dropped = self._queue.drop(request_ids)
        for request_id in request_ids:
            if request_id in self._in_flight:
                self._engine.cancel(request_id)
                del self._in_flight[request_id]
                num_dropped += 1
        self._observe_dropped(num_dropped, reason)
        return num_dropped

    def _admit_waiting(self) -> bool:
        """Fill the free slots. Returns whether any request was taken."""
        if not self._queue.num_waiting:
            return False
        if not self._in_flight:
            self._engine.count_fitting(())  # may wait for steps of cancelled requests: do it before taking the lock
        num_free = self._engine.free_slots
        tickets = self._queue.take_next(num_free, self._count_fitting) if num_free else []
        if not tickets:
            return False
        now = self._clock()
        if not self._quarantine.is_empty:
            tickets = self._refuse_quarantined(tickets)
        try:
            self._admit(tickets, now)
        except InvalidInputError:  # one request is at fault, and none was admitted: admit them one by one
            for ticket in tickets:
                if ticket.request.id in self._in_flight:  # unless its text was refused meanwhile
                    self._admit_or_refuse(ticket, now)
        return True

    def _refuse_quarantined(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Refuse the texts of quarantined sentences; returns the other tickets."""
        for ticket in tickets:  # as if they were admitted, so that all parts of a text are refused with it
            self._in_flight[ticket.request.id] = ticket
        for ticket in tickets:
            if ticket.request.id in self._in_flight and self._quarantine.holds(self._name, ticket.request):
                self._refuse(ticket, QUARANTINED, "quarantined")
        return [ticket for ticket in tickets if ticket.request.id in self._in_flight]

    def _quarantine_now(self, request: Request, reason: str) -> None:
        digest = self._quarantine.add(self._name, request)
        self._observer.quarantined(self._translator.name)
        logger.error(
            "%s: a sentence of %d pieces is refused for %g s, digest %s: %s",
            self._translator.name,
            len(request.source_ids),
            self._quarantine.seconds,
            digest,
            reason,
        )

    def _accuse(self, tickets: Sequence[Ticket]) -> None:
        """Blame the sentences that were decoded when the engine hung."""
        for request in self._quarantine.accuse(self._name, [ticket.request for ticket in tickets]):
            self._quarantine_now(request, "the engine hung while it decoded this sentence alone")

    def _isolate(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Those of the first requests that may be decoded together: a suspect is decoded alone."""
        is_suspect = partial(self._quarantine.is_suspect, self._name)
        if any(is_suspect(ticket.request) for ticket in self._in_flight.values()):
            return ()
        first = next((place for place, request in enumerate(requests) if is_suspect(request)), len(requests))
        return requests[: first or (0 if self._in_flight else 1)]

    def _count_fitting(self, requests: Sequence[Request]) -> int:
        if self._quarantine.has_suspects and requests:
            requests = self._isolate(requests)
        num_fitting = self._engine.count_fitting(requests)
        if requests and not num_fitting and not self._engine.num_active:
            return 1  # too large even for an empty engine: admit it, so that it is refused
        return num_fitting

    def _admit(self, tickets: Sequence[Ticket], now: float) -> None:
        # First `_in_flight`, then the engine: if the engine raises, `_recover` fails these calls.
        for ticket in tickets:
            self._in_flight[ticket.request.id] = ticket
            self._next_deadline = min(self._next_deadline, ticket.call.deadline)
        self._engine.admit([ticket.request for ticket in tickets])
        for ticket in tickets:
            self._observer.admitted(self._translator.name, ticket.call.priority.value, now - ticket.call.submitted_at)
            ticket.call.timing.admitted(ticket.call.submitted_at, now)

    def _admit_or_refuse(self, ticket: Ticket, now: float) -> None:
        try:
            self._admit([ticket], now)
        except InvalidInputError as error:
            self._refuse(ticket, str(error))

    def _refuse(self, ticket: Ticket, reason: str, kind: str = "refused") -> None:
        """Give up the ticket's text; the other texts of its call continue. kind: for the observer."""
        num_left = self._drop(ticket.call.texts[ticket.text], kind)
        ticket.call.refuse(ticket.text, reason, num_left, self._outbox)

    def _deliver(self, events: Iterable[Event]) -> int:
        """Deliver a step's events. Returns the number of finished requests."""
        num_finished = 0
        followed: dict[FollowedSubmission, None] = {}  # an ordered set
        for event in events:
            ticket = self._in_flight.get(event.id)
            if ticket is None:  # withdrawn because of an earlier event
                continue
            call = ticket.call
            if isinstance(event, Lost) and event.is_at_fault:
                self._quarantine_now(ticket.request, event.reason)
                self._refuse(ticket, event.reason)
            elif isinstance(event, Lost):
                self._fail(call, ReplicaLostError(event.reason), "lost")
            elif isinstance(event, Finished):
                del self._in_flight[event.id]
                self._quarantine.clear(self._name, ticket.request)
                call.deliver(ticket, event.hypotheses, self._outbox)
                self._observe_finished(ticket, event)
                num_finished += 1
            elif isinstance(call, FollowedSubmission):
                call.advance(ticket, event)
            if isinstance(call, FollowedSubmission):
                followed[call] = None
        for call in followed:
            call.publish(self._outbox)
        return num_finished

    def _observe_finished(self, ticket: Ticket, finished: Finished) -> None:
        name, submitted_at = self._translator.name, ticket.call.submitted_at
        num_target_pieces = len(finished.hypotheses[0].token_ids) if finished.hypotheses else 0
        self._observer.first_token(name, finished.first_token_at - submitted_at)
        now = self._clock()
        self._observer.finished(name, now - submitted_at, len(ticket.request.source_ids), num_target_pieces)
        ticket.call.timing.finished(now)

    def _observe_dropped(self, number: int, reason: str) -> None:
        for _ in range(number):
            self._observer.dropped(self._translator.name, reason)

    def _recover(self, error: Exception) -> None:
        """Fail the requests in flight and empty the engine; if it stays broken, refuse all requests."""
        in_flight, self._in_flight = self._in_flight, {}
        self._observe_dropped(len(in_flight), "failed")
        failure: Exception = EngineError(f"the decoding engine failed: {type(error).__name__}")
        if isinstance(error, StalledError):
            self._accuse(list(in_flight.values()))
            failure = ReplicaLostError(f"{error}; the model is being loaded again")
        for call in dict.fromkeys(ticket.call for ticket in in_flight.values()):
            self._fail(call, failure, "failed")
        if isinstance(error, StalledError):
            self._give_up(self._outbox)
            return
        try:
            for request_id in in_flight:
                self._engine.cancel(request_id)
            works = self._engine.num_active == 0 and still_translates(self._translator)
        except Exception:
            logger.exception("the decoding engine of %s stays broken", self._translator.name)
            works = False
        if not works:
            self._give_up(self._outbox)

    def _give_up(self, outbox: Outbox) -> None:
        self.is_broken = True
        tickets = self._queue.give_up(_broken)
        self._observe_dropped(len(tickets), "failed")
        for call in dict.fromkeys(ticket.call for ticket in tickets):
            call.fail(_broken(), outbox)
        outbox.send()
        if self._on_broken is not None:
            self._on_broken()


def _broken() -> Exception:
    return EngineError("the decoding engine is broken; the model is being loaded again")
