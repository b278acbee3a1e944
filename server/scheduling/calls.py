"""What callers of a worker wait for, and how its thread tells their event loops."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dragoman.model.decoding.request import Partial, Request, TokenHypothesis
from dragoman.model.errors import DragomanError
from dragoman.server.call_context import CallContext, Priority
from dragoman.translation.preparing import PreparedText
from dragoman.translation.results import Translation

logger = logging.getLogger(__name__)

Hypotheses: TypeAlias = Sequence[TokenHypothesis]


class WorkerClosedError(DragomanError):
    """The worker takes no more requests because the server shuts down. gRPC: UNAVAILABLE."""


class ReplicaLostError(DragomanError):
    """The process or thread that worked on the call is gone; another may do it. gRPC: UNAVAILABLE."""


class DeadlineError(DragomanError):
    """The call's deadline passed while it waited or was decoded. gRPC: DEADLINE_EXCEEDED."""


class EngineError(Exception):
    """The engine failed while it worked on the request; not the caller's fault. gRPC: INTERNAL."""


@dataclass(frozen=True, slots=True)
class TextFailure:
    """Why one text of several has no answer; it alone is at fault. reason: one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class LiveText:
    """What there is of a text's translation; `stable_text` and `unstable_text` together are what to show.

    stable_text:   will not change any more.
    unstable_text: the likeliest continuation at the moment.
    translation:   set in the last one alone.
    """

    stable_text: str
    unstable_text: str
    translation: Translation | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a followed text, by segment: its hypotheses where it is finished, else how far it is where it has begun."""

    finished: Sequence[Hypotheses | None]
    partials: Mapping[int, Partial]


class Outbox:
    """What the event loops are to do, gathered so that each of them is woken once however much there is. For one
    thread."""

    def __init__(self) -> None:
        self._actions: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}

    def add(self, loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
        """action: quick, and raises nothing."""
        self._actions.setdefault(loop, []).append(action)

    def send(self) -> None:
        """Wakes the loops that have something to do."""
        if not self._actions:
            return
        pending, self._actions = self._actions, {}
        for loop, actions in pending.items():
            try:
                loop.call_soon_threadsafe(_run_all, actions)
            except RuntimeError:  # the loop is closed: nobody waits any more
                logger.debug("a call finished after its event loop was closed")


def _run_all(actions: Sequence[Callable[[], None]]) -> None:
    for action in actions:
        action()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that waits or is in flight, and of which text of which call it is."""

    request: Request
    call: "Submission"
    text: int

    @property
    def segment(self) -> int:
        """Which one of its text's."""
        return self.request.id - self.call.texts[self.text].start


class Submission:
    """What one caller waits for: the hypotheses of all segments of its texts. The waiter is woken once, by the last of
    them or by what fails the call as a whole.

    Made on the caller's event loop, then used on the worker's thread alone, but for `future`.
    """

    is_followed = False

    def __init__(
        self,
        prepared: Sequence[PreparedText],
        first_id: int,
        submitted_at: float,
        priority: Priority,
        caller: CallContext,
    ) -> None:
        """first_id: of its requests, which are numbered in order. submitted_at, and the caller's deadline: on the
        worker's clock."""
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[list[Hypotheses] | TextFailure]] = self._loop.create_future()
        self.submitted_at = submitted_at
        self.priority = priority
        self.deadline = math.inf if caller.deadline is None else caller.deadline
        self.timing = caller.timing
        self._outcomes: list[list[Hypotheses] | TextFailure] = [[()] * len(item.segments) for item in prepared]
        self.texts: list[range] = []
        """The ids of each text's requests."""
        for item in prepared:
            self.texts.append(range(first_id, first_id + len(item.segments)))
            first_id += len(item.segments)
        self._num_missing = sum(map(len, self.texts))
        if not self._num_missing:  # nobody else would tell
            self.future.set_result(self._outcomes)

    @property
    def request_ids(self) -> range:
        """Of all requests."""
        return range(self.texts[0].start, self.texts[-1].stop) if self.texts else range(0)

    def deliver(self, ticket: Ticket, hypotheses: Hypotheses, outbox: Outbox) -> None:
        """Those of one segment."""
        outcome = self._outcomes[ticket.text]
        assert not isinstance(outcome, TextFailure), "a refused text's requests are withdrawn"
        outcome[ticket.segment] = hypotheses
        self._settle_some(1, outbox)

    def refuse(self, text: int, reason: str, num_left: int, outbox: Outbox) -> None:
        """Gives a text up, which lacked the hypotheses of `num_left` segments."""
        self._outcomes[text] = TextFailure(reason)
        self._settle_some(num_left, outbox)

    def fail(self, error: Exception, outbox: Outbox) -> None:
        """Gives the whole call up."""

        def tell() -> None:
            if not self.future.done():  # or it was cancelled while the error was on its way
                self.future.set_exception(error)
                self.future.exception()  # now it is not logged if the waiter is just giving up

        outbox.add(self._loop, tell)

    def _settle_some(self, num_requests: int, outbox: Outbox) -> None:
        def tell() -> None:
            if not self.future.done():
                self.future.set_result(self._outcomes)

        self._num_missing -= num_requests
        if not self._num_missing:
            outbox.add(self._loop, tell)


class FollowedSubmission(Submission):
    """That of a single text which is watched: the waiter is told of all progress, or of the newest if it is slow."""

    is_followed = True

    def __init__(
        self,
        prepared: Sequence[PreparedText],
        first_id: int,
        submitted_at: float,
        priority: Priority,
        caller: CallContext,
    ) -> None:
        super().__init__(prepared, first_id, submitted_at, priority, caller)
        self._finished: list[Hypotheses | None] = [None] * len(prepared[0].segments)
        self._partials: dict[int, Partial] = {}
        self._newest: Progress | None = None  # touched by the event loop alone, as what follows
        self._changed = asyncio.Event()
        self.future.add_done_callback(lambda _: self._changed.set())

    def deliver(self, ticket: Ticket, hypotheses: Hypotheses, outbox: Outbox) -> None:
        super().deliver(ticket, hypotheses, outbox)
        self._finished[ticket.segment] = hypotheses
        self._partials.pop(ticket.segment, None)

    def advance(self, ticket: Ticket, partial: Partial) -> None:
        """How far one segment is."""
        self._partials[ticket.segment] = partial

    def publish(self, outbox: Outbox) -> None:
        """Tells the waiter how far all is; once after a step that changed anything."""
        progress = Progress(tuple(self._finished), dict(self._partials))

        def tell() -> None:
            self._newest = progress
            self._changed.set()

        outbox.add(self._loop, tell)

    async def wait(self) -> Progress | None:
        """The newest progress that was not told yet, as soon as there is some; None when the call is over."""
        await self._changed.wait()
        self._changed.clear()
        if self.future.done():
            return None
        return self._newest
