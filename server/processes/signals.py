"""Signals of a server: SIGTERM and SIGINT end it while it loads and stop it gracefully while it serves; SIGHUP makes it
check its files. `LastResort` ends a server that does not stop.

Imports almost nothing, so that the handlers can be installed before slow imports.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

LATE = 1
"""Exit status of a process that did not end in time."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def exit_on_stop_signals() -> None:
    """Make SIGTERM and SIGINT end the process at once, with status 143 and 130, even if it is PID 1.

    A container's command is PID 1, for which the kernel ignores signals without a handler. Call this on the main
    thread, and only while there is nothing to clean up.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def ignore_reload_signal() -> None:
    """Ignore SIGHUP, which would end a server that still loads."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def catch_reload_signal(reload: Callable[[], None]) -> None:
    """Call `reload` on the running loop at every SIGHUP."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def catch_stop_signal() -> asyncio.Event:
    """An event that the next SIGTERM or SIGINT sets on the running loop; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle() -> None:
        # The loop's handlers stay registered, because only they wake a loop that is about to sleep. The new handlers
        # are set in the loop's next round, because Python may still have to handle this signal; but before `stop` is
        # seen.
        loop.call_soon(exit_on_stop_signals)
        stop.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, handle)
    return stop


class LastResort:
    """Ends a process that does not stop in time: a thread that reads from a disk that hangs would keep it alive for
    ever."""

    def __init__(self, report: Callable[[], None]) -> None:
        """report: called on a thread of its own just before the process ends."""
        self._report = report
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """Start the timer."""
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        """Stop the timer; may be called at any time."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        try:
            self._report()
        finally:
            os._exit(LATE)


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)  # not an exception: half-made imports and third-party code might swallow it
