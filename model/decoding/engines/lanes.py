"""The engines of a fleet as the fleet sees them (lanes), and the lane that runs on a thread of this process."""

import threading
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.step_loop import StepLoop
from dragoman.model.decoding.request import Event, Request
from dragoman.model.decoding.statistics import StepCounts

STALL_SECONDS = 30.0
"""A process that has had work for this long and reported nothing meanwhile counts as stuck and is killed, by default. A
working process reports its steps ten times a second, so only a single step could take this long."""

NUM_LOOKS = 30
"""How often in that time the front checks whether the process has work."""


class Room:
    """The cached positions taken in one engine, or in all engines that share their memory."""

    def __init__(self) -> None:
        self.num_reserved = 0


class Owner(Protocol):
    """The fleet as its lanes see it. The lanes' threads call its methods with `changed` held."""

    changed: threading.Condition

    def deliver(self, lane: "Lane", events: Sequence[Event]) -> None:
        """Takes the events of a step."""

    def lose(self, lane: "Lane", reason: str, *, is_fault: bool = False) -> None:
        """Records that all of the lane's requests in flight are lost. is_fault: see `Suspects.lose`."""

    def fail(self, lane: "Lane", error: Exception) -> None:
        """Records that the lane's engine has failed; it can go on once its requests are cancelled."""


class Lane(Protocol):
    """An engine that works by itself. The fleet keeps `in_flight` and `room`; `changed` guards the attributes."""

    in_flight: dict[int, Request]
    room: Room
    max_slots: int
    is_alive: bool

    @property
    def steps(self) -> StepCounts:
        """The counts of its steps."""

    def send(self, cancelled: Sequence[int], admitted: Sequence[Request]) -> None:
        """Cancels requests, by their ids, and admits others before its next step. Must not be called with the lock
        held."""

    def begin_closing(self) -> None:
        """Lets it end, after the step that it is in."""

    def close(self) -> None:
        """`begin_closing`, and waits for the end."""


class ThreadLane:
    """An engine on a thread, which starts when it is first needed.

    While no other lane has work, the fleet's caller steps this one on the caller's thread (`step_here`), since another
    thread would wake late. After `release`, the lane's own thread steps it until there is nothing left to do.
    """

    is_alive = True

    def __init__(self, number: int, engine: Engine, owner: Owner, room: Room) -> None:
        self.in_flight: dict[int, Request] = {}
        self.room = room
        self.max_slots = engine.max_slots
        self.engine = engine
        self.num_rounds = 0  # each of a step
        self._name = f"dragoman-engine-{number}"
        self._owner = owner
        self._loop = StepLoop(engine)
        self._inbox: deque[tuple[Sequence[int], Sequence[Request]]] = deque()
        self._gate = _Gate()
        self._thread: threading.Thread | None = None
        weakref.finalize(self, self._gate.close)

    @property
    def steps(self) -> StepCounts:
        return self.engine.step_counts

    @property
    def is_released(self) -> bool:
        """Whether its thread is working; otherwise the thread touches nothing."""
        return self._gate.is_open

    def send(self, cancelled: Sequence[int], admitted: Sequence[Request]) -> None:
        self._inbox.append((cancelled, admitted))
        if not self.is_released:
            self._take()

    @property
    def is_idle(self) -> bool:
        """Whether its engine has nothing to do."""
        return self._loop.is_idle

    def release(self) -> None:
        """Makes the thread work, if it does not."""
        if self.is_released:
            return
        if self._thread is None:
            target = _work_when_open
            self._thread = threading.Thread(target=target, args=(weakref.ref(self), self._gate), name=self._name)
            self._thread.daemon = True  # a stuck thread must not keep the process alive
            self._thread.start()
        self._gate.open()

    def step_here(self) -> Sequence[Event]:
        """A step on the caller's thread, while it is not released."""
        self._take()
        report = self._loop.step()
        return () if report is None else report.events

    def begin_closing(self) -> None:
        self._gate.close()

    def close(self) -> None:
        self.begin_closing()
        if self._thread is not None:
            self._thread.join()

    def revive(self) -> None:
        """Starts over in a forked process, which lacks the thread. Nothing may be in flight."""
        self._gate, self._thread = _Gate(), None
        weakref.finalize(self, self._gate.close)

    def work(self) -> None:
        """The thread's work while the lane is released."""
        while True:
            try:
                self._take()
                if self._loop.is_idle:
                    with self._gate.changed:
                        if not self._inbox:
                            self._gate.is_open = False
                            return
                    continue
                self.num_rounds += 1
                report = self._loop.step()
                if report is not None:
                    with self._owner.changed:
                        self._owner.deliver(self, report.events)
            except Exception as error:
                with self._owner.changed:
                    self._owner.fail(self, error)
                with self._gate.changed:
                    self._gate.is_open = False
                return
            if self._gate.is_closed:
                return

    def _take(self) -> None:
        while self._inbox:
            self._loop.take(*self._inbox.popleft())


class _Gate:
    """A gate at which a thread waits."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.is_open = False
        self.is_closed = False

    def open(self) -> None:
        with self.changed:
            self.is_open = True
            self.changed.notify()

    def close(self) -> None:
        """For good."""
        with self.changed:
            self.is_closed = True
            self.changed.notify()

    def wait(self) -> bool:
        """Returns when it is open, or False when it is closed for good."""
        with self.changed:
            while not self.is_open and not self.is_closed:
                self.changed.wait()
            return not self.is_closed


def _work_when_open(reference: "weakref.ref[ThreadLane]", gate: _Gate) -> None:
    """Keeps the lane, and with it the weights, alive only while there is work."""
    while gate.wait():
        lane = reference()
        if lane is None:
            return
        lane.work()
        del lane
