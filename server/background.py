"""Threads for what may never return, such as a disk that hangs: the event loop gives them up, and the process ends
without them."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")


def _forget(found: Any) -> None:
    """Nobody needs it any more."""


class BackgroundThread:
    """Calls functions one after the other on a daemon thread, always the same one unless a call is given up: then that
    thread is left to the call, and another takes its place. Used on an event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] | None = None

    async def run(
        self,
        function: Callable[[], Found],
        seconds: float | None = None,
        *,
        on_late: Callable[[Found], None] = _forget,
    ) -> Found:
        """What the function returns or raises. It is given up after `seconds`, with TimeoutError, or when the
        caller is cancelled. on_late: gets, on another thread, what a call that was given up returns after all."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()

        def call() -> None:
            found: Found | None = None
            error: BaseException | None = None
            try:
                found = function()
            except BaseException as raised:
                error = raised

            def discard() -> None:
                if error is None:
                    on_late(found)  # type: ignore[arg-type]  # without an error something was found

            def deliver() -> None:
                if answer.done():
                    threading.Thread(target=discard, name=self._name, daemon=True).start()
                elif error is not None:
                    answer.set_exception(error)
                else:
                    answer.set_result(found)  # type: ignore[arg-type]

            try:
                loop.call_soon_threadsafe(deliver)
            except RuntimeError:  # the loop is closed
                discard()

        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        self._jobs.put(call)
        try:
            async with asyncio.timeout(seconds):
                return await answer
        finally:
            if answer.cancelled():
                self.end()

    def end(self) -> None:
        """Has the thread end when its calls have returned; the next `run` starts another."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


async def run_on_own_thread(function: Callable[[], Found], name: str) -> Found:
    """Calls a function that may block for long on a daemon thread of its own."""
    thread = BackgroundThread(name)
    try:
        return await thread.run(function)
    finally:
        thread.end()


def _work(jobs: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
    while (job := jobs.get()) is not None:
        job()
