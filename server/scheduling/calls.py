"""Submissions to a worker, and the messages from its thread to the callers' event loops."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dragoman.model.decoding.request import Partial, Request, TokenHypothesis
from dragoman.model.errors import DragomanError
from dragoman.server.call_context import CallContext, Priority
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Translation

logger = logging.getLogger(__name__)

Hypotheses: TypeAlias = Sequence[TokenHypothesis]


class WorkerClosedError(DragomanError):
    """The worker refuses requests because the server shuts down. gRPC: UNAVAILABLE."""


class ReplicaLostError(DragomanError):
    """The process or thread that worked on the call is gone; a retry may succeed. gRPC: UNAVAILABLE."""


class DeadlineError(DragomanError):
    """The call's deadline passed while it waited or was being decoded. gRPC: DEADLINE_EXCEEDED."""


class EngineError(Exception):
    """The engine failed while it worked on the request; not the caller's fault. gRPC: INTERNAL."""


@dataclass(frozen=True, slots=True)
class TextFailure:
    """The reason why one of several texts has no answer; the fault is in this text. reason: one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class LiveText:
    """A text's translation so far: `stable_text` followed by `unstable_text`.

    stable_text:   the final part.
    unstable_text: the most likely continuation so far.
    translation:   the complete translation, in the last one only.
    """

    stable_text: str
    unstable_text: str
    translation: Translation | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a followed text. finished: by segment, its hypotheses, or None. partials: by index of segment, the
    state of those that have begun and are not finished."""

    finished: Sequence[Hypotheses | None]
    partials: Mapping[int, Partial]


class Outbox:
    """Actions for the event loops, collected so that each loop is woken once. For one thread."""

    def __init__(self) -> None:
        self._actions: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}

    def add(self, loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
        """action: quick, and raises nothing."""
        self._actions.setdefault(loop, []).append(action)

    def send(self) -> None:
        """Wake the loops that have actions."""
        if not self._actions:
            return
        pending, self._actions = self._actions, {}
        for loop, actions in pending.items():
            try:
                loop.call_soon_threadsafe(_run_all, actions)
            except RuntimeError:  # the loop is closed
                logger.debug("a call finished after its event loop was closed")


def _run_all(actions: Sequence[Callable[[], None]]) -> None:
    for action in actions:
        action()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that waits or is in flight. text: index of its text in its call."""

    request: Request
    call: "Submission"
    text: int

    @property
    def segment(self) -> int:
        """Index of the request's segment in its text."""
        return self.request.id - self.call.texts[self.text].start


class Submission:
    """The texts of one call, and the future of their hypotheses. The caller is woken once: by the last segment, or by
    the failure of the whole call.

    Created on the caller's event loop, then used only on the worker's thread, except for `future`.
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
        """first_id: id of its first request; the others follow in order. submitted_at, and the caller's deadline: by
        the worker's clock."""
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[list[Hypotheses] | TextFailure]] = self._loop.create_future()
        self.submitted_at = submitted_at
        self.priority = priority
        self.deadline = math.inf if caller.deadline is None else caller.deadline
        self.timing = caller.timing
        self._outcomes: list[list[Hypotheses] | TextFailure] = [[()] * len(item.segments) for item in prepared]
        self.texts: list[range] = []
        """Ids of each text's requests."""
        for item in prepared:
            self.texts.append(range(first_id, first_id + len(item.segments)))
            first_id += len(item.segments)
        self._num_missing = sum(map(len, self.texts))
        if not self._num_missing:  # no segment will complete it
            self.future.set_result(self._outcomes)

    @property
    def request_ids(self) -> range:
        """Ids of all requests."""
        return range(self.texts[0].start, self.texts[-1].stop) if self.texts else range(0)

    def deliver(self, ticket: Ticket, hypotheses: Hypotheses, outbox: Outbox) -> None:
        """Take the hypotheses of one segment."""
        outcome = self._outcomes[ticket.text]
        assert not isinstance(outcome, TextFailure), "a refused text's requests are withdrawn"
        outcome[ticket.segment] = hypotheses
        self._settle_some(1, outbox)

    def refuse(self, text: int, reason: str, num_left: int, outbox: Outbox) -> None:
        """Give up a text that lacked the hypotheses of `num_left` segments."""
        self._outcomes[text] = TextFailure(reason)
        self._settle_some(num_left, outbox)

    def fail(self, error: Exception, outbox: Outbox) -> None:
        """Fail the whole call."""

        def tell() -> None:
            if not self.future.done():  # it may have been cancelled meanwhile
                self.future.set_exception(error)
                self.future.exception()  # marks it as retrieved: asyncio logs nothing if the caller gives up now

        outbox.add(self._loop, tell)

    def _settle_some(self, num_requests: int, outbox: Outbox) -> None:
        def tell() -> None:
            if not self.future.done():
                self.future.set_result(self._outcomes)

        self._num_missing -= num_requests
        if not self._num_missing:
            outbox.add(self._loop, tell)


class FollowedSubmission(Submission):
    """A submission of a single text that also reports its progress. A slow caller gets only the newest state."""

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
        self._newest: Progress | None = None  # this and `_changed` belong to the event loop
        self._changed = asyncio.Event()
        self.future.add_done_callback(lambda _: self._changed.set())

    def deliver(self, ticket: Ticket, hypotheses: Hypotheses, outbox: Outbox) -> None:
        super().deliver(ticket, hypotheses, outbox)
        self._finished[ticket.segment] = hypotheses
        self._partials.pop(ticket.segment, None)

    def advance(self, ticket: Ticket, partial: Partial) -> None:
        """Take the state of one unfinished segment."""
        self._partials[ticket.segment] = partial

    def publish(self, outbox: Outbox) -> None:
        """Report the progress to the caller; called once after a step that changed it."""
        progress = Progress(tuple(self._finished), dict(self._partials))

        def tell() -> None:
            self._newest = progress
            self._changed.set()

        outbox.add(self._loop, tell)

    async def wait(self) -> Progress | None:
        """Wait for new progress and return it; None when the call is over."""
        await self._changed.wait()
        self._changed.clear()
        if self.future.done():
            return None
        return self._newest
