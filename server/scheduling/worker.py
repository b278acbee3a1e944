"""The bridge from asyncio to a decoding engine: callers await texts while the engine's thread decodes their
requests."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
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
from dragoman.server.scheduling.quarantine import Quarantine
from dragoman.server.scheduling.request_queue import RequestQueue, Throughput
from dragoman.server.scheduling.scheduler import DEFAULT_LIMITS, QueueFullError, QueueLimits
from dragoman.translation.drafts import PreparedText, Round
from dragoman.translation.results import Translation
from dragoman.translation.scoring.scored import ScoredTranslation

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
"""Default limit of one step of an engine: thousands of times its usual duration."""

MAX_FINISHED_INLINE = 8
"""Number of hypotheses that are turned into text on the event loop: handing so few to another thread would take
longer."""

_T = TypeVar("_T")


class Worker:
    """Runs one translator's engine on a thread of its own and translates for any number of concurrent callers.

    The thread starts at once and ends with `close` or `drain`. Closing the translator is up to its owner.

    Methods with `caller` and `priority` queue a request for each segment of a text, with the caller's rights, client
    and deadline; `Scheduler` decides their order. Cancelling the waiting task gives up all its requests: their slots
    are free before the engine's next step, as they are after the deadline. These methods raise QueueFullError, which
    says when to retry; InvalidInputError if even an empty queue could not hold the texts; DeadlineError;
    WorkerClosedError; ReplicaLostError; EngineError.
    """

    def __init__(
        self,
        translator: ServedTranslator,
        *,
        limits: QueueLimits = DEFAULT_LIMITS,
        stall_seconds: float = STALL_SECONDS,
        quarantine: Quarantine | None = None,
        on_broken: Callable[[], None] | None = None,
        observer: WorkerObserver = NO_OBSERVER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """stall_seconds: if a step takes longer, the engine counts as stuck: all calls fail, and the worker is broken.
        quarantine: of all workers; by default its own.
        on_broken: called once, on any thread, when the engine has failed for good. clock: the clock of the callers'
        deadlines."""
        self.translator = translator
        self._observer = observer
        throughput = Throughput()
        self._queue = RequestQueue(limits, clock=clock, retry_after=throughput.retry_after)
        self._loop = EngineLoop(
            translator,
            self._queue,
            throughput=throughput,
            quarantine=Quarantine(limits.quarantine_seconds) if quarantine is None else quarantine,
            on_broken=on_broken,
            observer=observer,
            clock=clock,
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
        """Whether the engine has failed for good; the worker then refuses all requests."""
        return self._loop.is_broken

    def statistics(self) -> EngineStatistics:
        """Statistics of the engine."""
        return self.translator.engine.statistics()

    def check_room(self, num_texts: int, *, caller: CallContext, priority: Priority) -> None:
        """Raise the error that `translate` would raise for `num_texts` texts that are not blank, as far as it is known
        before they are prepared: QueueFullError or WorkerClosedError."""
        self._queue.check_room(num_texts, caller, priority)

    async def translate(
        self, prepared: Sequence[PreparedText], *, caller: CallContext, priority: Priority
    ) -> list[Translation | TextFailure]:
        """Translate texts from the translator's `prepare`, in order; blank texts take no slot. If the engine refuses a
        text, only that text fails."""
        call = self._queue.submit(Submission, prepared, caller, priority)
        return await self._translations(call, prepared, caller, priority)

    async def translate_when_room(
        self, prepared: Sequence[PreparedText], *, caller: CallContext, priority: Priority
    ) -> list[Translation | TextFailure]:
        """`translate` for a caller that bounds its own work in flight, such as a stream: its texts wait in the same
        order but are exempt from the queue's limits, so that it gets no QueueFullError."""
        call = self._queue.submit(Submission, prepared, caller, priority, is_patient=True)
        return await self._translations(call, prepared, caller, priority)

    async def score(
        self, prepared: Sequence[PreparedText], *, caller: CallContext, priority: Priority
    ) -> list[ScoredTranslation | TextFailure]:
        """Score pairs from the translator's `prepare_score`; see `translate`."""
        call = self._queue.submit(Submission, prepared, caller, priority)
        return await self._finish(prepared, await self._hypotheses(call), self.translator.finish_score)

    async def follow(
        self, prepared: PreparedText, *, caller: CallContext, priority: Priority
    ) -> AsyncGenerator[LiveText, None]:
        """Translate a text and yield its translation so far whenever that changes; the last item has the translation.
        A slow reader gets only the newest state. Close the generator (`contextlib.aclosing`) to give up the text.

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
        (translation,) = await self._translations(call, [prepared], caller, priority)
        if isinstance(translation, TextFailure):
            raise InvalidInputError(translation.reason)
        yield LiveText(translation.text, "", translation)

    def close(self) -> None:
        """Refuse new requests, finish the others, and end the thread unless it is stuck. Blocks; may be called
        twice."""
        self._queue.close()
        self._ended.wait()

    async def drain(self) -> None:
        """`close` for an event loop."""
        await run_on_own_thread(self.close, "dragoman-drain")  # may take long, and calls need the shared threads

    def _watch(self) -> None:
        """Give up the engine's thread when it is stuck."""
        while True:
            self._thread.join(self._stall_seconds / NUM_LOOKS)
            if not self._thread.is_alive():
                break
            if self._loop.look():
                self._loop.abandon()
                break
        self._ended.set()

    async def _hypotheses(self, call: Submission) -> list[list[Hypotheses] | TextFailure]:
        """Wait for all hypotheses of a call."""
        try:
            return await call.future
        except BaseException:
            self._queue.withdraw(call)
            raise

    async def _translations(
        self, call: Submission, prepared: Sequence[PreparedText], caller: CallContext, priority: Priority
    ) -> list[Translation | TextFailure]:
        """Wait for all hypotheses, decode the further rounds of the texts that need them, and finish each text.

        A sentence that was shown while it was decoded keeps its translation.
        """
        review = partial(self.translator.review, keeps_unchanged=call.is_followed)
        texts, outcomes = list(prepared), await self._hypotheses(call)
        while True:

            def review_all() -> dict[int, Round]:
                pairs = enumerate(zip(texts, outcomes, strict=True))
                found = {place: (text, one) for place, (text, one) in pairs if not isinstance(one, TextFailure)}
                rounds = {place: review(text, one) for place, (text, one) in found.items()}
                return {place: again for place, again in rounds.items() if again is not None}

            rounds = await self._compute(_num_hypotheses(outcomes), review_all)
            if not rounds:
                finished = await self._finish(texts, outcomes, self.translator.finish)
                self._report_warnings(finished)
                return finished
            parts = [again.prepared.only(again.missing) for again in rounds.values()]
            self._observer.retried(self.translator.name, sum(len(part.segments) for part in parts))
            # Their texts were admitted in the first round, so the queue's limits hold no more.
            more = await self._hypotheses(self._queue.submit(Submission, parts, caller, priority, is_patient=True))
            for (place, again), found in zip(rounds.items(), more, strict=True):
                texts[place] = again.prepared
                outcomes[place] = found if isinstance(found, TextFailure) else again.complete(found)

    def _report_warnings(self, finished: Sequence[Translation | TextFailure]) -> None:
        for translation in finished:
            if isinstance(translation, Translation):
                for warning in translation.warnings:
                    self._observer.warned(self.translator.name, warning.kind)

    async def _finish(
        self,
        prepared: Sequence[PreparedText],
        outcomes: Sequence[list[Hypotheses] | TextFailure],
        finish: Callable[[PreparedText, Sequence[Hypotheses]], _T],
    ) -> list[_T | TextFailure]:
        """Apply `finish` to each text's hypotheses."""

        def finish_one(item: PreparedText, found: Sequence[Hypotheses] | TextFailure) -> _T | TextFailure:
            if isinstance(found, TextFailure):
                return found
            try:
                return finish(item, found)
            except NoTranslationError as error:  # only this text fails
                return TextFailure(str(error))

        def finish_all() -> list[_T | TextFailure]:
            return list(map(finish_one, prepared, outcomes))

        return await self._compute(_num_hypotheses(outcomes), finish_all)

    async def _compute(self, num_hypotheses: int, compute: Callable[[], _T]) -> _T:
        """Run `compute` on the event loop if it is short, otherwise on another thread."""
        return compute() if num_hypotheses <= MAX_FINISHED_INLINE else await asyncio.to_thread(compute)


def _num_hypotheses(outcomes: Sequence[list[Hypotheses] | TextFailure]) -> int:
    return sum(len(one) for found in outcomes if not isinstance(found, TextFailure) for one in found)
