"""What signals do to a server: SIGTERM and SIGINT end it while it loads and stop it gracefully while it serves; SIGHUP
has a server that serves look at its files again. And what ends a server that does not stop by itself.

Imports next to nothing, so that the handlers can be there before anything slow begins.
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
    """From now on SIGTERM and SIGINT end the process at once, with status 143 and 130, also where it is PID 1.

    For PID 1, which a container's command is, the kernel ignores a signal that has no handler. Call it on the main
    thread, and only while there is nothing to clean up.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def ignore_reload_signal() -> None:
    """Without this, a SIGHUP that announces a changed file would end a server that still loads."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def catch_reload_signal(reload: Callable[[], None]) -> None:
    """Calls `reload` on the running loop at every SIGHUP from now on."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def catch_stop_signal() -> asyncio.Event:
    """The event that the next SIGTERM or SIGINT sets on the running loop; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle() -> None:
        # The loop's own handlers stay registered, so that a signal still wakes the loop: one that comes just before
        # the loop goes to sleep would else be seen when something else wakes it. In the loop's next round, since
        # Python's part of this very signal may be due yet; but before anybody hears of the stop.
        loop.call_soon(exit_on_stop_signals)
        stop.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, handle)
    return stop


class LastResort:
    """Ends the process if it has not stopped in time. A file of a bundle on a disk that hangs, and the thread that
    reads it would keep the process alive for ever."""

    def __init__(self, report: Callable[[], None]) -> None:
        """report: called on a thread of its own just before the end."""
        self._report = report
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """The time runs from now on."""
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        """It has stopped. May be called at any time."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        try:
            self._report()
        finally:
            os._exit(LATE)


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)  # not an exception: half-made imports and third-party code might swallow it
