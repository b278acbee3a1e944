"""The bridge from asyncio to a decoding engine: callers wait for texts, the engine's thread works on their requests."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Self, TypeVar

from dragoman.model.decoding.statistics import EngineStatistics
from dragoman.model.errors import InvalidInputError, NoTranslationError
from dragoman.server.background import run_on_own_thread
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.calls import (
    DeadlineError,
    EngineError,
    FollowedSubmission,
    Hypotheses,
    LiveText,
    ReplicaLostError,
    Submission,
    TextFailure,
    WorkerClosedError,
)
from dragoman.server.scheduling.engine_loop import NUM_LOOKS, EngineLoop
from dragoman.server.scheduling.interfaces import NO_OBSERVER, ServedTranslator, WorkerObserver
from dragoman.server.scheduling.request_queue import RequestQueue, Throughput
from dragoman.server.scheduling.scheduler import DEFAULT_LIMITS, QueueFullError, QueueLimits
from dragoman.translation.preparing import PreparedText
from dragoman.translation.results import Translation
from dragoman.translation.scored import ScoredTranslation

__all__ = [
    "MAX_FINISHED_INLINE",
    "NO_OBSERVER",
    "DeadlineError",
    "EngineError",
    "LiveText",
    "QueueFullError",
    "ReplicaLostError",
    "TextFailure",
    "Worker",
    "WorkerClosedError",
    "WorkerObserver",
]

STALL_SECONDS = 30.0
"""Of one step of an engine, by default: thousands of times what it usually takes."""

MAX_FINISHED_INLINE = 8
"""Most hypotheses that become text on the event loop: so few take less time than the way to another thread."""

_T = TypeVar("_T")


class Worker:
    """Runs one translator's engine on a thread of its own and translates for any number of concurrent callers.

    The thread starts at once and ends with `close` or `drain`. The translator remains its owner's to close.

    All that take `caller` and `priority` put a request for each segment of a text into the queue, with the caller's
    rights, client and deadline; see `Scheduler` for who is next. Cancelling the task that waits gives all of its
    requests up: their slots are free before the engine's next step, as they are once the deadline has passed. What can
    go wrong: QueueFullError, which tells when to come again; InvalidInputError where not even an empty queue would hold
    the texts; DeadlineError; WorkerClosedError; ReplicaLostError; EngineError.
    """

    def __init__(
        self,
        translator: ServedTranslator,
        *,
        limits: QueueLimits = DEFAULT_LIMITS,
        stall_seconds: float = STALL_SECONDS,
        on_broken: Callable[[], None] | None = None,
        observer: WorkerObserver = NO_OBSERVER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """limits: of what callers may ask for. stall_seconds: an engine whose step takes longer is taken for stuck: all
        calls fail, and the worker is broken. on_broken: called once, on any thread, when the engine has failed for
        good. clock: that of the callers' deadlines."""
        self.translator = translator
        throughput = Throughput()
        self._queue = RequestQueue(limits, clock=clock, retry_after=throughput.retry_after)
        self._loop = EngineLoop(
            translator, self._queue, throughput=throughput, on_broken=on_broken, observer=observer, clock=clock
        )
        self._thread = threading.Thread(target=self._loop.run, name=f"dragoman-{translator.name}", daemon=True)
        self._thread.start()
        self._stall_seconds = stall_seconds
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name=f"dragoman-{translator.name}-watch", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a slot."""
        return self._queue.num_waiting

    @property
    def is_broken(self) -> bool:
        """Whether the engine has failed for good; everything is refused then."""
        return self._loop.is_broken

    def statistics(self) -> EngineStatistics:
        """What the engine has done so far."""
        return self.translator.engine.statistics()

    def check_room(self, num_texts: int, *, caller: CallContext, priority: Priority) -> None:
        """Raises what `translate` will raise for that many texts, not counting blank ones, as far as it can be known
        before they are prepared: QueueFullError and WorkerClosedError."""
        self._queue.check_room(num_texts, caller, priority)

    async def translate(
        self, prepared: Sequence[PreparedText], *, caller: CallContext, priority: Priority
    ) -> list[Translation | TextFailure]:
        """Translates what the translator's `prepare` made, in order; blank texts take no slot. A text that the engine
        refuses fails by itself."""
        call = self._queue.submit(Submission, prepared, caller, priority)
        return await self._answer(call, prepared, self.translator.finish)

    async def translate_when_room(
        self, prepared: Sequence[PreparedText], *, caller: CallContext, priority: Priority
    ) -> list[Translation | TextFailure]:
        """`translate` for a caller that has only so much under way at a time, as a stream does: it waits beyond the
        queue's bound, for which it does not count, in the same order as all others, and gets no QueueFullError."""
        call = self._queue.submit(Submission, prepared, caller, priority, is_patient=True)
        return await self._answer(call, prepared, self.translator.finish)

    async def score(
        self, prepared: Sequence[PreparedText], *, caller: CallContext, priority: Priority
    ) -> list[ScoredTranslation | TextFailure]:
        """`translate` for what the translator's `prepare_score` made."""
        call = self._queue.submit(Submission, prepared, caller, priority)
        return await self._answer(call, prepared, self.translator.finish_score)

    async def follow(
        self, prepared: PreparedText, *, caller: CallContext, priority: Priority
    ) -> AsyncGenerator[LiveText, None]:
        """Translates a text and tells what is there of it whenever that has changed; the last one has the translation.
        Whoever reads slowly gets the newest only. Close the generator (`contextlib.aclosing`) to give the text up.

        Raises InvalidInputError if the engine refuses the text.
        """
        call = self._queue.submit(FollowedSubmission, [prepared], caller, priority)
        try:
            shown = LiveText("", "")
            while (progress := await call.wait()) is not None:
                text = LiveText(
                    *await self._compute(
                        len(prepared.segments),
                        lambda: self.translator.partial_text(prepared, progress.finished, progress.partials),
                    )
                )
                if text != shown:
                    shown = text
                    yield text
        except BaseException:
            self._queue.withdraw(call)
            raise
        (translation,) = await self._answer(call, [prepared], self.translator.finish)
        if isinstance(translation, TextFailure):
            raise InvalidInputError(translation.reason)
        yield LiveText(translation.text, "", translation)

    def close(self) -> None:
        """Takes no more requests, finishes those that it has, and ends the thread, unless that is stuck. Blocks; may be
        called twice."""
        self._queue.close()
        self._ended.wait()

    async def drain(self) -> None:
        """`close` for an event loop."""
        await run_on_own_thread(self.close, "dragoman-drain")  # it may take long, and calls need the shared threads

    def _watch(self) -> None:
        """Gives the engine's thread up when it is stuck."""
        while True:
            self._thread.join(self._stall_seconds / NUM_LOOKS)
            if not self._thread.is_alive():
                break
            if self._loop.look():
                self._loop.abandon()
                break
        self._ended.set()

    async def _answer(
        self,
        call: Submission,
        prepared: Sequence[PreparedText],
        finish: Callable[[PreparedText, Sequence[Hypotheses]], _T],
    ) -> list[_T | TextFailure]:
        """What `finish` makes of each text's hypotheses, once all are found."""

        def finish_one(item: PreparedText, found: Sequence[Hypotheses] | TextFailure) -> _T | TextFailure:
            if isinstance(found, TextFailure):
                return found
            try:
                return finish(item, found)
            except NoTranslationError as error:  # the texts beside it have theirs
                return TextFailure(str(error))

        def finish_all() -> list[_T | TextFailure]:
            return list(map(finish_one, prepared, outcomes))

        try:
            outcomes = await call.future
        except BaseException:
            self._queue.withdraw(call)
            raise
        num_hypotheses = sum(len(one) for found in outcomes if not isinstance(found, TextFailure) for one in found)
        return await self._compute(num_hypotheses, finish_all)

    async def _compute(self, num_hypotheses: int, compute: Callable[[], _T]) -> _T:
        """Work on so many hypotheses, where it does not hold up the event loop."""
        return compute() if num_hypotheses <= MAX_FINISHED_INLINE else await asyncio.to_thread(compute)
