"""Several engines with the interface of one, each on a thread or in a process of its own.

Each engine steps by itself; the fleet collects its events and returns them from the next `step`. The fleet sends an
engine no more requests than it has slots, so that the caller decides the order of waiting requests to the last moment.
A sentence is decoded by one engine.
"""

import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.lanes import NUM_LOOKS, STALL_SECONDS, Lane, Room, ThreadLane
from dragoman.model.decoding.engines.suspects import Suspects, fatal
from dragoman.model.decoding.limits import EngineLimits, num_cached_positions
from dragoman.model.decoding.request import Event, Finished, Lost, Partial, Request
from dragoman.model.decoding.statistics import EngineStatistics, RequestCounts, make_statistics
from dragoman.model.errors import DragomanError, InvalidInputError, StalledError

if TYPE_CHECKING:  # few need processes, and they take long to import
    from dragoman.model.decoding.engines.replicas.messages import ReplicaSetup
    from dragoman.model.decoding.engines.replicas.replica import Replica

EVENT_SECONDS = 0.002
"""Seconds that a step waits for events: meanwhile the caller can neither admit nor cancel."""
LIFE_SECONDS = 0.2
"""Seconds that a step waits for a process to become ready, if there is none."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    """A request in flight. lane: None while it waits for one. inner_id: its id in the engine, since a caller may reuse
    an id while the engine still reports on the previous request."""

    request: Request
    inner_id: int
    lane: Lane | None = None


class Fleet:
    """Has the methods of `model.decoding.engines.engine.Engine`, for one calling thread; only `check`, `statistics` and
    `replica_pids` may be called in others.

    When a process ends for any reason, its requests are reported as `Lost`, the other processes go on, and a new one
    takes its place. A lost request that is sent again is decoded alone in its process, so that no other request is
    suspected; if that process ends too, or one that had no other request crashes or hangs, the request is at fault and
    is not decoded for a while, see `Suspects`. If an engine on a thread fails, `step` raises its error. If a thread is
    stuck, `step` raises StalledError, and the fleet cannot be used any more.

    A fleet of threads works in a forked process if nothing was in flight; a fleet of processes does not.
    """

    def __init__(self, limits: EngineLimits, *, stall_seconds: float = STALL_SECONDS) -> None:
        """A fleet without lanes; use `of_threads` or `of_processes`. limits: of one request. stall_seconds: an engine
        that takes longer for one step counts as stuck."""
        self.limits = limits
        self.max_slots = 0
        self.changed = threading.Condition()  # guards what follows, and the lanes' attributes
        self._stall_seconds = stall_seconds
        self._ids = itertools.count()
        self._request_counts = RequestCounts()
        self._in_flight: dict[int, _Flight] = {}  # by the caller's id, until its end is reported
        self._by_inner_id: dict[int, _Flight] = {}
        self._partials: dict[int, Partial] = {}  # by the caller's id: the newest unreported one
        self._ends: dict[int, Finished | Lost] = {}  # likewise
        self._suspects = Suspects()
        self._failure: Exception | None = None  # of a thread's engine, not raised yet
        self._lanes: list[Lane] = []
        self._threads: list[ThreadLane] = []
        self._replicas: list[Replica] = []
        self._looks: dict[ThreadLane, tuple[int, int]] = {}  # rounds, and looks in a row that found them
        self._look_at = 0.0
        self._is_lost_by_fork = False
        _FLEETS.add(self)

    @classmethod
    def of_threads(cls, engines: Sequence[Engine], *, stall_seconds: float = STALL_SECONDS) -> "Fleet":
        """engines: at least one, with decoders of the same weights and the same max_cached_positions, which bounds all
        of them together."""
        fleet = cls(engines[0].limits, stall_seconds=stall_seconds)
        room = Room()
        fleet._threads = [ThreadLane(number, engine, fleet, room) for number, engine in enumerate(engines)]
        fleet._take_lanes(fleet._threads)
        return fleet

    @classmethod
    def of_processes(
        cls,
        setup: "ReplicaSetup",
        limits: EngineLimits,
        num_replicas: int,
        *,
        command: Sequence[str] | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> "Fleet":
        """Returns when all processes are ready. setup: for each process. command: starts one; None: `COMMAND`.

        Raises the DragomanError of the first process that cannot load, or one that says how the process ended.
        """
        from dragoman.model.decoding.engines.replicas.replica import COMMAND, Replica

        command = command or COMMAND
        fleet = cls(limits, stall_seconds=stall_seconds)
        fleet._replicas = [Replica(number, setup, fleet, command, stall_seconds) for number in range(num_replicas)]
        fleet._take_lanes(fleet._replicas)
        starts = [replica.first_start for replica in fleet._replicas]
        wait(starts, return_when=FIRST_EXCEPTION)
        for failure in [start.exception() for start in starts if start.done()]:
            if failure is not None:
                fleet.close()
                raise failure
        return fleet

    def _take_lanes(self, lanes: Sequence[Lane]) -> None:
        self._lanes = [*lanes]
        self.max_slots = sum(lane.max_slots for lane in lanes)

    @property
    def num_active(self) -> int:
        """Sentences being decoded, or finished and not reported yet."""
        return len(self._in_flight)

    @property
    def free_slots(self) -> int:
        """See `Engine.free_slots`; of engines that are ready."""
        with self.changed:
            free = sum(lane.max_slots - self._load(lane) for lane in self._lanes if lane.is_alive)
            return max(0, free - len(self._homeless()))

    @property
    def replica_pids(self) -> tuple[int, ...]:
        """The processes that are ready. May be called in any thread."""
        with self.changed:
            return tuple(replica.pid for replica in self._replicas if replica.is_alive and replica.pid is not None)

    def check(self, request: Request) -> None:
        """See `Engine.check`. May be called in any thread."""
        self.limits.check(request)

    def count_fitting(self, requests: Sequence[Request]) -> int:
        """The number of first requests that there is room for now."""
        with self.changed:
            homeless = [flight.request for flight in self._homeless()]
            return max(0, len(self._place([*homeless, *requests])) - len(homeless))

    def admit(self, requests: Sequence[Request]) -> None:
        """Shares the requests among the engines that are ready.

        A process may end at any moment: requests that no longer fit, although `count_fitting` counted them, wait here
        for room.

        Raises InvalidInputError, before anything has changed, for more requests than there is room for, a repeated id,
        or what `check` refuses.
        """
        for request in requests:
            self.check(request)
        self.admit_checked(requests)

    def admit_checked(self, requests: Sequence[Request]) -> None:
        """`admit` for requests that `check` has accepted."""
        self._check_process()
        ids = {request.id for request in requests}
        if len(ids) < len(requests) or not ids.isdisjoint(self._in_flight):
            raise InvalidInputError("a request has the id of another in flight")
        with self.changed:
            num_holding = len(self._in_flight) - len(self._ends)  # an ended request holds no slot, even if unreported
            room = self.max_slots - num_holding if self._replicas else len(self._place(requests))
        if len(requests) > room:
            raise InvalidInputError(f"{len(requests)} requests, but there is room for {room}")
        with self.changed:
            for request in requests:
                self._in_flight[request.id] = _Flight(request, next(self._ids))
                if self._suspects.is_fatal(request):
                    self._ends[request.id] = fatal(request.id)
        self._request_counts.count_admitted(requests)
        self._send_homeless()

    def step(self) -> list[Event]:
        """The engines' events since the last call; waits a moment if there are none.

        With nothing in flight it returns at once, unless no process lives: then it waits for one, 0.2 s at most.
        """
        self._check_process()
        self._send_homeless()
        self._run_threads()
        with self.changed:
            if not self._ends and not self._partials and self._failure is None:
                if not any(lane.is_alive for lane in self._lanes):
                    self.changed.wait(LIFE_SECONDS)
                elif self._in_flight and any(map(_works_by_itself, self._lanes)):
                    self.changed.wait(EVENT_SECONDS)
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            events: list[Event] = [*self._partials.values(), *self._ends.values()]
            for request_id, end in self._ends.items():
                del self._in_flight[request_id]
                if isinstance(end, Finished):
                    self._request_counts.count_finished(end)
            self._partials.clear()
            self._ends.clear()
        return events

    def cancel(self, request_id: int) -> bool:
        """Cancels a request: its slot is free before its engine's next step. False if it is not in flight."""
        with self.changed:
            flight = self._in_flight.pop(request_id, None)
            if flight is None:
                return False
            self._ends.pop(request_id, None)
            self._partials.pop(request_id, None)
            self._failure = self._failure if self._in_flight else None  # what was given up concerns nobody
            lane = flight.lane if self._by_inner_id.pop(flight.inner_id, None) else None
            if lane is not None:
                _leave(lane, flight)
        if lane is not None:
            lane.send((flight.inner_id,), ())
        self._request_counts.num_cancelled += 1
        return True

    def statistics(self) -> EngineStatistics:
        """The counts so far, as far as the processes have reported. May be called in any thread."""
        with self.changed:
            num_starts = sum(replica.num_starts for replica in self._replicas)
            return make_statistics(
                self._request_counts,
                [lane.steps for lane in self._lanes],
                num_slots=sum(lane.max_slots for lane in self._lanes if lane.is_alive),
                num_active=len(self._in_flight),
                num_replicas=len(self._replicas),
                num_replicas_alive=sum(replica.is_alive for replica in self._replicas),
                num_replica_restarts=max(0, num_starts - len(self._replicas)),
            )

    def trim(self) -> None:
        """See `Trims`; of threads that are at rest. A process does it by itself."""
        for lane in self._threads:
            if not lane.is_released:
                lane.engine.trim()

    def close(self) -> None:
        """Ends the threads and processes after their present steps, except stuck threads. May be called twice."""
        for lane in self._lanes:
            lane.begin_closing()
        for lane in set(self._lanes).difference(self._stuck()):
            lane.close()

    def _run_threads(self) -> None:
        """Makes the thread lanes with work step; if there is only one, on this thread."""
        busy = [lane for lane in self._threads if lane.in_flight]
        if len(busy) == 1 and not any(lane.is_released for lane in self._threads):
            events = busy[0].step_here()
            with self.changed:
                self.deliver(busy[0], events)
            return
        for lane in busy:
            lane.release()
        if busy:
            self._look()

    def _look(self) -> None:
        """Raises StalledError for a thread that regular checks find in the same step for too long. Counting checks, not
        time, spares a process that was suspended, for instance on a laptop."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._stall_seconds / NUM_LOOKS
        for lane in self._threads:
            rounds, looks = self._looks.get(lane, (0, 0))
            is_same = lane.is_released and lane.num_rounds == rounds
            self._looks[lane] = lane.num_rounds, looks + 1 if is_same else 0
        if self._stuck():
            raise StalledError(f"a thread of the decoding engine has been stuck for {self._stall_seconds:g} seconds")

    def _stuck(self) -> list[ThreadLane]:
        return [lane for lane, (_, looks) in self._looks.items() if looks >= NUM_LOOKS]

    def _homeless(self) -> list[_Flight]:
        """The requests in flight that no engine has. Nearly always none, which is found out quickly."""
        if len(self._by_inner_id) + len(self._ends) == len(self._in_flight):
            return []
        return [
            flight
            for request_id, flight in self._in_flight.items()
            if flight.inner_id not in self._by_inner_id and request_id not in self._ends
        ]

    def _send_homeless(self) -> None:
        """Sends the requests that no engine has to engines with room."""
        with self.changed:
            homeless = self._homeless()
            if not homeless:
                return
            shares: dict[Lane, list[Request]] = {}
            places = self._place([flight.request for flight in homeless])
            for flight, lane in zip(homeless, places, strict=False):
                flight.lane = lane
                self._by_inner_id[flight.inner_id] = flight
                lane.in_flight[flight.inner_id] = flight.request
                lane.room.num_reserved += num_cached_positions(flight.request)
                shares.setdefault(lane, []).append(replace(flight.request, id=flight.inner_id))
        for lane, share in shares.items():
            lane.send((), share)

    def _place(self, requests: Sequence[Request]) -> list[Lane]:
        """A lane for each first request that fits: of the lanes with room, the one with the least work."""
        limit = self.limits.max_cached_positions
        living = [lane for lane in self._lanes if lane.is_alive]
        loads = {lane: self._load(lane) for lane in living}
        reserved = {lane.room: lane.room.num_reserved for lane in living}
        placed: list[Lane] = []
        for request in requests:
            needed = num_cached_positions(request)
            fitting = [
                lane
                for lane in living
                if loads[lane] < lane.max_slots and (limit is None or reserved[lane.room] + needed <= limit)
            ]
            is_suspect = self._suspects.is_suspect(request)
            if is_suspect:
                fitting = [lane for lane in fitting if not loads[lane]]
            if not fitting:
                break
            chosen = min(fitting, key=loads.__getitem__)
            loads[chosen] += chosen.max_slots if is_suspect else 1
            reserved[chosen.room] += needed
            placed.append(chosen)
        return placed

    def _load(self, lane: Lane) -> int:
        """The lane's occupied slots; all of them while it decodes a suspected request."""
        is_alone = self._suspects and any(map(self._suspects.is_suspect, lane.in_flight.values()))
        return lane.max_slots if is_alone else len(lane.in_flight)

    # The lanes' threads call these, with the lock held.

    def deliver(self, lane: Lane, events: Sequence[Event]) -> None:
        for event in events:
            flight = self._by_inner_id.get(event.id)
            if flight is None:  # it was cancelled
                continue
            request_id = flight.request.id
            if isinstance(event, Partial):
                self._partials[request_id] = replace(event, id=request_id)
                continue
            del self._by_inner_id[event.id]
            _leave(lane, flight)
            self._partials.pop(request_id, None)
            self._ends[request_id] = replace(event, id=request_id)
            if isinstance(event, Finished):
                self._suspects.clear(flight.request)
        if events:
            self.changed.notify_all()

    def lose(self, lane: Lane, reason: str, *, is_fault: bool = False) -> None:
        self.deliver(lane, self._suspects.lose(lane.in_flight.items(), reason, is_fault=is_fault))

    def fail(self, lane: Lane, error: Exception) -> None:
        if lane.in_flight:
            self._failure = error
        else:
            logger.warning("an engine failed after all of its requests were cancelled", exc_info=error)
        self.changed.notify_all()

    def _check_process(self) -> None:
        if self._is_lost_by_fork:
            raise DragomanError(
                "this process was forked from the one that loaded the translator, in the middle of its work or with "
                "engine processes: load another one here"
            )

    def _revive(self) -> None:
        self.changed = threading.Condition()
        is_busy = any(lane.is_released and not lane.is_idle for lane in self._threads)
        if self._replicas or self._in_flight or is_busy:
            self._is_lost_by_fork = True
            self._lanes, self._threads, self._replicas = [], [], []  # the other process closes them
            return
        for lane in self._threads:
            lane.revive()


_FLEETS: "weakref.WeakSet[Fleet]" = weakref.WeakSet()


def _revive_all() -> None:
    for fleet in _FLEETS:
        fleet._revive()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_revive_all)


def _works_by_itself(lane: Lane) -> bool:
    return lane.is_released if isinstance(lane, ThreadLane) else lane.is_alive


def _leave(lane: Lane, flight: _Flight) -> None:
    if lane.in_flight.pop(flight.inner_id, None) is not None:
        lane.room.num_reserved -= num_cached_positions(flight.request)
