"""The one thread that owns a decoding engine.

Between two steps it withdraws what was cancelled or is past its deadline and admits what waits, so that concurrent
calls share the engine in flight. While there is nothing to do it sleeps on a condition variable.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from model.decoding.request import Event, Finished, Lost, PreparedText
from model.errors import InvalidInputError
from server.caller import Caller, Priority
from server.calls import (
    Call,
    DeadlineError,
    EngineError,
    FollowedCall,
    Outbox,
    ReplicaLostError,
    Ticket,
    WorkerClosedError,
)
from server.engine_trial import still_translates
from server.interfaces import ServedTranslator
from server.scheduler import QueueFullError, Scheduler
from server.throughput import Throughput
from server.worker_observer import WorkerObserver

STALL_SECONDS = 0.05
"""How often an engine that has no slot at all, because its processes are being started anew, is asked for one."""

logger = logging.getLogger(__name__)

_CallT = TypeVar("_CallT", bound=Call)


class EngineLoop:
    """What the thread of a `server.worker.Worker` does: `run`, until `close`. The event loops' side is `submit` and
    `withdraw`."""

    def __init__(
        self,
        translator: ServedTranslator,
        *,
        max_waiting: int,
        on_broken: Callable[[], None] | None,
        observer: WorkerObserver,
        clock: Callable[[], float],
    ) -> None:
        """See `Worker`."""
        self._translator = translator
        self._on_broken = on_broken
        self._observer = observer
        self._clock = clock
        self._throughput = Throughput()
        self._engine = translator.engine  # used by the thread alone, as what follows
        self._in_flight: dict[int, Ticket] = {}
        self._next_deadline = math.inf  # before the deadline of any that is in flight, or just then
        self._outbox = Outbox()
        self._wake = threading.Condition()  # guards everything below
        self._scheduler = Scheduler(max_waiting)
        self._waiting: dict[int, Ticket] = {}
        self._withdrawn: list[Call] = []
        self._refusal: Callable[[], Exception] | None = None  # why no more requests are taken; made anew for each
        self._next_id = 0

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot."""
        return self._scheduler.num_waiting

    @property
    def is_broken(self) -> bool:
        """Whether the engine has failed for good."""
        return self._refusal is _broken

    def submit(
        self,
        kind: type[_CallT],
        prepared: Sequence[PreparedText],
        caller: Caller,
        priority: Priority,
        *,
        is_patient: bool = False,
    ) -> _CallT:
        """Queues a request for every segment. Runs on the event loop that is to be told of them.

        Raises QueueFullError, InvalidInputError, and what `close` or the engine's end leaves to say.
        """
        with self._wake:
            call = kind(prepared, self._next_id, self._clock(), caller.limit(priority), caller.deadline)
            self._next_id += len(call.request_ids)
        ids = iter(call.request_ids)
        tickets = {
            request.id: Ticket(request, call, text)
            for text, item in enumerate(prepared)
            for request in item.requests(ids, is_followed=kind.is_followed)
        }
        with self._wake:
            if self._refusal is not None:
                raise self._refusal()
            try:
                self._scheduler.add(
                    {request_id: len(ticket.request.source_ids) for request_id, ticket in tickets.items()},
                    client=caller.client,
                    priority=call.priority,
                    deadline=caller.deadline,
                    is_patient=is_patient,
                )
            except QueueFullError as error:
                error.retry_after = self._throughput.retry_after(self.num_waiting)
                raise
            self._waiting.update(tickets)
            self._wake.notify()
        return call

    def withdraw(self, call: Call) -> None:
        """Gives up what is left of a call, before the next step."""
        with self._wake:
            self._withdrawn.append(call)
            self._wake.notify()

    def close(self) -> None:
        """Takes no more requests, and lets `run` end once those that it has are finished."""
        with self._wake:
            self._refusal = self._refusal or _closed
            self._wake.notify()

    # From here on everything runs on the thread.

    def run(self) -> None:
        """Works until it is closed and everything is done."""
        while self._sleep_until_needed():
            began = self._clock()
            try:
                self._drop_withdrawn()
                self._drop_late(began)
                self._admit_waiting()
                if self._in_flight:
                    num_finished = self._deliver(self._engine.step())
                    self._throughput.count(num_finished, self._clock() - began)
                elif self.num_waiting:
                    self._await_slots()
            except Exception as error:
                logger.exception("the decoding engine of %s failed", self._translator.name)
                self._recover(error)
            self._outbox.send()

    def _sleep_until_needed(self) -> bool:
        """Returns at once while there is work; False when it is closed and everything is done."""
        with self._wake:
            while not (self._in_flight or self._scheduler.num_waiting or self._withdrawn):
                if self._refusal is not None:
                    return False
                self._wake.wait()
            return True

    def _await_slots(self) -> None:
        """Gives an engine none of whose processes lives the time to start them anew."""
        self._deliver(self._engine.step())
        if not self._engine.free_slots:
            with self._wake:
                if not self._withdrawn:
                    self._wake.wait(STALL_SECONDS)

    def _drop_withdrawn(self) -> None:
        with self._wake:
            withdrawn, self._withdrawn = self._withdrawn, []
        for call in withdrawn:
            self._drop(call.request_ids, "cancelled")

    def _drop_late(self, now: float) -> None:
        with self._wake:
            late = [self._waiting.pop(request_id) for request_id in self._scheduler.expire(now)]
        for _ in late:
            self._observer.dropped(self._translator.name, "deadline")
        if now >= self._next_deadline:
            late += [ticket for ticket in self._in_flight.values() if ticket.call.deadline <= now]
        for call in dict.fromkeys(ticket.call for ticket in late):
            self._fail(call, DeadlineError("the call's deadline has passed"), "deadline")
        if now >= self._next_deadline:
            self._next_deadline = min((ticket.call.deadline for ticket in self._in_flight.values()), default=math.inf)

    def _fail(self, call: Call, error: Exception, reason: str) -> None:
        call.fail(error, self._outbox)
        self._drop(call.request_ids, reason)

    def _drop(self, request_ids: Iterable[int], reason: str) -> int:
        """Takes requests out of the queue and the engine; how many of them were there."""
        num_dropped = 0
        with self._wake:
            for request_id in request_ids:
                if self._scheduler.cancel(request_id):
                    del self._waiting[request_id]
                    num_dropped += 1
        for request_id in request_ids:
            if request_id in self._in_flight:
                self._engine.cancel(request_id)
                del self._in_flight[request_id]
                num_dropped += 1
        for _ in range(num_dropped):
            self._observer.dropped(self._translator.name, reason)
        return num_dropped

    def _admit_waiting(self) -> None:
        if not self.num_waiting:
            return
        if not self._in_flight:
            self._engine.count_fitting(())  # may wait for the steps of what was cancelled, and callers for the lock
        num_free = self._engine.free_slots
        if not num_free:
            return
        with self._wake:
            admitted = self._scheduler.admit(num_free, self._count_fitting)
            tickets = [self._waiting.pop(request_id) for request_id in admitted]
        now = self._clock()
        try:
            self._admit(tickets, now)
        except InvalidInputError:  # one of them, so nobody was admitted: its neighbours must not suffer
            for ticket in tickets:
                if ticket.request.id in self._in_flight:  # or its text was refused meanwhile
                    self._admit_or_refuse(ticket, now)

    def _count_fitting(self, request_ids: Sequence[int]) -> int:
        num_fitting = self._engine.count_fitting([self._waiting[request_id].request for request_id in request_ids])
        if request_ids and not num_fitting and not self._engine.num_active:
            return 1  # what does not fit into an empty engine never will: it is refused, and nobody waits for it
        return num_fitting

    def _admit(self, tickets: Sequence[Ticket], now: float) -> None:
        # First in flight, then in the engine: whatever the engine raises, `_recover` knows who is concerned.
        for ticket in tickets:
            self._in_flight[ticket.request.id] = ticket
            self._next_deadline = min(self._next_deadline, ticket.call.deadline)
        self._engine.admit([ticket.request for ticket in tickets])
        for ticket in tickets:
            self._observer.admitted(self._translator.name, ticket.call.priority.value, now - ticket.call.submitted_at)
            if ticket.call.timing is not None:
                ticket.call.timing.admitted(ticket.call.submitted_at, now)

    def _admit_or_refuse(self, ticket: Ticket, now: float) -> None:
        try:
            self._admit([ticket], now)
        except InvalidInputError as error:
            call = ticket.call
            num_left = self._drop(call.texts[ticket.text], "refused")
            call.refuse(ticket.text, str(error), num_left, self._outbox)

    def _deliver(self, events: Iterable[Event]) -> int:
        """Passes on what a step has told; how many requests it has finished."""
        num_finished = 0
        followed: dict[FollowedCall, None] = {}  # in order
        for event in events:
            ticket = self._in_flight.get(event.id)
            if ticket is None:  # withdrawn on account of an event before it
                continue
            call = ticket.call
            if isinstance(event, Lost):
                self._fail(call, ReplicaLostError(event.reason), "lost")
            elif isinstance(event, Finished):
                del self._in_flight[event.id]
                call.deliver(ticket, event.hypotheses, self._outbox)
                self._observe_finished(ticket, event)
                num_finished += 1
            elif isinstance(call, FollowedCall):
                call.advance(ticket, event)
            if isinstance(call, FollowedCall):
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
        if ticket.call.timing is not None:
            ticket.call.timing.finished(now)

    def _recover(self, error: Exception) -> None:
        """Fails what is in flight and empties the engine for what waits; if it stays broken, refuses everything."""
        in_flight, self._in_flight = self._in_flight, {}
        for _ in in_flight:
            self._observer.dropped(self._translator.name, "failed")
        for call in dict.fromkeys(ticket.call for ticket in in_flight.values()):
            self._fail(call, EngineError(f"the decoding engine failed: {type(error).__name__}"), "failed")
        try:
            for request_id in in_flight:
                self._engine.cancel(request_id)
            works = self._engine.num_active == 0 and still_translates(self._translator)
        except Exception:
            logger.exception("the decoding engine of %s stays broken", self._translator.name)
            works = False
        if not works:
            self._give_up()

    def _give_up(self) -> None:
        with self._wake:
            self._refusal = _broken
            self._scheduler.clear()
            tickets, self._waiting = self._waiting, {}
            self._withdrawn.clear()
        for _ in tickets:
            self._observer.dropped(self._translator.name, "failed")
        for call in dict.fromkeys(ticket.call for ticket in tickets.values()):
            call.fail(_broken(), self._outbox)
        self._outbox.send()
        if self._on_broken is not None:
            self._on_broken()


def _closed() -> Exception:
    return WorkerClosedError("the server is shutting down")


def _broken() -> Exception:
    return EngineError("the decoding engine is broken; the server must be restarted")
