"""Ending a run by a signal."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

from dragoman.model.errors import DragomanError
from dragoman.training.display import is_main_process

ANSWER = b"\ndragoman: ends after this update and saves it; a second signal ends at once\n"
"""What a signal is answered that does not end the run at once."""


class Interrupted(DragomanError):
    """A signal ended the run; its state is in a checkpoint."""

    def __init__(self, number: int, update: int) -> None:
        """number: the signal's, 0 if another process of the run received it."""
        number = number or signal.SIGTERM
        self.exit_code = 128 + number  # as the shell has it
        self.place = f"stopped by {signal.Signals(number).name} after update {update:,}; all is saved"
        super().__init__(f"{self.place}: go on with --resume")


class StopSignals:
    """Within this context, SIGTERM and SIGINT do not end the process at once: `received` has the signal.

    The first one is answered by a line on standard error, a second acts as usual. Outside the main thread, where
    signals cannot be caught, none is.
    """

    CAUGHT = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received = 0  # the signal's number, 0 for none
        self._before: dict[int, Any] = {}
        self._saved_update: int | None = None  # set where a signal ends the run at once

    @contextmanager
    def ending_at_once(self, update: int) -> Iterator[None]:
        """Within this context a signal ends the run at once: for long work that can be repeated. update: the newest in
        a checkpoint. Raises Interrupted."""
        if self.received:
            raise Interrupted(self.received, update)
        self._saved_update = update
        try:
            yield
        finally:
            self._saved_update = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in self.CAUGHT}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()
        if self._saved_update is not None:
            raise Interrupted(number, self._saved_update)
        if is_main_process():  # not through sys.stderr, in which the signal may have come
            with suppress(OSError):
                os.write(2, ANSWER)
