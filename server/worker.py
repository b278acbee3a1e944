"""The one thread that owns a decoding engine, and the bridge from asyncio to it.

Between two steps the thread withdraws what was cancelled and admits what waits, so that concurrent calls share the
engine in flight. While there is nothing to do it sleeps on a condition variable.
"""

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from model.decoding.request import Finished, PreparedText, Request, SearchOptions, TokenHypothesis, Translation
from model.errors import DragomanError, InvalidInputError, NotFoundError
from server.interfaces import ServedTranslator
from server.scheduler import MAX_WAITING, Scheduler

MAX_FINISHED_INLINE = 8
"""Most hypotheses that become text on the event loop: so few take less time than the way to another thread."""

_TRIAL_ID = -1
"""Of the request that tries the engine; callers' ids count from 0."""

logger = logging.getLogger(__name__)

_Hypotheses = Sequence[TokenHypothesis]


class WorkerClosedError(DragomanError):
    """The worker takes no more requests because the server shuts down. gRPC: UNAVAILABLE."""


class EngineError(Exception):
    """The engine failed while it worked on the request; not the caller's fault. gRPC: INTERNAL."""


class _Call:
    """What one caller waits for: the hypotheses of all of its requests. The waiter is woken once, by the last of them
    or by the first failure. But for its making, it is used on the worker's thread alone."""

    def __init__(self, num_requests: int) -> None:
        self.future: asyncio.Future[list[_Hypotheses]] = asyncio.get_running_loop().create_future()
        self._found: list[_Hypotheses] = [()] * num_requests
        self._num_missing = num_requests

    def deliver(self, index: int, hypotheses: _Hypotheses) -> None:
        """Those of the request `index`."""
        self._found[index] = hypotheses
        self._num_missing -= 1
        if not self._num_missing:
            self._settle(lambda: self.future.set_result(self._found))

    def fail(self, error: Exception) -> None:
        """Gives the whole call up; its other requests are withdrawn by the waiter."""
        self._settle(lambda: self.future.set_exception(error))

    def _settle(self, settle: Callable[[], None]) -> None:
        def settle_once() -> None:
            if not self.future.done():  # or it was cancelled, or failed, while the outcome was on its way
                settle()

        try:
            self.future.get_loop().call_soon_threadsafe(settle_once)
        except RuntimeError:  # the loop is closed: nobody waits any more
            logger.debug("a call finished after its event loop was closed")


@dataclass(frozen=True, slots=True)
class _Ticket:
    """A request that waits or is in flight, and which one of which call it is."""

    request: Request
    call: _Call
    index: int


class Worker:
    """Runs one translator's engine on a thread of its own and translates for any number of concurrent callers.

    The thread starts at once and ends with `close` or `drain`.
    """

    def __init__(
        self,
        translator: ServedTranslator,
        *,
        max_waiting: int = MAX_WAITING,
        on_broken: Callable[[], None] | None = None,
    ) -> None:
        """on_broken: called on the worker's thread, at most once, when the engine has failed for good."""
        self.translator = translator
        self._on_broken = on_broken
        self._engine = translator.engine  # touched by the thread alone
        self._in_flight: dict[int, _Ticket] = {}  # touched by the thread alone
        self._wake = threading.Condition()  # guards everything below
        self._scheduler = Scheduler(max_waiting)
        self._waiting: dict[int, _Ticket] = {}
        self._withdrawn: list[int] = []
        self._refusal: Callable[[], Exception] | None = None  # why no more requests are taken; made anew for each
        self._ids = itertools.count()
        self._thread = threading.Thread(target=self._run, name=f"dragoman-{translator.name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def translate(self, prepared: Sequence[PreparedText]) -> list[Translation]:
        """Translates what the translator's `prepare` made, in order: each of its segments is a request of its own, and
        blank texts have none.

        Cancelling the caller's task gives all of its requests up: their slots are free before the engine's next step.

        Raises QueueFullError, WorkerClosedError, InvalidInputError if the engine refuses a text, and EngineError if it
        fails.
        """
        call, request_ids = self._submit(prepared)
        try:
            found = await call.future if request_ids else []
        except BaseException:
            self._withdraw(request_ids)
            raise
        if sum(map(len, found)) <= MAX_FINISHED_INLINE:
            return self._finish(prepared, found)
        return await asyncio.to_thread(self._finish, prepared, found)  # a full call would hold up every other one

    def close(self) -> None:
        """Takes no more requests, finishes those that it has, and ends the thread. Blocks; may be called twice."""
        with self._wake:
            self._refusal = self._refusal or _closed
            self._wake.notify()
        self._thread.join()

    async def drain(self) -> None:
        """`close` for an event loop."""
        await asyncio.to_thread(self.close)

    def _submit(self, prepared: Sequence[PreparedText]) -> tuple[_Call, list[int]]:
        """Queues a request for every segment; the call and the requests' ids, in order."""
        with self._wake:
            if self._refusal is not None:
                raise self._refusal()
            requests = [request for item in prepared for request in item.requests(self._ids)]
            request_ids = [request.id for request in requests]
            self._scheduler.add(request_ids)
            call = _Call(len(requests))
            for index, request in enumerate(requests):
                self._waiting[request.id] = _Ticket(request, call, index)
            self._wake.notify()
        return call, request_ids

    def _withdraw(self, request_ids: Sequence[int]) -> None:
        with self._wake:
            for request_id in request_ids:
                if self._scheduler.cancel(request_id):
                    del self._waiting[request_id]
                else:
                    self._withdrawn.append(request_id)
            self._wake.notify()

    def _finish(self, prepared: Sequence[PreparedText], found: Sequence[_Hypotheses]) -> list[Translation]:
        """`found` has the hypotheses of all segments, in order."""
        remaining = iter(found)
        return [
            self.translator.finish(item, list(itertools.islice(remaining, len(item.segments)))) for item in prepared
        ]

    # From here on everything runs on the worker's thread.

    def _run(self) -> None:
        while self._sleep_until_needed():
            try:
                self._cancel_withdrawn()
                self._admit_waiting()
                if self._in_flight:
                    self._deliver(self._engine.step())
            except Exception as error:
                logger.exception("the decoding engine of %s failed", self.translator.name)
                self._recover(error)

    def _sleep_until_needed(self) -> bool:
        """Returns at once while there is work; False when the worker is closed and everything is done."""
        with self._wake:
            while not (self._in_flight or self._scheduler.num_waiting or self._withdrawn):
                if self._refusal is not None:
                    return False
                self._wake.wait()
            return True

    def _cancel_withdrawn(self) -> None:
        with self._wake:
            withdrawn, self._withdrawn = self._withdrawn, []
        for request_id in withdrawn:
            if self._in_flight.pop(request_id, None) is not None:
                self._engine.cancel(request_id)

    def _admit_waiting(self) -> None:
        with self._wake:
            tickets = self._take_fitting()
        try:
            self._admit(tickets)
        except InvalidInputError:  # one of them, so nobody was admitted: its neighbours must not suffer
            for ticket in tickets:
                try:
                    self._admit([ticket])
                except InvalidInputError as error:
                    del self._in_flight[ticket.request.id]
                    ticket.call.fail(error)

    def _take_fitting(self) -> list[_Ticket]:
        """Takes what the engine has room for now out of the queue; the lock is held."""
        tickets = [self._waiting[request_id] for request_id in self._scheduler.peek(self._engine.free_slots)]
        num_fitting = self._engine.count_fitting([ticket.request for ticket in tickets])
        if tickets and not num_fitting and not self._engine.num_active:
            num_fitting = 1  # what does not fit into an empty engine never will: it is refused, and nobody waits for it
        for request_id in self._scheduler.admit(num_fitting):
            del self._waiting[request_id]
        return tickets[:num_fitting]

    def _admit(self, tickets: Sequence[_Ticket]) -> None:
        # First in flight, then in the engine: whatever the engine raises, `_recover` knows who is concerned.
        self._in_flight.update((ticket.request.id, ticket) for ticket in tickets)
        if tickets:
            self._engine.admit([ticket.request for ticket in tickets])

    def _deliver(self, finished: Sequence[Finished]) -> None:
        for result in finished:
            ticket = self._in_flight.pop(result.id, None)
            if ticket is not None:
                ticket.call.deliver(ticket.index, result.hypotheses)

    def _recover(self, error: Exception) -> None:
        """Fails what is in flight and empties the engine for what waits; if it stays broken, refuses everything."""
        in_flight, self._in_flight = self._in_flight, {}
        for ticket in in_flight.values():
            ticket.call.fail(EngineError(f"the decoding engine failed: {type(error).__name__}"))
        try:
            for request_id in in_flight:
                self._engine.cancel(request_id)
            works = self._engine.num_active == 0 and self._try_engine()
        except Exception:
            logger.exception("the decoding engine of %s stays broken", self.translator.name)
            works = False
        if not works:
            self._give_up()

    def _try_engine(self) -> bool:
        """Whether the empty engine still translates: one that lost its device or its order fails only when it works."""
        self._engine.admit(self._make_trial().requests(itertools.count(_TRIAL_ID)))
        found = self._engine.step()
        while self._engine.num_active:  # an engine of several threads returns what the first of them has found
            found += self._engine.step()
        return len(found) == 1

    def _make_trial(self) -> PreparedText:
        """In the first direction that can be translated: its shortlist may lack some."""
        options = SearchOptions(beam_size=1, max_target_length=1)
        for direction in self.translator.directions:
            with suppress(NotFoundError):
                return self.translator.prepare("1", direction, options)
        raise EngineError("no direction can be translated")

    def _give_up(self) -> None:
        with self._wake:
            self._refusal = _broken
            tickets = [self._waiting.pop(request_id) for request_id in self._scheduler.clear()]
            self._withdrawn.clear()
        for ticket in tickets:
            ticket.call.fail(_broken())
        if self._on_broken is not None:
            self._on_broken()


def _closed() -> Exception:
    return WorkerClosedError("the server is shutting down")


def _broken() -> Exception:
    return EngineError("the decoding engine is broken; the server must be restarted")
