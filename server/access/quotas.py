"""How much of the server the callers may use at once and over time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dragoman.server.access.tokens import Token

CONCURRENCY_RETRY_SECONDS = 0.5
"""The pause that a caller with too many calls is asked for: about how long calls take to end."""

_WINDOW_SECONDS = 60.0

_ROUNDING = 1e-6  # of a character: a caller who has waited as long as asked may go on


class QuotaError(Exception):
    """A call that is one too many. reason: one word for the metrics; retry_after: seconds."""

    def __init__(self, reason: str, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(slots=True)
class _Bucket:
    """A token bucket that may be overdrawn: its level, at a time; it holds a minute's worth when full."""

    per_minute: int
    level: float
    at: float

    def seconds_until_one(self, now: float) -> float:
        """Until a character may be sent; 0 for now."""
        self.level = min(self.per_minute, self.level + (now - self.at) * self.per_minute / _WINDOW_SECONDS)
        self.at = now
        missing = 1 - self.level
        return missing * _WINDOW_SECONDS / self.per_minute if missing > _ROUNDING else 0.0


class Quotas:
    """Counts running calls, in all and by client, and the characters that tokens have sent.

    Not thread-safe: for the event loop alone.
    """

    def __init__(
        self, max_calls: int, max_calls_per_client: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """clock: seconds."""
        self._max_calls = max_calls
        self._max_calls_per_client = max_calls_per_client
        self._clock = clock
        self._num_calls = 0
        self._num_calls_by_client: dict[str, int] = {}
        self._buckets: dict[str, _Bucket] = {}  # by token's name

    def enter(self, client: str, token: Token | None) -> None:
        """Counts a call that begins; `leave` must follow. Raises QuotaError if it is one too many."""
        if self._num_calls >= self._max_calls:
            raise QuotaError(
                "calls",
                f"{self._max_calls} calls are running, the server's limit: try again later",
                CONCURRENCY_RETRY_SECONDS,
            )
        allowed = self._max_calls_per_client
        if token is not None and token.max_concurrent_calls is not None:
            allowed = token.max_concurrent_calls
        running = self._num_calls_by_client.get(client, 0)
        if running >= allowed:
            raise QuotaError(
                "calls_of_client",
                f"{allowed} of this client's calls are running, its limit: try again later",
                CONCURRENCY_RETRY_SECONDS,
            )
        self._num_calls += 1
        self._num_calls_by_client[client] = running + 1

    def leave(self, client: str) -> None:
        """Ends what `enter` began."""
        self._num_calls -= 1
        running = self._num_calls_by_client[client] - 1
        if running:
            self._num_calls_by_client[client] = running
        else:
            del self._num_calls_by_client[client]  # or every connection that there ever was would stay

    def charge(self, token: Token | None, num_characters: int) -> float:
        """Counts characters that a token sends, and returns 0; or returns the seconds after which it may send them.

        They are taken as soon as one is left, however many they are, and then the next must wait until they are paid
        for: so no text is too long for ever, and in the long run the rate holds exactly.
        """
        if token is None or token.characters_per_minute is None or not num_characters:
            return 0.0
        now = self._clock()
        bucket = self._buckets.get(token.name)
        if bucket is None or bucket.per_minute != token.characters_per_minute:  # its limit is a new one
            bucket = _Bucket(token.characters_per_minute, token.characters_per_minute, now)
            self._buckets[token.name] = bucket
        seconds = bucket.seconds_until_one(now)
        if not seconds:
            bucket.level -= num_characters
        return seconds


@dataclass(frozen=True, slots=True)
class CallerAllowance:
    """A caller's part of the quotas; a `server.call_context.Allowance`. As many operations may go on as calls, but they
    are counted by themselves: who has begun all that he may can still ask for them and cancel them."""

    quotas: Quotas
    client: str
    token: Token | None

    @property
    def _name(self) -> str:
        return f"{self.client} operations"  # a token's name holds no space

    def enter(self) -> None:
        """See `Quotas.enter`."""
        self.quotas.enter(self._name, self.token)

    def leave(self) -> None:
        """See `Quotas.leave`."""
        self.quotas.leave(self._name)

    def charge(self, num_characters: int) -> float:
        """See `Quotas.charge`."""
        return self.quotas.charge(self.token, num_characters)
