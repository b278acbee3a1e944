"""Which requests are to blame when engine processes end. Requests are remembered by digests, not by their texts."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dragoman.model.decoding.request import Lost, Request

MAX_DEATHS = 2
"""Processes that may end while they decode a request; after that, the request counts as the reason."""

MAX_SUSPECTS = 4096
"""Most suspects remembered."""

FORGET_SECONDS = 600.0
"""Time after which a suspect is forgotten."""

FATAL = "an engine process ended each time that it was translated"


def digest(request: Request, context: str = "") -> bytes:
    """Identifies a sentence and its options, whatever its id, without revealing it. context: what else must agree."""
    parts = (
        context,
        request.source_ids,
        request.options,
        request.max_target_length,
        request.prefix_ids,
        request.suppressed_ids,
        request.terms,
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass(slots=True)
class _Record:
    """num_deaths: processes that ended with the request. mark: see `Suspects._marks`. until: by the clock."""

    num_deaths: int
    mark: int
    until: float


class Suspects:
    """The requests with which a process ended, and that no process has finished since. Requests of the same sentence
    and options are the same request, whatever their ids. Nearly always there is none, which is found out quickly."""

    def __init__(self, seconds: float = FORGET_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """seconds: after which a suspect is forgotten."""
        self._seconds = seconds
        self._clock = clock
        self._records: dict[bytes, _Record] = {}  # by digest, the oldest first
        self._marks: set[int] = set()  # hashes of their pieces: most others are told apart without a digest

    def __bool__(self) -> bool:
        return bool(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def is_suspect(self, request: Request) -> bool:
        """Whether to decode a request alone in its process, so that no other becomes suspect."""
        return self._num_deaths(request) > 0

    def is_fatal(self, request: Request) -> bool:
        """Whether a request must not be decoded any more."""
        return self._num_deaths(request) >= MAX_DEATHS

    def clear(self, request: Request) -> None:
        """Forget a request that was finished."""
        if self._num_deaths(request):
            del self._records[digest(request)]
            self._mark_again()

    def lose(self, requests: Iterable[tuple[int, Request]], reason: str, *, is_fault: bool = False) -> list[Lost]:
        """The reports on requests, given with their ids, that were lost with a process. is_fault: whether the process
        ended by a fault of its own, such as a segmentation fault or a hang: a request that was alone in it is then the
        reason. A process that was killed from outside may have ended with any."""
        lost = list(requests)
        num_deaths = MAX_DEATHS if is_fault and len(lost) == 1 else 1
        now = self._clock()
        losses = []
        for request_id, request in lost:
            key = digest(request)
            earlier = self._records.pop(key, None)
            deaths = num_deaths + (earlier.num_deaths if earlier is not None and earlier.until > now else 0)
            self._records[key] = _Record(deaths, hash(request.source_ids), now + self._seconds)
            losses.append(fatal(request_id) if deaths >= MAX_DEATHS else Lost(request_id, reason))
        while len(self._records) > MAX_SUSPECTS:
            del self._records[next(iter(self._records))]
        self._mark_again()
        return losses

    def _num_deaths(self, request: Request) -> int:
        if not self._records or hash(request.source_ids) not in self._marks:
            return 0
        record = self._records.get(digest(request))
        if record is None:
            return 0
        if record.until <= self._clock():
            del self._records[digest(request)]
            self._mark_again()
            return 0
        return record.num_deaths

    def _mark_again(self) -> None:
        self._marks = {record.mark for record in self._records.values()}


def fatal(request_id: int) -> Lost:
    """The report on a request that must not be decoded any more."""
    return Lost(request_id, FATAL, is_at_fault=True)
