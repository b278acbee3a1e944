"""Counts by day and month."""

import asyncio
import logging
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dragoman.model.errors import DragomanError
from dragoman.server.access.quotas import ExhaustedError, QuotaError, Quotas
from dragoman.server.access.tokens import Token
from dragoman.server.access.usage import KEPT_DAYS, Usage

DAY = 86_400.0
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def counts(usage: Usage, token: Token | None) -> list[tuple[int, int]]:
    return [(period.characters, period.calls) for period in usage.of(token)]


def test_a_day_ends_at_midnight_and_a_month_with_its_last_day() -> None:
    clock = Clock()
    usage, token = Usage(clock=clock), Token("a")
    usage.add(token, 10, 1)
    usage.add(None, 5, 1)
    assert counts(usage, token) == [(10, 1), (10, 1)]
    assert counts(usage, None) == [(5, 1), (5, 1)]
    clock.now += DAY
    usage.add(token, 1, 1)
    assert counts(usage, token) == [(1, 1), (11, 2)]
    day, month = usage.of(token)
    assert (day.end - day.begin, month.end - month.begin) == (DAY, 30 * DAY)
    clock.now += DAY
    assert counts(usage, token) == [(0, 0), (0, 0)]
    assert usage.of(token)[1].begin == datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def test_a_restart_forgets_nothing_that_was_written(tmp_path: Path) -> None:
    clock, path, token = Clock(NOON - DAY), tmp_path / "new" / "usage.sqlite", Token("a")

    async def count() -> None:
        usage = Usage(path, clock=clock)
        usage.start()
        usage.add(token, 10, 1)
        await usage.flush()
        clock.now = NOON
        usage.add(token, 7, 2)
        usage.add(Token("b"), 3, 1)
        await usage.stop()

    asyncio.run(count())
    usage = Usage(path, clock=clock)
    assert counts(usage, token) == [(7, 2), (17, 3)]
    assert counts(usage, Token("b")) == [(3, 1), (3, 1)]
    clock.now += 2 * DAY
    assert counts(Usage(path, clock=clock), token) == [(0, 0), (0, 0)]


def test_old_days_are_deleted(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "usage.sqlite"
    usage = Usage(path, clock=clock)
    usage.add(None, 10, 1)
    asyncio.run(usage.flush())
    clock.now += KEPT_DAYS * DAY
    Usage(path, clock=clock)
    assert rows(path) == [("", "2026-11-29", 10, 1)]
    clock.now += DAY
    Usage(path, clock=clock)
    assert rows(path) == []


def rows(path: Path) -> list[tuple[str, str, int, int]]:
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT * FROM usage").fetchall()
    finally:
        database.close()


def test_what_cannot_be_written_is_kept_and_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "usage.sqlite"
    usage = Usage(path, clock=Clock())
    usage.add(None, 10, 1)
    path.unlink()
    path.mkdir()

    async def flush_again() -> None:
        with caplog.at_level(logging.ERROR):
            await usage.flush()
            await usage.flush()
        path.rmdir()
        Usage(path)
        usage.add(None, 1, 1)
        await usage.flush()

    asyncio.run(flush_again())
    assert len([record for record in caplog.records if "usage cannot be written" in record.message]) == 1
    assert rows(path) == [("", "2026-11-29", 11, 2)]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    path.write_text("no database, but rather a text of some length " * 100)
    with pytest.raises(DragomanError, match=r"access\.usage: .*usage\.sqlite cannot be used"):
        Usage(path)


@pytest.mark.parametrize(
    ("limits", "reason", "seconds"),
    [
        ({"characters_per_day": 10}, "characters_per_day", DAY / 2),
        ({"characters_per_month": 10}, "characters_per_month", 1.5 * DAY),
        ({"calls_per_day": 2}, "calls_per_day", DAY / 2),
        ({"calls_per_month": 2}, "calls_per_month", 1.5 * DAY),
    ],
)
def test_a_quota_is_never_exceeded(limits: dict[str, int], reason: str, seconds: float) -> None:
    quotas, token = Quotas(1, 1, Usage(clock=Clock())), Token("a", **limits)  # type: ignore[arg-type]
    quotas.require(token, 5)
    quotas.require(token, 5)
    with pytest.raises(ExhaustedError, match="does not allow this call") as caught:
        quotas.require(token, 1)
    assert (caught.value.reason, caught.value.retry_after) == (reason, seconds)
    quotas.require(token, 0)
    quotas.require(Token("b", **limits), 10)  # type: ignore[arg-type]
    assert counts(quotas.usage, token) == [(10, 2), (10, 2)]


def test_a_refused_call_is_not_counted() -> None:
    quotas, token = Quotas(1, 1, clock=Clock()), Token("a", characters_per_minute=1)
    quotas.require(token, 2)
    with pytest.raises(QuotaError):
        quotas.require(token, 2)
    assert counts(quotas.usage, token) == [(2, 1), (2, 1)]
