"""Threads for calls that may never return, as on a disk that hangs: the event loop can give them up, and they do not
keep the process alive."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")


def _forget(found: Any) -> None:
    """Drop a late result."""


class BackgroundThread:
    """Calls functions one after the other on a daemon thread, for use on an event loop. When a call is given up, the
    thread is left to it, and a new thread takes its place."""

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
        """Run the function and return its result. The call is given up after `seconds`, with TimeoutError, or when the
        caller is cancelled. on_late: called on another thread with the result of a call that was given up."""
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
                    on_late(found)  # type: ignore[arg-type]  # without an error there is a result

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
        """End the thread after its current calls; the next `run` starts a new one."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


async def run_on_own_thread(function: Callable[[], Found], name: str) -> Found:
    """Run a function that may block for long on a daemon thread of its own."""
    thread = BackgroundThread(name)
    try:
        return await thread.run(function)
    finally:
        thread.end()


def _work(jobs: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
    while (job := jobs.get()) is not None:
        job()
