"""Ending a run when the system or a person asks for it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from dragoman.model.errors import DragomanError


class Interrupted(DragomanError):
    """A signal ended the run; what it has learnt is in a checkpoint."""

    def __init__(self, number: int, update: int) -> None:
        """number: the signal's, 0 if another process of the run received it."""
        number = number or signal.SIGTERM
        self.exit_code = 128 + number  # as the shell has it
        super().__init__(
            f"stopped by {signal.Signals(number).name} after update {update:,}; all is saved: go on with --resume"
        )


class StopSignals:
    """Between entering and leaving, SIGTERM and SIGINT do not end the process at once: `received` holds the signal.

    A second one does as it would without. Where signals cannot be caught, outside the main thread, none is.
    """

    CAUGHT = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received = 0  # the signal's number, 0 for none
        self._before: dict[int, Any] = {}
        self._saved_update: int | None = None  # set where a signal ends the run at once

    @contextmanager
    def ending_at_once(self, update: int) -> Iterator[None]:
        """Within it a signal ends the run where it stands: for what takes long and can be done again. update: the
        newest in a checkpoint. Raises Interrupted."""
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
