"""Several engine processes behind the face of one engine.

Each process steps by itself; what it finds is collected here and told by the next `step`. No more is sent to a process
than it has slots for, so that what waits is ordered by whoever calls, to the last moment.
"""

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass, replace

from dragoman.model.decoding.engines.replicas.messages import ReplicaSetup, Work
from dragoman.model.decoding.engines.replicas.replica import COMMAND, STALL_SECONDS, Replica
from dragoman.model.decoding.limits import EngineLimits, num_cached_positions
from dragoman.model.decoding.request import Event, Finished, Lost, Partial, Request
from dragoman.model.decoding.statistics import EngineStatistics, RequestCounts, make_statistics
from dragoman.model.errors import InvalidInputError

EVENT_SECONDS = 0.002
"""How long a step waits for something to tell: meanwhile the caller can neither admit nor cancel."""

LIFE_SECONDS = 0.2
"""How long a step waits for a process to come to life, if there is none."""


MAX_DEATHS = 2
"""Processes that may end while they have a request; then it is taken for the reason."""

FATAL = "an engine process ended each time that it was translated"

MAX_SUSPECTS = 4096
"""Requests of which it is remembered that a process ended with them."""


@dataclass(slots=True)
class _Flight:
    """A request in flight. replica: None while it waits for one; inner_id: what its process knows it by, since a
    caller may use an id again while the process still tells of the one before."""

    request: Request
    inner_id: int
    replica: Replica | None = None


class ReplicatedEngine:
    """See `model.decoding.engines.engine.Engine`, whose methods mean the same here, for one calling thread alone, but
    for `check`, `statistics` and `replica_pids`.

    When a process ends, by a failure of its engine or however else, its requests are told as `Lost`, the others go on,
    and another process takes its place. A request that comes again after that is decoded by itself, so that no other
    is suspected with it; if a second process ends, the request is at fault, and is not decoded any more.
    """

    def __init__(
        self,
        setup: ReplicaSetup,
        limits: EngineLimits,
        num_replicas: int,
        *,
        command: Sequence[str] = COMMAND,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """Returns when all processes are ready. setup: of each of them. limits: of one request. stall_seconds: see
        `STALL_SECONDS`.

        Raises the DragomanError of the first that cannot load, or one that says how it ended.
        """
        self.limits = limits
        self.max_slots = num_replicas * setup.max_slots
        self._slots_each = setup.max_slots
        self._ids = itertools.count()
        self._request_counts = RequestCounts()
        self._changed = threading.Condition()  # guards what follows, and what the replicas say that it does
        self._in_flight: dict[int, _Flight] = {}  # by the caller's id, until its end is told
        self._by_inner_id: dict[int, _Flight] = {}
        self._partials: dict[int, Partial] = {}  # by the caller's id: the newest that was not told
        self._ends: dict[int, Finished | Lost] = {}  # likewise
        self._deaths: dict[Request, int] = {}  # by request without its id: the processes that ended with it
        self._replicas = [
            Replica(number, setup, self._changed, self._deliver, self._lose, command, stall_seconds)
            for number in range(num_replicas)
        ]
        starts = [replica.first_start for replica in self._replicas]
        wait(starts, return_when=FIRST_EXCEPTION)
        failures = [start.exception() for start in starts if start.done()]
        for failure in failures:
            if failure is not None:
                self.close()
                raise failure

    @property
    def num_active(self) -> int:
        """Sentences being decoded, or found and not told yet."""
        return len(self._in_flight)

    @property
    def free_slots(self) -> int:
        """Sentences that could be admitted now, to processes that are ready, if their positions fit too."""
        with self._changed:
            free = sum(self._slots_each - self._load(replica) for replica in self._replicas if replica.is_alive)
            return max(0, free - len(self._homeless()))

    @property
    def replica_pids(self) -> tuple[int, ...]:
        """The processes that are ready. May be called in any thread."""
        with self._changed:
            return tuple(replica.pid for replica in self._replicas if replica.is_alive and replica.pid is not None)

    def check(self, request: Request) -> None:
        """Raises InvalidInputError for a request that `admit` will never take. May be called in any thread."""
        self.limits.check(request)

    def count_fitting(self, requests: Sequence[Request]) -> int:
        """How many of the requests, counted from the first, there is room for now."""
        with self._changed:
            homeless = [flight.request for flight in self._homeless()]
            return max(0, len(self._place([*homeless, *requests])) - len(homeless))

    def admit(self, requests: Sequence[Request]) -> None:
        """Shares the requests among the processes that are ready.

        One may end at any moment: what no longer fits although `count_fitting` said so waits here for the next room.

        Raises InvalidInputError, before anything has changed, for more requests than all processes have slots, a
        repeated id, or what `check` refuses.
        """
        with self._changed:
            num_holding = len(self._in_flight) - len(self._ends)  # what has ended, though nobody was told, has no slot
        if num_holding + len(requests) > self.max_slots:
            raise InvalidInputError(f"{len(requests)} requests, but there is no room for so many")
        ids = {request.id for request in requests}
        if len(ids) < len(requests) or not ids.isdisjoint(self._in_flight):
            raise InvalidInputError("a request has the id of another in flight")
        for request in requests:
            self.check(request)
        with self._changed:
            for request in requests:
                self._in_flight[request.id] = _Flight(request, next(self._ids))
                if self._deaths_with(request) >= MAX_DEATHS:
                    self._ends[request.id] = Lost(request.id, FATAL, is_at_fault=True)
        self._request_counts.count_admitted(requests)
        self._send_homeless()

    def step(self) -> list[Event]:
        """What the processes have found since the last call; waits a moment if it is nothing.

        With nothing in flight it returns at once, unless no process lives: then it waits for one, 0.2 s at most.
        """
        self._send_homeless()
        with self._changed:
            if not self._ends and not self._partials:
                if not any(replica.is_alive for replica in self._replicas):
                    self._changed.wait(LIFE_SECONDS)
                elif self._in_flight:
                    self._changed.wait(EVENT_SECONDS)
            events: list[Event] = [*self._partials.values(), *self._ends.values()]
            for request_id, end in self._ends.items():
                del self._in_flight[request_id]
                if isinstance(end, Finished):
                    self._request_counts.count_finished(end)
            self._partials.clear()
            self._ends.clear()
        return events

    def cancel(self, request_id: int) -> bool:
        """Gives a request up: its slot is free before its process's next step. False if it is not in flight."""
        with self._changed:
            flight = self._in_flight.pop(request_id, None)
            if flight is None:
                return False
            self._ends.pop(request_id, None)
            self._partials.pop(request_id, None)
            replica = flight.replica if self._by_inner_id.pop(flight.inner_id, None) else None
            if replica is not None:
                self._leave(replica, flight)
        if replica is not None:
            replica.send(Work(cancelled=(flight.inner_id,)))
        self._request_counts.num_cancelled += 1
        return True

    def statistics(self) -> EngineStatistics:
        """What it has done so far, as far as the processes told. May be called in any thread."""
        with self._changed:
            num_alive = sum(replica.is_alive for replica in self._replicas)
            num_starts = sum(replica.num_starts for replica in self._replicas)
            return make_statistics(
                self._request_counts,
                [replica.steps for replica in self._replicas],
                num_slots=num_alive * self._slots_each,
                num_active=len(self._in_flight),
                num_replicas=len(self._replicas),
                num_replicas_alive=num_alive,
                num_replica_restarts=max(0, num_starts - len(self._replicas)),
            )

    def close(self) -> None:
        """Ends the processes, after the steps that they are in. May be called twice."""
        for replica in self._replicas:
            replica.begin_closing()
        for replica in self._replicas:
            replica.close()

    def _homeless(self) -> list[_Flight]:
        """What is in flight and in no process. Nearly always nothing, and that is found out quickly."""
        if len(self._by_inner_id) + len(self._ends) == len(self._in_flight):
            return []
        return [
            flight
            for request_id, flight in self._in_flight.items()
            if flight.inner_id not in self._by_inner_id and request_id not in self._ends
        ]

    def _send_homeless(self) -> None:
        """Gives what is in no process to those that have room."""
        with self._changed:
            homeless = self._homeless()
            if not homeless:
                return
            shares: dict[Replica, list[Request]] = {}
            places = self._place([flight.request for flight in homeless])
            for flight, replica in zip(homeless, places, strict=False):
                flight.replica = replica
                self._by_inner_id[flight.inner_id] = flight
                replica.in_flight[flight.inner_id] = flight.request
                replica.num_reserved += num_cached_positions(flight.request)
                shares.setdefault(replica, []).append(replace(flight.request, id=flight.inner_id))
        for replica, share in shares.items():
            replica.send(Work(admitted=tuple(share)))

    def _place(self, requests: Sequence[Request]) -> list[Replica]:
        """The replica of each request, as far as there is room: of those with room, the one with the least to do."""
        limit = self.limits.max_cached_positions
        living = [replica for replica in self._replicas if replica.is_alive]
        loads = {replica: self._load(replica) for replica in living}
        reserved = {replica: replica.num_reserved for replica in living}
        placed: list[Replica] = []
        for request in requests:
            needed = num_cached_positions(request)
            fitting = [
                replica
                for replica in living
                if loads[replica] < self._slots_each and (limit is None or reserved[replica] + needed <= limit)
            ]
            is_suspect = self._deaths_with(request) > 0
            if is_suspect:
                fitting = [replica for replica in fitting if not loads[replica]]
            if not fitting:
                break
            chosen = min(fitting, key=loads.__getitem__)
            loads[chosen] += self._slots_each if is_suspect else 1
            reserved[chosen] += needed
            placed.append(chosen)
        return placed

    def _load(self, replica: Replica) -> int:
        """Its slots that are taken; all of them while it decodes a request that is suspected."""
        is_alone = self._deaths and any(map(self._deaths_with, replica.in_flight.values()))
        return self._slots_each if is_alone else len(replica.in_flight)

    def _deaths_with(self, request: Request) -> int:
        return self._deaths.get(_nameless(request), 0) if self._deaths else 0

    def _leave(self, replica: Replica, flight: _Flight) -> None:
        if replica.in_flight.pop(flight.inner_id, None) is not None:
            replica.num_reserved -= num_cached_positions(flight.request)

    # The replicas' threads call these, with the lock held.

    def _deliver(self, replica: Replica, events: Sequence[Event]) -> None:
        for event in events:
            flight = self._by_inner_id.get(event.id)
            if flight is None:  # it was cancelled
                continue
            request_id = flight.request.id
            if isinstance(event, Partial):
                self._partials[request_id] = replace(event, id=request_id)
                continue
            del self._by_inner_id[event.id]
            self._leave(replica, flight)
            self._partials.pop(request_id, None)
            self._ends[request_id] = replace(event, id=request_id)
            if self._deaths and isinstance(event, Finished):
                self._deaths.pop(_nameless(flight.request), None)
        if events:
            self._changed.notify_all()

    def _lose(self, replica: Replica, reason: str) -> None:
        losses = []
        for inner_id, request in replica.in_flight.items():
            nameless = _nameless(request)
            deaths = self._deaths.pop(nameless, 0) + 1
            self._deaths[nameless] = deaths
            is_at_fault = deaths >= MAX_DEATHS
            losses.append(Lost(inner_id, FATAL if is_at_fault else reason, is_at_fault))
        while len(self._deaths) > MAX_SUSPECTS:
            del self._deaths[next(iter(self._deaths))]
        self._deliver(replica, losses)


def _nameless(request: Request) -> Request:
    """Equal for all requests of the same sentence, searched in the same way."""
    return replace(request, id=0, is_followed=False)
