"""What callers use by day and month, in UTC, kept over a restart."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from dragoman.model.errors import DragomanError
from dragoman.server.access.counts import Count, Counts, LocalCounts
from dragoman.server.access.tokens import Token
from dragoman.server.background import BackgroundThread

FLUSH_SECONDS = 2.0
"""Interval of writing. A process that is killed loses the counts of this time."""

KEPT_DAYS = 400
"""Days after which counts are deleted."""

CLOSE_SECONDS = 5.0
"""Time for the last writing."""

_TABLE = """CREATE TABLE IF NOT EXISTS usage (
    name TEXT, day TEXT, characters INTEGER, calls INTEGER, PRIMARY KEY (name, day))"""

_ADD = """INSERT INTO usage VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET characters = characters + excluded.characters, calls = calls + excluded.calls"""

logger = logging.getLogger(__name__)

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Period:
    """A day or a month, in seconds since 1970, with what was used of it.

    max_characters, max_calls: the token's limits; None for none.
    """

    begin: float
    end: float
    characters: int
    calls: int
    max_characters: int | None = None
    max_calls: int | None = None


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a call would exceed. kind: "characters" or "calls". seconds: until the period ends."""

    kind: Literal["characters", "calls"]
    period: Literal["day", "month"]
    limit: int
    seconds: float


class Usage:
    """Counts by token; all callers without one count together, under an empty name.

    For the event loop alone. Counting only changes numbers in memory, which `start` writes to the disk every
    FLUSH_SECONDS, on a thread.
    """

    def __init__(
        self, path: Path | None = None, *, counts: Counts | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """path: of an SQLite file that is made if it is missing; None keeps counts until the process ends. counts:
        those of several processes, each of which writes its own use; by default those of this one. clock: seconds since
        1970.

        Raises DragomanError for a file that cannot be used.
        """
        self._path = path
        self._clock = clock
        self.counts = counts or LocalCounts()
        self._unwritten: dict[tuple[str, str], Count] = {}  # by name and day
        self._day_begin = self._day_end = self._month_begin = self._month_end = 0.0
        self._day = ""
        self._day_number = self._month_number = 0
        self._is_failing = False
        self._thread = BackgroundThread("dragoman-usage")
        self._flushing: asyncio.Task[None] | None = None
        self._turn(clock())
        if path is not None and not self.counts.is_read:
            try:
                self._read(path)
                self.counts.is_read = True
            except (OSError, sqlite3.Error) as error:
                raise DragomanError(f"access.usage: {path} cannot be used: {error}") from error

    def start(self) -> None:
        """Write from now on."""
        if self._path is not None:
            self._flushing = asyncio.create_task(self._flush_often(), name="dragoman-usage")

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._flushing is None:
            return
        self._flushing.cancel()
        await asyncio.gather(self._flushing, return_exceptions=True)
        with suppress(TimeoutError):
            await self.flush(CLOSE_SECONDS)
        self._thread.end()

    def find_exceeded(self, token: Token | None, num_characters: int, num_calls: int) -> Exceeded | None:
        """The limit of a token that so much more would exceed."""
        if token is None or not token.has_quota:
            return None
        now = self._now()
        day, month = self.counts.used(token.name, self._day_number, self._month_number)
        if _is_over(month.characters + num_characters, token.characters_per_month):
            return Exceeded("characters", "month", token.characters_per_month or 0, self._month_end - now)
        if _is_over(month.calls + num_calls, token.calls_per_month):
            return Exceeded("calls", "month", token.calls_per_month or 0, self._month_end - now)
        if _is_over(day.characters + num_characters, token.characters_per_day):
            return Exceeded("characters", "day", token.characters_per_day or 0, self._day_end - now)
        if _is_over(day.calls + num_calls, token.calls_per_day):
            return Exceeded("calls", "day", token.calls_per_day or 0, self._day_end - now)
        return None

    def add(self, token: Token | None, num_characters: int, num_calls: int) -> None:
        """Count what a token uses."""
        name = "" if token is None else token.name
        self._now()
        used = Count(num_characters, num_calls)
        self.counts.add_used(name, self._day_number, self._month_number, of_day=used, of_month=used)
        if self._path is not None:
            _count(self._unwritten, (name, self._day)).add(num_characters, num_calls)

    def of(self, token: Token | None) -> tuple[Period, Period]:
        """A token's use of this day and of this month."""
        name = "" if token is None else token.name
        self._now()
        with self.counts.locked():
            day, month = self.counts.used(name, self._day_number, self._month_number)
        limits = token or Token("")
        return (
            Period(
                self._day_begin,
                self._day_end,
                day.characters,
                day.calls,
                limits.characters_per_day,
                limits.calls_per_day,
            ),
            Period(
                self._month_begin,
                self._month_end,
                month.characters,
                month.calls,
                limits.characters_per_month,
                limits.calls_per_month,
            ),
        )

    async def flush(self, seconds: float | None = None) -> None:
        """Write what was counted since the last time. Raises TimeoutError after `seconds`."""
        if not self._unwritten or self._path is None:
            return
        path, counts, self._unwritten = self._path, self._unwritten, {}
        rows = [(name, day, count.characters, count.calls) for (name, day), count in counts.items()]
        try:
            await self._thread.run(lambda: _write(path, rows), seconds)
            self._is_failing = False
        except (OSError, sqlite3.Error) as error:
            for key, count in counts.items():
                _count(self._unwritten, key).add(count.characters, count.calls)
            if not self._is_failing:
                logger.error("%s: usage cannot be written, and is kept in memory: %s", path, error)
            self._is_failing = True

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await asyncio.shield(asyncio.ensure_future(self.flush()))

    def _now(self) -> float:
        now = self._clock()
        if not self._day_begin <= now < self._day_end:
            self._turn(now)
        return now

    def _turn(self, now: float) -> None:
        """Begin a day, and perhaps a month."""
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._day, self._day_begin = today.date().isoformat(), today.timestamp()
        self._day_end = (today + timedelta(days=1)).timestamp()
        self._day_number = today.toordinal()
        month = today.replace(day=1)
        if month.timestamp() != self._month_begin:
            self._month_number = 12 * today.year + today.month
            self._month_begin = month.timestamp()
            self._month_end = (month + timedelta(days=32)).replace(day=1).timestamp()

    def _read(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        oldest = datetime.fromtimestamp(self._day_begin, UTC) - timedelta(days=KEPT_DAYS)
        database = sqlite3.connect(path)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_TABLE)
            database.execute("DELETE FROM usage WHERE day < ?", (oldest.date().isoformat(),))
            database.commit()
            rows = database.execute("SELECT * FROM usage WHERE day >= ?", (f"{self._day[:7]}-01",)).fetchall()
        finally:
            database.close()
        for name, day, characters, calls in rows:
            used = Count(characters, calls)
            of_day = used if day == self._day else Count()
            self.counts.add_used(name, self._day_number, self._month_number, of_day=of_day, of_month=used)


def _count(counts: dict[_Key, Count], key: _Key) -> Count:
    found = counts.get(key)
    if found is None:
        found = counts[key] = Count()
    return found


def _is_over(number: int, limit: int | None) -> bool:
    return limit is not None and number > limit


def _write(path: Path, rows: list[tuple[str, str, int, int]]) -> None:
    database = sqlite3.connect(path, timeout=CLOSE_SECONDS)
    try:
        with database:
            database.executemany(_ADD, rows)
    finally:
        database.close()
