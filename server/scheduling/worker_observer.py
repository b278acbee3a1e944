"""Who is told what becomes of a worker's requests."""

from typing import Protocol


class WorkerObserver(Protocol):
    """Is told on the worker's thread what becomes of requests, each of them a sentence. Must be quick and never raise.

    model: its name. Seconds are counted from when the call was submitted.
    """

    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        """It has left the queue for a slot. priority: the value of a `server.call_context.Priority`."""

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        """It was finished, and its first step was over then."""

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        """It was finished; its best hypothesis has so many pieces."""

    def dropped(self, model: str, reason: str) -> None:
        """It was not: its call was "cancelled", its "deadline" passed, the engine "failed", a process was "lost", or
        its text "refused"."""


class _NoObserver:
    def admitted(self, model: str, priority: str, queue_seconds: float) -> None:
        pass

    def first_token(self, model: str, seconds_since_submitted: float) -> None:
        pass

    def finished(
        self, model: str, seconds_since_submitted: float, num_source_pieces: int, num_target_pieces: int
    ) -> None:
        pass

    def dropped(self, model: str, reason: str) -> None:
        pass


NO_OBSERVER: WorkerObserver = _NoObserver()
