"""The numbers behind quotas and usage: running calls, rates, and what was used of a day and of a month, by name."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Count:
    """Characters of source texts, and calls that brought some."""

    characters: int = 0
    calls: int = 0

    def add(self, characters: int, calls: int) -> None:
        """Count more."""
        self.characters += characters
        self.calls += calls


@dataclass(slots=True)
class Bucket:
    """A token bucket that may be overdrawn; full, it holds one minute's characters. at: the time of `level`."""

    per_minute: int
    level: float
    at: float


class Counts(Protocol):
    """For the event loop alone. Days and months are numbers that grow."""

    is_read: bool
    """Whether what was used before the server's start is counted."""

    def locked(self) -> AbstractContextManager[None]:
        """While it is held, no other process changes a number."""

    def running(self, name: str) -> int:
        """Running calls."""

    def change_running(self, name: str, change: int) -> None:
        """Count calls that begin, or that end."""

    def bucket(self, name: str) -> Bucket | None:
        """A name's bucket as it was kept."""

    def keep_bucket(self, name: str, bucket: Bucket) -> None:
        """Keep a bucket that has changed."""

    def used(self, name: str, day: int, month: int) -> tuple[Count, Count]:
        """What was used of this day and of this month."""

    def add_used(self, name: str, day: int, month: int, *, of_day: Count, of_month: Count) -> None:
        """Count what is used."""


@dataclass(slots=True)
class _Numbers:
    """What is known of a name."""

    running: int = 0
    bucket: Bucket | None = None
    day: int = 0
    of_day: Count = field(default_factory=Count)
    month: int = 0
    of_month: Count = field(default_factory=Count)

    @property
    def are_needed(self) -> bool:
        """Whether they may be forgotten: otherwise every past connection would stay in memory."""
        return bool(self.running or self.bucket or self.day)


class LocalCounts:
    """The counts of one process."""

    def __init__(self) -> None:
        self.is_read = False
        self._by_name: dict[str, _Numbers] = {}

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else changes them."""
        return nullcontext()

    def running(self, name: str) -> int:
        """See `Counts`."""
        found = self._by_name.get(name)
        return 0 if found is None else found.running

    def change_running(self, name: str, change: int) -> None:
        """See `Counts`."""
        found = self._of(name)
        found.running += change
        if not found.are_needed:
            del self._by_name[name]

    def bucket(self, name: str) -> Bucket | None:
        """See `Counts`."""
        found = self._by_name.get(name)
        return None if found is None else found.bucket

    def keep_bucket(self, name: str, bucket: Bucket) -> None:
        """See `Counts`."""
        self._of(name).bucket = bucket

    def used(self, name: str, day: int, month: int) -> tuple[Count, Count]:
        """See `Counts`."""
        found = self._by_name.get(name)
        if found is None:
            return Count(), Count()
        return found.of_day if found.day == day else Count(), found.of_month if found.month == month else Count()

    def add_used(self, name: str, day: int, month: int, *, of_day: Count, of_month: Count) -> None:
        """See `Counts`."""
        found = self._of(name)
        if found.day != day:
            found.day, found.of_day = day, Count()
        if found.month != month:
            found.month, found.of_month = month, Count()
        found.of_day.add(of_day.characters, of_day.calls)
        found.of_month.add(of_month.characters, of_month.calls)

    def _of(self, name: str) -> _Numbers:
        return self._by_name.setdefault(name, _Numbers())
