"""Sentences that are not decoded any more, because engine processes ended or hung while they decoded them."""

import threading
import time
from collections.abc import Callable, Sequence

from dragoman.model.decoding.engines.suspects import digest
from dragoman.model.decoding.request import Request
from dragoman.server.scheduling.scheduler import QUARANTINE_SECONDS

MAX_DIGESTS = 4096
"""Most sentences remembered; beyond it the oldest is forgotten."""


class Quarantine:
    """The quarantined sentences of all models, and the suspects: those with which others hung. Safe to use from several
    threads, and kept while models are loaded anew.

    It remembers digests of a sentence's pieces and options with the model, not texts. Nearly always it is empty, which
    is found out quickly.
    """

    def __init__(self, seconds: float = QUARANTINE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """seconds: after which a sentence may be tried again."""
        self.seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()  # guards changes
        self._until: dict[bytes, float] = {}  # of the quarantined ones
        self._suspects: dict[bytes, float] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is quarantined."""
        return not self._until

    @property
    def has_suspects(self) -> bool:
        """Whether some sentence is to be decoded alone."""
        return bool(self._suspects)

    def __len__(self) -> int:
        return len(self._until)

    def add(self, model: str, request: Request) -> str:
        """Quarantine a sentence. model: name and revision. Returns its digest for the log."""
        key = digest(request, model)
        with self._lock:
            self._suspects.pop(key, None)
            _remember(self._until, key, self._clock() + self.seconds)
        return key.hex()

    def accuse(self, model: str, requests: Sequence[Request]) -> list[Request]:
        """Note the sentences that were decoded when an engine hung: if it was one alone, it is the reason, otherwise
        each is a suspect. Returns the reason, if it is known."""
        if len(requests) == 1:
            return list(requests)
        with self._lock:
            for request in requests:
                _remember(self._suspects, digest(request, model), self._clock() + self.seconds)
        return []

    def holds(self, model: str, request: Request) -> bool:
        """Whether a sentence is quarantined."""
        return bool(self._until) and self._is_in(self._until, model, request)

    def is_suspect(self, model: str, request: Request) -> bool:
        """Whether a sentence is to be decoded alone."""
        return bool(self._suspects) and self._is_in(self._suspects, model, request)

    def clear(self, model: str, request: Request) -> None:
        """Note that a sentence was finished."""
        if self._suspects:
            with self._lock:
                self._suspects.pop(digest(request, model), None)

    def _is_in(self, records: dict[bytes, float], model: str, request: Request) -> bool:
        key = digest(request, model)
        until = records.get(key)
        if until is None:
            return False
        if until > self._clock():
            return True
        with self._lock:
            records.pop(key, None)
        return False


def _remember(records: dict[bytes, float], key: bytes, until: float) -> None:
    records.pop(key, None)
    records[key] = until
    while len(records) > MAX_DIGESTS:
        del records[next(iter(records))]
