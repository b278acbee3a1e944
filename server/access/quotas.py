"""Quotas of callers: concurrent calls, characters over time, and what a day and a month allow."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dragoman.server.access.counts import Bucket
from dragoman.server.access.tokens import Token
from dragoman.server.access.usage import Period, Usage

CONCURRENCY_RETRY_SECONDS = 0.5
"""Retry pause for a caller with too many calls: about the duration of a call."""

_WINDOW_SECONDS = 60.0

_ALL = ""
"""Name of all callers together."""

_ROUNDING = 1e-6  # characters: a caller who has waited as long as told must not fail by rounding


class QuotaError(Exception):
    """A call beyond a quota. reason: one word for the metrics. retry_after: seconds."""

    def __init__(self, reason: str, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class ExhaustedError(QuotaError):
    """A call beyond what the caller's day or month allows; retrying helps only when that is over."""


class Quotas:
    """Counts running calls, in all and by client, and the characters that tokens have sent.

    Not thread-safe: for the event loop alone.
    """

    def __init__(
        self,
        max_calls: int,
        max_calls_per_client: int,
        usage: Usage | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """usage: counts by day and month; by default in memory. clock: seconds."""
        self.usage = usage or Usage()
        self._max_calls = max_calls
        self._max_calls_per_client = max_calls_per_client
        self._clock = clock
        self._counts = self.usage.counts

    def enter(self, client: str, token: Token | None) -> None:
        """Count a call that begins; `leave` must follow. Raises QuotaError beyond a limit."""
        allowed = self._max_calls_per_client
        if token is not None and token.max_concurrent_calls is not None:
            allowed = token.max_concurrent_calls
        with self._counts.locked():
            if self._counts.running(_ALL) >= self._max_calls:
                raise QuotaError(
                    "calls",
                    f"the server's limit of {self._max_calls} concurrent calls is reached: try again later",
                    CONCURRENCY_RETRY_SECONDS,
                )
            if self._counts.running(client) >= allowed:
                raise QuotaError(
                    "calls_of_client",
                    f"this client's limit of {allowed} concurrent calls is reached: try again later",
                    CONCURRENCY_RETRY_SECONDS,
                )
            self._counts.change_running(_ALL, 1)
            self._counts.change_running(client, 1)

    def leave(self, client: str) -> None:
        """End a call that `enter` counted."""
        with self._counts.locked():
            self._counts.change_running(_ALL, -1)
            self._counts.change_running(client, -1)

    def charge(self, token: Token | None, num_characters: int, num_calls: int = 0) -> float:
        """Count characters, and calls, that a token sends and return 0, or return the seconds after which it may send
        them. Raises ExhaustedError if its day or month does not allow them; they are not counted then.

        While the bucket holds one character, a text of any length may overdraw it, and later texts wait until it is
        filled again. So no text is ever too long, and in the long run the rate holds exactly.
        """
        if not num_characters:
            return 0.0
        with self._counts.locked():
            exceeded = self.usage.find_exceeded(token, num_characters, num_calls)
            if exceeded is not None:
                kind, period = exceeded.kind, exceeded.period
                message = f"the quota of {exceeded.limit} {kind} per {period} does not allow this call"
                raise ExhaustedError(f"{kind}_per_{period}", message, exceeded.seconds)
            seconds = self._fill(token, num_characters)
            if not seconds:
                self.usage.add(token, num_characters, num_calls)
        return seconds

    def _fill(self, token: Token | None, num_characters: int) -> float:
        """`charge` of the token's rate."""
        if token is None or token.characters_per_minute is None:
            return 0.0
        now, per_minute = self._clock(), token.characters_per_minute
        bucket = self._counts.bucket(token.name)
        if bucket is None or bucket.per_minute != per_minute:  # its limit is a new one
            bucket = Bucket(per_minute, per_minute, now)
        bucket.level = min(per_minute, bucket.level + (now - bucket.at) * per_minute / _WINDOW_SECONDS)
        bucket.at = now
        missing = 1 - bucket.level
        seconds = missing * _WINDOW_SECONDS / per_minute if missing > _ROUNDING else 0.0
        if not seconds:
            bucket.level -= num_characters
        self._counts.keep_bucket(token.name, bucket)
        return seconds

    def require(self, token: Token | None, num_characters: int) -> None:
        """Count a call with characters that a token sends. Raises QuotaError if it may not send them now."""
        seconds = self.charge(token, num_characters, 1)
        if seconds:
            assert token is not None
            allowed = token.characters_per_minute
            message = f"the limit of {allowed} characters per minute is used up: try again later"
            raise QuotaError("characters", message, seconds)


@dataclass(frozen=True, slots=True)
class CallerAllowance:
    """A caller's quotas, a `server.call_context.Allowance`. Operations have the same limit as calls but are counted
    separately, so that a caller at the limit can still query and cancel them."""

    quotas: Quotas
    client: str
    token: Token | None

    @property
    def _name(self) -> str:
        return f"{self.client} operations"  # a token's name holds no space

    def begin_call(self) -> None:
        """See `Quotas.enter`."""
        self.quotas.enter(self.client, self.token)

    def end_call(self) -> None:
        """See `Quotas.leave`."""
        self.quotas.leave(self.client)

    def require(self, num_characters: int) -> None:
        """See `Quotas.require`."""
        self.quotas.require(self.token, num_characters)

    def enter(self) -> None:
        """See `Quotas.enter`."""
        self.quotas.enter(self._name, self.token)

    def leave(self) -> None:
        """See `Quotas.leave`."""
        self.quotas.leave(self._name)

    def charge(self, num_characters: int, num_calls: int = 0) -> float:
        """See `Quotas.charge`."""
        return self.quotas.charge(self.token, num_characters, num_calls)

    def usage(self) -> tuple[Period, Period]:
        """See `Usage.of`."""
        return self.quotas.usage.of(self.token)
