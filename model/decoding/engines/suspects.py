"""Which requests are to blame when engine processes end."""

from collections.abc import Iterable
from dataclasses import replace

from dragoman.model.decoding.request import Lost, Request

MAX_DEATHS = 2
"""Processes that may end while they decode a request; after that, the request counts as the reason."""

MAX_SUSPECTS = 4096
"""Requests of which it is remembered that a process ended with them."""

FATAL = "an engine process ended each time that it was translated"


class Suspects:
    """The requests that a process ended with, and that no other has finished since. The same sentence, searched in the
    same way, is the same request, whatever its id. Nearly always there is none, and that is found out quickly."""

    def __init__(self) -> None:
        self._deaths: dict[Request, int] = {}  # by request without its id: the processes that ended with it

    def __bool__(self) -> bool:
        return bool(self._deaths)

    def is_suspect(self, request: Request) -> bool:
        """Whether it should be decoded by itself, so that no other is suspected with it."""
        return bool(self._deaths) and _nameless(request) in self._deaths

    def is_fatal(self, request: Request) -> bool:
        """Whether it should not be decoded any more."""
        return bool(self._deaths) and self._deaths.get(_nameless(request), 0) >= MAX_DEATHS

    def clear(self, request: Request) -> None:
        """It was finished."""
        if self._deaths:
            self._deaths.pop(_nameless(request), None)

    def lose(self, requests: Iterable[tuple[int, Request]], reason: str) -> list[Lost]:
        """What to tell of requests, with their ids, that a process ended with for this reason."""
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
    """What to tell of a request that is not decoded any more."""
    return Lost(request_id, FATAL, is_at_fault=True)


def _nameless(request: Request) -> Request:
    return replace(request, id=0, is_followed=False)
