"""The numbers behind quotas and usage of several processes, in memory that they share."""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from dragoman.server.access.counts import Bucket, Count, LocalCounts

MAX_NAMES = 8192
"""Most names in shared memory; further ones are counted by each process for itself."""

MAX_PROCESSES = 64

_KEY_BYTES = 32
_OF_A_CONNECTION = ("ipv4:", "ipv6:", "unix:")
"""Beginnings of names that are connections, of which each belongs to one process."""


class SharedCounts:
    """The counts of several processes that were forked after it was made; connections are counted by their process.

    The lock is the kernel's: a process that dies releases it.
    """

    # running; bucket: per minute, level, time; day, its characters and calls; month, likewise; running by process
    _RECORD = struct.Struct(f"=qqddqqqqqq{MAX_PROCESSES}i")
    _NUMBERS = struct.Struct("=qqddqqqqqq")
    _RUNNING = struct.Struct("=i")

    def __init__(self) -> None:
        self.is_read = False
        self._file = os.memfd_create("dragoman-counts")
        self._begin = MAX_NAMES * _KEY_BYTES
        size = self._begin + MAX_NAMES * self._RECORD.size
        os.ftruncate(self._file, size)
        self._memory = mmap.mmap(self._file, size)
        self._local = LocalCounts()
        self._process = 0
        self._known: dict[str, tuple[bytes, int]] = {}  # by name: its key, and the place that it had

    def be_process(self, number: int) -> None:
        """Count the calls of a process from now on, the first one being 0."""
        self._process = number

    def forget_process(self, number: int) -> None:
        """End the calls that a process was running when it died."""
        with self.locked():
            for place in range(MAX_NAMES):
                if self._memory[place * _KEY_BYTES] or self._memory[place * _KEY_BYTES + 1]:
                    self._change(place, number, -self._running_of(place, number))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See `Counts`."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def running(self, name: str) -> int:
        """See `Counts`."""
        place = self._find(name)
        if place is None:
            return self._local.running(name)
        return int(self._read(place)[0])

    def change_running(self, name: str, change: int) -> None:
        """See `Counts`."""
        place = self._find(name)
        if place is None:
            self._local.change_running(name, change)
        else:
            self._change(place, self._process, change)

    def bucket(self, name: str) -> Bucket | None:
        """See `Counts`."""
        place = self._find(name)
        if place is None:
            return self._local.bucket(name)
        _, per_minute, level, at, *_ = self._read(place)
        return Bucket(int(per_minute), level, at) if per_minute else None

    def keep_bucket(self, name: str, bucket: Bucket) -> None:
        """See `Counts`."""
        place = self._find(name)
        if place is None:
            self._local.keep_bucket(name, bucket)
            return
        numbers = self._read(place)
        numbers[1:4] = bucket.per_minute, bucket.level, bucket.at
        self._write(place, numbers)

    def used(self, name: str, day: int, month: int) -> tuple[Count, Count]:
        """See `Counts`."""
        place = self._find(name)
        if place is None:
            return self._local.used(name, day, month)
        numbers = self._read(place)
        return (
            Count(int(numbers[5]), int(numbers[6])) if numbers[4] == day else Count(),
            Count(int(numbers[8]), int(numbers[9])) if numbers[7] == month else Count(),
        )

    def add_used(self, name: str, day: int, month: int, *, of_day: Count, of_month: Count) -> None:
        """See `Counts`."""
        place = self._find(name)
        if place is None:
            self._local.add_used(name, day, month, of_day=of_day, of_month=of_month)
            return
        before_day, before_month = self.used(name, day, month)
        before_day.add(of_day.characters, of_day.calls)
        before_month.add(of_month.characters, of_month.calls)
        numbers = self._read(place)
        numbers[4:7] = day, before_day.characters, before_day.calls
        numbers[7:10] = month, before_month.characters, before_month.calls
        self._write(place, numbers)

    def _find(self, name: str) -> int | None:
        """The place of a name; None if it is counted locally. With the lock held, except for reading."""
        if name.startswith(_OF_A_CONNECTION):
            return None
        known = self._known.get(name)
        key = known[0] if known is not None else b"\x01" + blake2b(name.encode(), digest_size=_KEY_BYTES - 1).digest()
        place = known[1] if known is not None else -1
        if place < 0 or self._memory[place * _KEY_BYTES : (place + 1) * _KEY_BYTES] != key:
            found = self._search(key)
            if found is None:
                found = self._search_free()
            if found is None:
                return None
            place = found
            self._memory[place * _KEY_BYTES : (place + 1) * _KEY_BYTES] = key
            if len(self._known) > 2 * MAX_NAMES:
                self._known.clear()
            self._known[name] = key, place
        return place

    def _search(self, key: bytes) -> int | None:
        at = self._memory.find(key, 0, self._begin)
        while at >= 0 and at % _KEY_BYTES:
            at = self._memory.find(key, at + 1, self._begin)
        return None if at < 0 else at // _KEY_BYTES

    def _search_free(self) -> int | None:
        """A place for another name: an empty one, or that of a name whose numbers are all nought."""
        empty = self._search(bytes(_KEY_BYTES))
        if empty is not None:
            return empty
        for place in range(MAX_NAMES):
            numbers = self._read(place)
            if not (numbers[0] or numbers[1] or numbers[4]):
                return place
        return None

    def _at(self, place: int) -> int:
        return self._begin + place * self._RECORD.size

    def _read(self, place: int) -> "list[int | float]":
        return [*self._NUMBERS.unpack_from(self._memory, self._at(place))]

    def _write(self, place: int, numbers: "list[int | float]") -> None:
        self._NUMBERS.pack_into(self._memory, self._at(place), *numbers)

    def _running_of(self, place: int, process: int) -> int:
        at = self._at(place) + self._NUMBERS.size + process * self._RUNNING.size
        return int(self._RUNNING.unpack_from(self._memory, at)[0])

    def _change(self, place: int, process: int, change: int) -> None:
        numbers = self._read(place)
        numbers[0] += change
        self._write(place, numbers)
        at = self._at(place) + self._NUMBERS.size + process * self._RUNNING.size
        self._RUNNING.pack_into(self._memory, at, self._running_of(place, process) + change)
