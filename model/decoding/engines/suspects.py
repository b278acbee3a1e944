"""Which requests are to blame when engine processes end."""

from collections.abc import Iterable
from dataclasses import replace

from dragoman.model.decoding.request import Lost, Request

MAX_DEATHS = 2
"""Processes that may end while they decode a request; after that, the request counts as the reason."""

MAX_SUSPECTS = 4096
"""Most suspects remembered."""

FATAL = "an engine process ended each time that it was translated"


class Suspects:
    """The requests with which a process ended, and that no process has finished since. Requests of the same sentence
    and options are the same request, whatever their ids. Nearly always there is none, which is found out quickly."""

    def __init__(self) -> None:
        self._deaths: dict[Request, int] = {}  # by request without its id: the processes that ended with it

    def __bool__(self) -> bool:
        return bool(self._deaths)

    def is_suspect(self, request: Request) -> bool:
        """Whether to decode a request alone in its process, so that no other becomes suspect."""
        return bool(self._deaths) and _nameless(request) in self._deaths

    def is_fatal(self, request: Request) -> bool:
        """Whether a request must not be decoded any more."""
        return bool(self._deaths) and self._deaths.get(_nameless(request), 0) >= MAX_DEATHS

    def clear(self, request: Request) -> None:
        """Forgets a request that was finished."""
        if self._deaths:
            self._deaths.pop(_nameless(request), None)

    def lose(self, requests: Iterable[tuple[int, Request]], reason: str) -> list[Lost]:
        """The reports on requests, given with their ids, that were lost with a process."""
        losses = []
        for request_id, request in requests:
            nameless = _nameless(request)
            deaths = self._deaths.pop(nameless, 0) + 1
            self._deaths[nameless] = deaths
            losses.append(fatal(request_id) if deaths >= MAX_DEATHS else Lost(request_id, reason))
        while len(self._deaths) > MAX_SUSPECTS:
            del self._deaths[next(iter(self._deaths))]
        return losses


def fatal(request_id: int) -> Lost:
    """The report on a request that must not be decoded any more."""
    return Lost(request_id, FATAL, is_at_fault=True)


def _nameless(request: Request) -> Request:
    return replace(request, id=0, is_followed=False)
